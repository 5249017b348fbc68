# SPDX-License-Identifier: GPL-2.0-or-later
"""What this node knows of what serves: the kernel's own identity of each disk, the networks, and DRBD's configuration.
All of it is only read.
"""

from __future__ import annotations

import json
import os

from twinsan.deadline import Deadline
from twinsan.errors import Failure, TooSlow
from twinsan.host import child, command
from twinsan.lio import configfs, identity
from twinsan.operate.adoption import found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.found import Disk, Notes, Target

_PRIMITIVES = {found.ATS: "emulate_caw", found.XCOPY: "emulate_3pc", found.UNMAP: "emulate_tpu"}

# For the kernel's answers about all disks.
_SECONDS = 10.0

_ASK_HOSTS = "the site file has what the configuration says: compare its serials and products with what hosts see"

# Of a backstore that the kernel has in a mode of its own.
_REMEDY = "the site file has what the kernel says: hosts know that"


def confirm(targets: list[Target], notes: Notes) -> None:
    """Take over what the kernel says of the disks that it serves here, and note where that is not what was expected."""
    try:
        # While a LUN whose device is dead is removed, the kernel keeps its readers; a child may be left behind.
        child.run(lambda: _confirm_all(targets, notes), Deadline(_SECONDS), "reading the LUNs of this node")
    except TooSlow as failure:
        notes.lose("this node", str(failure), _ASK_HOSTS)
        return
    _confirm_all(targets, notes)


def _confirm_all(targets: list[Target], notes: Notes) -> None:
    for target in targets:
        for disk in target.disks:
            place = _storage(target.iqn, disk.number)
            if place:
                _confirm(disk, place, notes)
                _confirm_audience(target, disk)


def networks(deadline: Deadline) -> list[str]:
    """Return the addresses of this node with their prefix lengths; none if it cannot be asked."""
    try:
        links = json.loads(command.run("ip", "-json", "address", "show", deadline=deadline).stdout or "[]")
        listed = [info for link in links for info in link.get("addr_info", [])]
        return [f"{info['local']}/{info['prefixlen']}" for info in listed if info.get("scope") == "global"]
    except (Failure, ValueError, KeyError, TypeError, AttributeError):
        return []


def drbd_dump(deadline: Deadline) -> str:
    """Return DRBD's configuration as XML; "" where there is none."""
    try:
        return command.run("drbdadm", "dump-xml", deadline=deadline, check=False).stdout
    except Failure:
        return ""


def _storage(iqn: str, number: str) -> str:
    """The storage object of a LUN in configfs; "" if it is not served here."""
    if not (iqn and number.isdecimal() and configfs.available()):
        return ""
    try:
        lun = f"{configfs.place('iscsi', iqn)}/tpgt_1/lun/lun_{int(number)}"
    except Failure:
        return ""
    places = [os.path.realpath(f"{lun}/{link}") for link in configfs.links(lun)]
    core = os.path.realpath(configfs.place("core"))
    return next((place for place in places if place.startswith(f"{core}/")), "")


def _confirm(disk: Disk, place: str, notes: Notes) -> None:
    served = configfs.read(f"{place}/udev_path")
    if served is not None and os.path.realpath(served) != os.path.realpath(disk.path):
        notes.lose(disk.place, f"LUN {disk.number} is {served} now, not {disk.path}", "see which of the two is right")
        return
    disk.for_sure = True
    told = {
        "serial": identity.unit_serial(place),
        "vendor": (configfs.read(f"{place}/wwn/vendor_id") or "").strip(),
        "product": (configfs.read(f"{place}/wwn/product_id") or "").strip(),
    }
    for name, value in told.items():
        expected = getattr(disk, name)
        if value and value != expected:
            notes.change(f"{disk.place}: {name} is {value}, not {expected}", _REMEDY)
            setattr(disk, name, value)
    switches = {name: configfs.read(f"{place}/attrib/{switch}") for name, switch in _PRIMITIVES.items()}
    disk.primitives = tuple(
        name
        for name in (found.ATS, found.XCOPY, found.WRITE_SAME, found.UNMAP)
        if (name in disk.primitives if switches.get(name) is None else switches[name] == "1")
    )
    rotates = configfs.read(f"{place}/attrib/is_nonrot")
    disk.rotates = None if rotates is None else rotates == "0"


def _confirm_audience(target: Target, disk: Disk) -> None:
    """Take over which initiators see a disk, where not all do."""
    acls = f"{configfs.place('iscsi', target.iqn)}/tpgt_1/acls"
    seeing = [name for name in configfs.names(acls) if configfs.exists(f"{acls}/{name}/lun_{int(disk.number)}")]
    if seeing:
        disk.initiators = tuple(seeing) if set(seeing) != set(configfs.names(acls)) else ()
