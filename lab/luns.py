# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair with many LUNs: the template with a set of LUNs in place of its group. They start and stop side by side."""

from __future__ import annotations

import struct
from copy import deepcopy

from lxml import etree

from lab.machine import Machine
from lab.pair import RESOURCE, Pair

# Spare disks of the servers, of 8 MiB each; see lab.pair. Each gets the four partitions that a master boot record has
# room for: a user-mode kernel takes no more disks.
_SPARE = "defghijklmnop"
_PARTITIONS, _FIRST_SECTOR, _SECTORS = 4, 64, 4080
MOST = 1 + len(_SPARE) * _PARTITIONS

# The promotion and the targets on one side, the address on the other; between them the LUNs, in no order.
_CONSTRAINTS = """
<constraints>
  <rsc_order id="luns-after-promotion" kind="Mandatory">
    <resource_set id="luns-after-promotion-1" action="promote"><resource_ref id="ms_drbd"/></resource_set>
    <resource_set id="luns-after-promotion-2" action="start" sequential="false">{luns}</resource_set>
    <resource_set id="luns-after-promotion-3" action="start"><resource_ref id="p_portal"/></resource_set>
  </rsc_order>
  <rsc_order id="luns-after-target" kind="Mandatory">
    <resource_set id="luns-after-target-1" action="start"><resource_ref id="c_target"/></resource_set>
    <resource_set id="luns-after-target-2" action="start" sequential="false">{luns}</resource_set>
  </rsc_order>
  <rsc_colocation id="luns-where-promoted" score="INFINITY">
    <resource_set id="luns-where-promoted-1"><resource_ref id="p_portal"/></resource_set>
    <resource_set id="luns-where-promoted-2" sequential="false">{luns}</resource_set>
    <resource_set id="luns-where-promoted-3" role="Promoted"><resource_ref id="ms_drbd"/></resource_set>
  </rsc_colocation>
  <rsc_colocation id="luns-where-target" score="INFINITY">
    <resource_set id="luns-where-target-1" sequential="false">{luns}</resource_set>
    <resource_set id="luns-where-target-2"><resource_ref id="c_target"/></resource_set>
  </rsc_colocation>
</constraints>
"""


def configuration(template: str, count: int) -> str:
    """The template with `count` LUNs, p_lun1 to p_lunN, each on a DRBD device of its own (see `device`)."""
    cib = etree.fromstring(template.encode())
    resources, constraints = (_only(cib, tag) for tag in ("resources", "constraints"))
    group = _only(cib, "group")
    lun, portal = group.findall("primitive")
    meta = _only(group, "meta_attributes")
    resources.remove(group)
    luns = [_lun(lun, number) for number in range(1, count + 1)]
    for primitive in [*luns, portal]:
        primitive.insert(1, _renamed(meta, str(group.get("id")), str(primitive.get("id"))))
        resources.append(primitive)
    for constraint in [each for each in constraints if group.get("id") in each.attrib.values()]:
        constraints.remove(constraint)
    references = "".join(f'<resource_ref id="{each.get("id")}"/>' for each in luns)
    constraints.extend(etree.fromstring(_CONSTRAINTS.format(luns=references)))
    return etree.tostring(cib, encoding="unicode")


def device(number: int) -> str:
    """The DRBD device of LUN `number`. Device 1 is the state volume."""
    return f"/dev/drbd{number if number > 1 else 0}"


def make_volumes(pair: Pair, first: int, last: int) -> None:
    """Add the volumes of LUNs `first` to `last`, `first` more than 1, to the DRBD resource, which has those before.
    It must be stopped in the cluster, and stays stopped.
    """
    numbers = range(first, last + 1)
    volumes = "".join(
        f"  volume {number} {{ device {device(number)}; disk {_disk(number)}; meta-disk internal; }}\n"
        for number in numbers
    )
    place = f"/etc/drbd.d/{RESOURCE}.res"
    for server in pair.servers:
        _partition(server, sorted({_disk(number)[:-1] for number in numbers}))
        present = server.read(place)
        server.copy(
            {place: present.replace(f"resource {RESOURCE} {{\n", f"resource {RESOURCE} {{\n{volumes}", 1).encode()}
        )
        made = (f"drbdadm create-md --force {RESOURCE}/{number} </dev/null" for number in numbers)
        server.succeed(" && ".join([*made, f"drbdadm up {RESOURCE}"]))
    connected = f"! drbdadm cstate {RESOURCE} | grep -qvx Connected"
    pair.atlas.wait_until(connected, "the replicas of all volumes are connected", 60)
    equal = (f"drbdadm -- --clear-bitmap new-current-uuid {RESOURCE}/{number}" for number in numbers)
    pair.atlas.succeed(" && ".join(equal))
    for server in pair.servers:
        server.succeed(f"drbdadm down {RESOURCE}")


def _disk(number: int) -> str:
    """The partition that has the volume of LUN `number`."""
    disk, partition = divmod(number - 2, _PARTITIONS)
    return f"/dev/ubd{_SPARE[disk]}{partition + 1}"


def _partition(server: Machine, disks: list[str]) -> None:
    """Write a partition table to each of these disks, which may have the same already."""
    # A boot record of no code, then for each partition: status, first and last cylinder (unused), type, sectors.
    begins = (_FIRST_SECTOR + number * _SECTORS for number in range(_PARTITIONS))
    entries = b"".join(struct.pack("<B3sB3sII", 0, b"\xff" * 3, 0x83, b"\xff" * 3, at, _SECTORS) for at in begins)
    for disk in disks:
        server.succeed(["dd", f"of={disk}", "conv=fsync"], stdin=bytes(446) + entries + b"\x55\xaa")
        server.succeed(f"test -b {disk}1 || blockdev --rereadpt {disk}")


def _lun(lun: etree._Element, number: int) -> etree._Element:
    made = _renamed(lun, "p_lun1", f"p_lun{number}")
    values = {"lun": str(number), "path": device(number)}
    for pair in made.iterfind("instance_attributes/nvpair"):
        name = str(pair.get("name"))
        pair.set("value", values.get(name, str(pair.get("value"))))
    return made


def _renamed(element: etree._Element, old: str, new: str) -> etree._Element:
    """A copy whose ids begin with another name."""
    made = deepcopy(element)
    for each in made.iter("*"):
        identity = each.get("id")
        if identity is not None:
            each.set("id", identity.replace(old, new, 1))
    return made


def _only(parent: etree._Element, tag: str) -> etree._Element:
    found = parent.find(f".//{tag}")
    assert found is not None, tag
    return found
