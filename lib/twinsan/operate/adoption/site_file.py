# SPDX-License-Identifier: GPL-2.0-or-later
"""The site file of what was found. What is missing is an empty value there, which `twinsan render` names."""

from __future__ import annotations

import re

from twinsan.lio import naa
from twinsan.operate.adoption import networks, replicas
from twinsan.operate.adoption.found import UNMAP, VENDOR
from twinsan.operate.adoption.toml_text import comment, key, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.adoption.found import Address, Disk, Found, Node, Served, Volume

_HEAD = """\
{source}
# Every identity is as hosts know it now: never change a serial, a product, a LUN number or an iqn.
# A value that is missing is empty here, and twinsan render names it. The keys are explained in examples/san.toml.
"""

# In place of a serial that is unknown: the agent refuses it.
_UNKNOWN = "?"


def text(found: Found) -> str:
    """Return the site file."""
    head = comment(f"A site file that twinsan adopt has made of {found.source}.")
    lines = [_HEAD.format(source=head) + f"name = {value(found.name)}", ""]
    lines += ["[networks]", *(f"{key(name)} = {value(network)}" for name, network in _networks(found).items()), ""]
    for node in found.nodes:
        lines += [*_node(node, found), ""]
    lines += [*_fencing(found), ""]
    if found.witness:
        lines += ["[witness]", f"host = {value(found.witness)}", ""]
    if found.policy:
        lines += ["[policy]", *(f"{name} = {number}" for name, number in found.policy.items()), ""]
    if not found.served:
        lines += ["[resources]", ""]
    for number, served in enumerate(found.served, 1):
        lines += [*_resource(served, found, number), ""]
    return "\n".join(lines)


def volume_of(disk: Disk, served: Served) -> Volume | None:
    """Return the volume of DRBD that a disk is served from; None if it is unknown."""
    return replicas.of_path(disk.path, [served.replica])[2] if served.replica else None


def _networks(found: Found) -> dict[str, str]:
    portals = [address for served in found.served for address in served.target.addresses]
    addresses = [address.ip for address in portals]
    for node in found.nodes:
        addresses += [*node.links, *_replications(node, found)]
    known = [f"{address.ip}/{address.prefix}" for address in portals if address.prefix]
    return networks.of(addresses, [*known, *found.interfaces]) or {"network1": ""}


def _replications(node: Node, found: Found) -> list[str]:
    """The addresses of a node for DRBD."""
    given = [served.replica.addresses.get(node.name, "") for served in found.served if served.replica]
    return list(dict.fromkeys(address for address in given if address))


def _node(node: Node, found: Found) -> Iterator[str]:
    yield f"[nodes.{key(node.name)}]"
    yield f"links = {value(node.links)}"
    replication = _replications(node, found)
    if replication and replication[0] not in node.links[:1]:
        yield f"replication = {value(replication[0])}"
    if found.fencing.by in ("ipmi", ""):
        yield f"bmc = {value(node.bmc)}"


def _fencing(found: Found) -> Iterator[str]:
    yield "[fencing]"
    if found.fencing.by:
        yield f"by = {value(found.fencing.by)}"
    for name, given in found.fencing.values.items():
        yield f"{name} = {value(given)}"


def _resource(served: Served, found: Found, number: int) -> Iterator[str]:
    name = f"resources.{key(served.resource)}"
    yield f"[{name}]"
    if served.suffix:
        yield f"suffix = {value(served.suffix)}" + " " * 4 + "# ends the names in the cluster: never change it"
    replica = served.replica
    if replica and replica.port and replica.port != 7789:
        yield f"port = {replica.port}"
    if len(found.served) > 1:
        # So that one of the two goes on if the nodes lose each other. Twice as much each time: no sums are equal.
        yield f"priority = {min(10 * 2 ** (len(found.served) - number), 1000)}"
    yield f"portals = {value([_portal(address) for address in served.target.addresses])}"
    yield ""
    yield f"[{name}.target]"
    yield f"iqn = {value(served.target.iqn)}"
    if served.target.initiators:
        yield f"allowed_initiators = {value(served.target.initiators)}"
    if number > 1:
        yield f"relative_port = {number}"
    for name_of_value, given in served.target.values.items():
        yield f"{name_of_value} = {value(given)}"
    for disk in served.target.disks:
        yield f"\n[[{name}.luns]]"
        yield from _disk(disk, served, found)


def _portal(address: Address) -> dict[str, object]:
    port: object = int(address.port) if re.fullmatch(r"[0-9]{1,9}", address.port) else address.port
    more = {"port": port} if port != 3260 else {}
    return {"ip": address.ip, **more, **({"nic": address.nic} if address.nic else {})}


def _disk(disk: Disk, served: Served, found: Found) -> Iterator[str]:
    yield f"lun = {int(disk.number) if re.fullmatch(r'[0-9]{1,9}', disk.number) else value(disk.number)}"
    volume = volume_of(disk, served)
    yield f"device = {value(f'/dev/drbd{volume.minor}' if volume else _device(disk.path))}"
    yield f"disk = {value(_disks(volume, found))}"
    if volume and volume.number != min(volume.minor, 255):
        yield f"volume = {volume.number}"
    serial = disk.serial or _UNKNOWN
    yield f"scsi_sn = {value(serial)}    {comment(naa.name(serial))}"
    if disk.vendor != VENDOR:
        yield f"vendor_id = {value(disk.vendor)}"
    yield f"product_id = {value(disk.product or _UNKNOWN)}"
    if disk.initiators and set(disk.initiators) != set(served.target.initiators):
        yield f"allowed_initiators = {value(disk.initiators)}"
    yield f"vaai = {value(disk.primitives or ('none',))}"
    if UNMAP in disk.primitives:
        yield "emulate_tpws = false"
    if disk.rotates is False:
        yield "is_nonrot = true"


def _device(path: str) -> str:
    """The device of a LUN whose volume is unknown: as it was given, if it says which of DRBD's it is."""
    match = re.fullmatch(r"/dev/drbd(?:/by-minor/)?([0-9]{1,7})", path)
    return f"/dev/drbd{int(match[1])}" if match else "" if path.startswith("/dev/drbd") else path


def _disks(volume: Volume | None, found: Found) -> object:
    """The disk of a volume on both nodes, or that of each."""
    if volume is None:
        return ""
    disks = {node.name: volume.disks.get(node.name, "") for node in found.nodes} or volume.disks
    names = list(dict.fromkeys(disks.values()))
    return disks if len(names) > 1 else "".join(names)
