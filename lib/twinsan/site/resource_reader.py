# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a DRBD resource of a site file, with its state volume, its target, its LUNs and its addresses."""

from __future__ import annotations

import ipaddress
import re

from twinsan.errors import Misconfigured, Reason
from twinsan.site import model
from twinsan.site.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Network

NO_DEVICE = Reason(Misconfigured, "{value} is no device of DRBD", "write it as /dev/drbd0, with its minor number")

_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
_SUFFIX = r"_[A-Za-z0-9_]{1,32}"
_MINORS = 1 << 20

# Where parameters of the agents have another source than a key of the same name.
_OF_REPLICA = ("drbd_resource", "state_device")
_OF_TARGET = ("portals",)
_OF_LUN = ("target_iqn", "lun", "path")
_OF_PORTAL = ("ip", "cidr_netmask")


def read(name: str, table: Table, nodes: tuple[str, ...], networks: dict[str, Network]) -> model.Resource:
    """Return the DRBD resource `name` that a table describes."""
    parent = Table({name: None}, table.path[:-1], table.mistakes)
    allowed = "letters, digits, _ and -, a letter first, at most 32"
    parent.name_of_key(name, _NAME, what="name of a DRBD resource", allowed=allowed)
    suffix = table.name(
        "suffix", _SUFFIX, what="suffix", allowed="_ and then letters, digits and _", example="", default=""
    )
    state = None
    if table.has("state"):
        inner = table.table("state", example="")
        state = _volume(inner, nodes)
        inner.finish()
    replica = table.parameters("drbd-vaai", without=_OF_REPLICA)
    target = _target(table.table("target", example=f"[resources.{name}.target]"))
    luns = tuple(_lun(each, suffix, nodes) for each in table.tables("luns", example=f"[[resources.{name}.luns]]"))
    portals = tuple(
        _portal(each, number, suffix, networks)
        for number, each in enumerate(table.tables("portals", example='portals = [{ ip = "10.0.5.50" }]'), 1)
    )
    resource = model.Resource(
        name=name,
        suffix=suffix,
        port=table.number("port", 1, 65535, default=7789),
        state=state,
        replica=replica,
        target=target,
        luns=luns,
        portals=portals,
        preferred=table.choice("preferred", nodes, ""),
        failback=table.truth("failback"),
        priority=table.number("priority", 0, 1000, default=0),
        path=table.path,
    )
    table.finish()
    return resource


def _volume(table: Table, nodes: tuple[str, ...]) -> model.Volume:
    device = table.device("device", example='"/dev/drbd0"')
    match = re.fullmatch(r"/dev/drbd(0|[1-9][0-9]{0,6})", device, re.ASCII)
    minor = int(match[1]) if match and int(match[1]) < _MINORS else 0
    if device and not match:
        table.mistakes.add((*table.path, "device"), NO_DEVICE, value=device)
    number = table.number("volume", 0, 255, default=min(minor, 255))
    return model.Volume(device if match else "", minor, number, _disks(table, nodes), table.path)


def _disks(table: Table, nodes: tuple[str, ...]) -> dict[str, str]:
    """The disk on each node: the same path on both, or a table of paths."""
    if not table.is_table("disk"):
        disk = table.device("disk", example='"/dev/sda5"')
        return dict.fromkeys(nodes, disk)
    inner = table.table("disk", example="")
    disks = {node: inner.device(node, example='"/dev/sda5"') for node in nodes}
    inner.finish()
    return disks


def _target(table: Table) -> dict[str, str]:
    table.text("iqn", example='iqn = "iqn.2003-01.org.example:san"')
    found = table.parameters("lio-iscsi-target", without=_OF_TARGET)
    table.finish()
    return found


def _lun(table: Table, suffix: str, nodes: tuple[str, ...]) -> model.Lun:
    number = table.number("lun", 0, 65535)
    volume = _volume(table, nodes)
    parameters = table.parameters("lio-lun", without=_OF_LUN)
    table.finish()
    return model.Lun(f"p_lun{number}{suffix}", number, volume, parameters, table.path)


def _portal(table: Table, number: int, suffix: str, networks: dict[str, Network]) -> model.Portal:
    address = table.address("ip", example='ip = "10.0.5.50"')
    parameters = table.parameters("portal-ip", without=_OF_PORTAL)
    table.finish()
    around = [network for network in networks.values() if address and ipaddress.ip_address(address) in network]
    prefix = around[0].prefixlen if around else 0
    port = parameters.pop("port", "3260")
    name = f"p_portal{number if number > 1 else ''}{suffix}"
    own = {"ip": address, "cidr_netmask": str(prefix), **parameters}
    if port != "3260":
        own["port"] = port
    return model.Portal(name, address, port, own, table.path)
