# SPDX-License-Identifier: GPL-2.0-or-later
"""An iSCSI target: one IQN with one portal group, its portals (lio_portal) and its access control
lists (lio_acl).

- `ensure` makes a target as planned from whatever is there, and leaves nothing of its own where it fails;
- `remove` takes away whatever is there;
- `state` only looks, and only where it cannot hang.
"""

from __future__ import annotations

import binascii
import errno

from twinsan.errors import Failure, Misconfigured, Passing
from twinsan.system import chap, configfs, lio_acl, lio_portal

# What initiators and target agree on at login, beyond LIO's defaults, which are those of RFC 7143 and slow: 8 KiB in a
# PDU, one outstanding R2T, an R2T before each write, two seconds before a lost connection is made again (13.15: the
# longer of the two sides' counts). ESXi takes the lower of the others and its own.
PARAMETERS = {
    "DefaultTime2Wait": "0",
    "FirstBurstLength": "262144",
    "ImmediateData": "Yes",
    "InitialR2T": "No",
    "MaxBurstLength": "1048576",
    "MaxOutstandingR2T": "8",
    "MaxRecvDataSegmentLength": "262144",
    "MaxXmitDataSegmentLength": "262144",
}

# What else may be asked for, with the kernel's own values (iscsi_target_parameters.h). The others are fixed by its
# code, or follow from whether CHAP is used.
_KERNEL_PARAMETERS = {
    "DataDigest": "CRC32C,None",
    "DataPDUInOrder": "Yes",
    "DataSequenceInOrder": "Yes",
    "DefaultTime2Retain": "20",
    "ErrorRecoveryLevel": "0",
    "HeaderDigest": "CRC32C,None",
    "MaxConnections": "1",
    "TargetAlias": "LIO Target",
}
PARAMETER_NAMES = frozenset((*PARAMETERS, *_KERNEL_PARAMETERS))

# No session without an access control list, none made up for strangers, and the target shown to its own initiators
# only.
_CLOSED = {
    "generate_node_acls": "0",
    "cache_dynamic_acls": "0",
    "demo_mode_write_protect": "1",
    "demo_mode_discovery": "0",
    "prod_mode_write_protect": "0",
}

# The kernel calls it demo mode: whoever comes gets a list, sees every LUN and may write.
_OPEN = {
    **_CLOSED,
    "generate_node_acls": "1",
    "cache_dynamic_acls": "1",
    "demo_mode_write_protect": "0",
    "demo_mode_discovery": "1",
}


class Target:
    """What a target shall be. Portals are written as LIO writes them: ``10.0.5.50:3260``, ``[2001:db8::50]:3260``.

    `credentials` are those of the initiators that prove themselves; `everybody` opens it to all (demo mode), who then
    prove themselves with the credentials of "". `relative_port` is the number that hosts know its port by.
    """

    __slots__ = (
        "credentials",
        "everybody",
        "initiators",
        "iqn",
        "parameters",
        "portals",
        "queue_depth",
        "relative_port",
    )

    def __init__(
        self,
        iqn: str,
        portals: tuple[str, ...],
        initiators: tuple[str, ...],
        *,
        credentials: dict[str, chap.Credentials] | None = None,
        everybody: bool = False,
        queue_depth: int = 128,
        parameters: dict[str, str] | None = None,
        relative_port: int = 1,
    ) -> None:
        self.iqn = iqn
        self.portals = portals
        self.initiators = initiators
        self.credentials = credentials or {}
        self.everybody = everybody
        self.queue_depth = queue_depth
        self.relative_port = relative_port
        self.parameters = {**_KERNEL_PARAMETERS, **PARAMETERS, **(parameters or {})}


def group(iqn: str) -> str:
    """The place of the target's portal group. There is one, and its tag is always 1: initiators keep it."""
    return configfs.place("iscsi", iqn, "tpgt_1")


def state(target: Target) -> tuple[bool, str]:
    """Whether anything of the target exists, and what is wrong with it ("" for nothing)."""
    if not configfs.exists(configfs.place("iscsi", target.iqn)):
        return False, ""
    return True, _fault(target)


def _fault(target: Target) -> str:
    place = group(target.iqn)
    if not configfs.exists(place):
        return "it has no portal group"
    present = lio_portal.present(place)
    if not set(target.portals).intersection(present):
        return f"it does not listen on {' '.join(target.portals)}"
    admitted = lio_acl.admitted(place)
    unknown = [initiator for initiator in target.initiators if initiator not in admitted]
    if unknown:
        return f"it does not admit {names(unknown)}"
    # The stop of the last LUN leaves the group disabled (lio_lun, "Silence"): no fault of the target's.
    if configfs.read(f"{place}/enable") != "1" and configfs.names(f"{place}/lun"):
        return "it is disabled although it has LUNs: somebody wrote 0 to its 'enable'"
    return ""


def names(every: list[str]) -> str:
    """Names for a reason, of which no more than 128 characters are shown: the first, and how many there are besides."""
    return every[0] if len(every) == 1 else f"{every[0]} and {len(every) - 1} more"


def ailment(target: Target) -> str:
    """What is missing of a target that works all the same; "" for nothing."""
    present = lio_portal.present(group(target.iqn))
    missing = [portal for portal in target.portals if portal not in present]
    return f"it does not listen on {names(missing)}" if missing else ""


def drift(target: Target) -> list[str]:
    """What differs from the plan although the target works, attribute by attribute.

    It reads what a dying LUN can lock (see configfs), so it belongs in a child.
    """
    place = group(target.iqn)
    found = configfs.differences(f"{place}/attrib", attributes(target))
    found += configfs.differences(f"{place}/param", target.parameters)
    for initiator in target.initiators:
        wrong = lio_acl.unproven(lio_acl.place(place, initiator), target.credentials.get(initiator, chap.NONE))
        found += [f"the {what} of {initiator} is another" for what in wrong]
    wrong = lio_acl.unproven(place, target.credentials.get("", chap.NONE))
    found += [f"the {what} of everybody is another" for what in wrong]
    strangers = sorted(set(lio_acl.admitted(place)) - set(target.initiators))
    strange = sorted(set(lio_portal.present(place)) - set(target.portals))
    found += [f"{name} is admitted as well" for name in strangers]
    found += [f"it has portal group {tag} as well" for tag in _tags(target.iqn) if tag != "tpgt_1"]
    found += [f"it listens on {name} as well" for name in strange]
    found += [f"nothing listens on {portal}" for portal in target.portals if not lio_portal.listening(portal)]
    return found


def ensure(target: Target) -> str:
    """Make the target as planned; returns why it does not listen on a portal where it does on another one, or "". The
    caller holds lio.LOCK. Raises Passing for what may pass by itself, such as a portal that is the only one.
    """
    place = configfs.place("iscsi", target.iqn)
    configfs.make(configfs.place("iscsi"))
    created = configfs.make(place)
    try:
        return _ensure_group(target, group(target.iqn))
    except Exception:
        if created:
            remove(target.iqn)
        raise


def _ensure_group(target: Target, place: str) -> str:
    """Portals come last but one: up to then a new group cannot be reached, whatever address it will listen on."""
    configfs.make(place)
    _set_attributes(target, place)
    _set_parameters(target, place)
    _fix_relative_port(target, place)
    lio_acl.prove(place, target.credentials.get("", chap.NONE))
    for initiator in target.initiators:
        lio_acl.ensure(place, initiator, target.credentials.get(initiator, chap.NONE), target.queue_depth)
    for stranger in set(lio_acl.admitted(place)) - set(target.initiators):
        lio_acl.remove(place, stranger)
    for stale in set(lio_portal.present(place)) - set(target.portals):
        lio_portal.remove(place, stale)
    refused = _listen(target.portals, place)
    enable(target.iqn)
    return refused


def _listen(portals: tuple[str, ...], place: str) -> str:
    """Listen on all portals that can be had; returns why not on the others. Raises Passing where there is none."""
    refusals = []
    for portal in portals:
        try:
            lio_portal.ensure(place, portal)
        except Passing as refusal:
            refusals.append(refusal)
    if refusals and len(refusals) == len(portals):
        raise refusals[0]
    return "; ".join(map(str, refusals))


def _set_attributes(target: Target, place: str) -> None:
    for name, value in attributes(target).items():
        configfs.settle(f"{place}/attrib/{name}", value)


def attributes(target: Target) -> dict[str, str]:
    """The attributes of the target's portal group, as planned."""
    # An access control list takes its queue depth from the group when it is made.
    return {
        **(_OPEN if target.everybody else _CLOSED),
        "authentication": "1" if target.credentials else "0",
        "default_cmdsn_depth": str(target.queue_depth),
    }


def _set_parameters(target: Target, place: str) -> None:
    for name, value in target.parameters.items():
        try:
            configfs.settle(f"{place}/param/{name}", value)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise Misconfigured(
                f"the kernel does not take {name}={value} as an iSCSI parameter: {configfs.reason(error)}; "
                "correct additional_parameters (RFC 7143, section 13, has the values)",
                parameter="additional_parameters",
            ) from None


def _fix_relative_port(target: Target, place: str) -> None:
    """Give the group the same relative target port on both nodes. Kernels before 6.4 have no such attribute, and count
    the LUNs that are made of a storage object: there it is 1.

    Newer ones count up when a group is enabled, so that two targets would swap theirs with the order of their starts. A
    number that another group of this node has is not to be had; then it is one that is the target's own.
    """
    if configfs.read(f"{place}/rtpi") is None or configfs.read(f"{place}/enable") == "1":
        return
    targets = configfs.place("iscsi")
    groups = [f"{targets}/{other}/{tag}" for other in configfs.names(targets) for tag in _tags(other)]
    taken = [_relative_port(other) for other in groups if other != place]
    own = 1 + binascii.crc32(target.iqn.encode("ascii")) % 0xFFFF
    number = own if target.relative_port in taken else target.relative_port
    if _relative_port(place) != number:
        configfs.write(f"{place}/rtpi", str(number))


def _relative_port(place: str) -> int:
    return int(configfs.read(f"{place}/rtpi") or "0", 0)


def enable(iqn: str) -> None:
    """Let the target accept logins."""
    place = group(iqn)
    try:
        configfs.settle(f"{place}/enable", "1")
    except OSError as error:
        # A target that is being stopped may have its relative port.
        raise Passing(
            f"target {iqn} cannot be enabled: {configfs.reason(error)}; see 'dmesg', and whether another "
            f"target has the same {place}/rtpi"
        ) from None


def lets_everybody_in(iqn: str) -> bool:
    """Whether the target is in demo mode. It reads what a dying LUN can lock (see configfs)."""
    return configfs.read(f"{group(iqn)}/attrib/generate_node_acls") == "1"


def disable(iqn: str) -> None:
    """End all sessions and accept no login."""
    place = f"{group(iqn)}/enable"
    if configfs.exists(place):
        configfs.settle(place, "0")


def heard(iqn: str) -> str:
    """A portal over which initiators hear the target now; "" where none of its addresses is on this host."""
    return next(filter(lio_portal.reachable, lio_portal.present(group(iqn))), "")


def devices(iqn: str) -> list[str]:
    """The block devices that are shown as LUNs. It enters what a dying LUN can lock, so it belongs in a child."""
    place = f"{group(iqn)}/lun"
    luns = [f"{place}/{lun}" for lun in configfs.names(place)]
    found = {configfs.read(f"{lun}/{link}/udev_path") or "" for lun in luns for link in configfs.links(lun)}
    return sorted(found - {""})


def remove(iqn: str) -> None:
    """Take the target away, whatever state it is in, with every portal group that somebody gave it."""
    place = configfs.place("iscsi", iqn)
    for tag in _tags(iqn):
        _remove_group(f"{place}/{tag}")
    configfs.remove(place)
    if configfs.exists(place):
        raise Failure(f"target {iqn} is still there after its removal; see 'dmesg' and {place}")


def _tags(iqn: str) -> list[str]:
    """The portal groups of a target, by the names of their places."""
    return [name for name in configfs.names(configfs.place("iscsi", iqn)) if name.startswith("tpgt_")]


def _remove_group(place: str) -> None:
    configfs.settle(f"{place}/enable", "0")
    for initiator in lio_acl.admitted(place):
        lio_acl.remove(place, initiator)
    for lun in configfs.names(f"{place}/lun"):
        for link in configfs.links(f"{place}/lun/{lun}"):
            configfs.unlink(f"{place}/lun/{lun}/{link}")
        configfs.remove(f"{place}/lun/{lun}")
    for portal in lio_portal.present(place):
        lio_portal.remove(place, portal)
    configfs.remove(place)
