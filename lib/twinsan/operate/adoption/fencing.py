# SPDX-License-Identifier: GPL-2.0-or-later
"""How the nodes are fenced today."""

from __future__ import annotations

from twinsan.operate.adoption import secrets
from twinsan.operate.adoption.found import Fencing, Node, Notes
from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.cib import Cib, Primitive

# Agents that are fence_ipmilan by another name, and those that it replaces.
_IPMI = ("fence_ipmilan", "fence_idrac", "fence_imm", "fence_ilo3", "fence_ilo4", "fence_ilo5", "external/ipmi")
_SBD = ("fence_sbd", "external/sbd")
_CLASS = "stonith:"

_ADDRESS = ("ip", "ipaddr")
_USER = ("username", "login", "userid")
_PASSWORD = ("password", "passwd")
_SCRIPT = ("password_script", "passwd_script")

# The least time until a node with a lost watchdog counts as off, as the cluster's property.
_WATCHDOG = "stonith-watchdog-timeout"

_ONE_USER = "a site has one user name for both BMCs. Make a user of one name on both, with one password"
_DIFFERENT = (
    'a site names one password for both BMCs. Give both the same one; or write password = "lrm://" in place of '
    "password_script, and when the SAN serves: crm resource secret fence_NODE set password ..., for each node"
)
_OTHER = (
    "a site fences by IPMI, SBD or watchdog. Choose one of them; or keep these devices: leave the fence devices out of "
    "what you load"
)
_SECOND = "a site has one way of fencing. Add the second one by hand when the SAN serves"


def devices(cib: Cib) -> list[Primitive]:
    """Return all fence devices."""
    return [each for each in cib.primitives if each.agent.startswith(_CLASS)]


def read(cib: Cib, nodes: list[Node], notes: Notes) -> Fencing:
    """Return how the nodes are fenced, and give each its BMC."""
    by_kind: dict[str, list[Primitive]] = {}
    for device in devices(cib):
        kind = device.agent.removeprefix(_CLASS)
        by = model.IPMI if kind in _IPMI else model.SBD if kind in _SBD else kind
        by_kind.setdefault(by, []).append(device)
    known = [by for by in (model.IPMI, model.SBD) if by in by_kind]
    for by, found in by_kind.items():
        if by not in known[:1]:
            names = " ".join(device.name for device in found)
            notes.lose(names, f"fencing by {by}", _SECOND if known else _OTHER)
    if known[:1] == [model.IPMI]:
        return _ipmi(by_kind[model.IPMI], nodes, notes)
    if known[:1] == [model.SBD]:
        return _sbd(by_kind[model.SBD])
    if not by_kind and cib.properties.get(_WATCHDOG, "0").rstrip("s") not in ("0", ""):
        return Fencing(model.WATCHDOG)
    if not by_kind:
        notes.lose("fencing", "the cluster has no fence device", "DRBD needs it: a lost node has to be made sure off")
    return Fencing(next(iter(by_kind), ""))


def _ipmi(found: list[Primitive], nodes: list[Node], notes: Notes) -> Fencing:
    fencing = Fencing(model.IPMI)
    for device in found:
        for node in nodes:
            if node.name in _hosts(device):
                node.bmc = _first(device, _ADDRESS)
                notes.keep(f"BMC of {node.name}", node.bmc, device.name)
    users = sorted({_first(device, _USER) for device in found})
    fencing.values["username"] = users[0]
    if len(users) > 1:
        notes.lose(" ".join(device.name for device in found), f"user names {' '.join(users)}", _ONE_USER)
    ciphers = {device.values["cipher"] for device in found if device.values.get("cipher", "").isdecimal()}
    if len(ciphers) == 1:
        fencing.values["cipher"] = int(ciphers.pop()[:3])
    scripts = [script for device in found for script in [_first(device, _SCRIPT)] if script]
    if scripts:
        fencing.values["password_script"] = scripts[0]
        return fencing
    _keep_password(fencing, found, notes)
    return fencing


def _keep_password(fencing: Fencing, found: list[Primitive], notes: Notes) -> None:
    having = [(device, name) for device in found for name in _PASSWORD if device.values.get(name)]
    if not having:
        return
    device, name = having[0]
    value = device.values[name]
    fencing.values["password_script"] = secrets.BMC
    fencing.secrets.append(secrets.bmc_program(device.name, name, value))
    if len({each.values[key] for each, key in having}) > 1:
        notes.lose(" ".join(each.name for each, _ in having), "passwords that differ", _DIFFERENT)


def _sbd(found: list[Primitive]) -> Fencing:
    text = next(
        (device.values[name] for device in found for name in ("devices", "sbd_device") if name in device.values), ""
    )
    listed = [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
    return Fencing(model.SBD, {"devices": listed})


def _hosts(device: Primitive) -> list[str]:
    """The nodes that a device fences."""
    values = device.values
    mapped = [word.partition(":")[0] for word in values.get("pcmk_host_map", "").replace(",", ";").split(";")]
    listed = values.get("pcmk_host_list", "").replace(",", " ").split()
    return [*listed, *(word.strip() for word in mapped), *values.get("hostname", "").split()]


def _first(device: Primitive, names: tuple[str, ...]) -> str:
    return next((device.values[name] for name in names if device.values.get(name)), "")
