# SPDX-License-Identifier: GPL-2.0-or-later
"""The state volume: a small volume of a DRBD resource with a file system for what has to travel with the data.

It is mounted only where its resource is Primary (see `state_mount`). DRBD replicates it like the data: what is written
to it before a SCSI command is answered is on both nodes by the time of the answer. This module finds the volume of a
LUN and whether it is mounted. It starts no program and waits for nothing.
"""

from __future__ import annotations

import os

from twinsan.errors import Degraded, Reason
from twinsan.host import block_tree, rundir
from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource

REPLACED = Reason(
    Degraded,
    "{mounted} is the state volume until {resource} moves, and {device} then",
    "when its hosts can bear a pause, move it to the other node: reservations come along",
)
NOT_MOUNTED = Reason(
    Degraded,
    "state device {device} is not mounted, so reservations can be lost",
    "type: mount {device} {where}; where it is new, first: mkfs.btrfs {device}",
)

_MOUNTS = "/proc/self/mountinfo"


class Volume:
    """The state volume of a DRBD resource, as noted at the promotion. `where` is its mount point, "" if the resource
    has no state volume; `device` is its device, "" if unknown.
    """

    __slots__ = ("device", "where")

    def __init__(self, where: str = "", device: str = "") -> None:
        self.where = where
        self.device = device

    @property
    def resource(self) -> str:
        """The name of the DRBD resource."""
        return os.path.basename(self.where).partition(".")[2]

    @property
    def mounted(self) -> bool:
        """Whether it is mounted. False while another device is mounted in its place."""
        return bool(self.where) and os.path.ismount(self.where) and not self.replaced

    @property
    def replaced(self) -> str:
        """The other device that is mounted in its place; "" for none."""
        mounted = mounted_device(self.where) if self.device else ""
        return mounted if mounted and os.path.realpath(mounted) != os.path.realpath(self.device) else ""


def place(resource: str) -> str:
    """Return the mount point of the state volume of a resource, mounted or not."""
    return rundir.path(f"state.{resource}")


def of(device: str, resource: str = "") -> Volume:
    """Return the state volume of `resource` if that is given, or else of the DRBD resource that `device` lies on,
    through any stack of mappers.
    """
    where = place(resource) if resource else _noted_place(device)
    if not where:
        return Volume()
    volume = Volume(where)
    volume.device = device_note(volume.resource).read() or ""
    return volume


def folder(device: str, resource: str = "") -> str | None:
    """Return the mount point of the volume that `of` returns; None if it is not mounted."""
    volume = of(device, resource)
    return volume.where if volume.mounted else None


def mounted_device(where: str) -> str:
    """Return the device that is mounted at `where`, as /proc names it; "" for none. Its number is of no use: btrfs has
    device numbers of its own.
    """
    found = ""
    with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            # A later mount hides the earlier ones.
            if before.split()[4] == where:
                found = after.split()[1]
    return found


def ailment(resource: str, device: str) -> str:
    """Return the reason why `device` is not mounted as the state volume of a resource; "" if it is."""
    volume = Volume(place(resource), device)
    if volume.mounted:
        return ""
    if volume.replaced:
        return REPLACED.text(mounted=volume.replaced, resource=resource, device=device)
    return NOT_MOUNTED.text(device=device, where=volume.where)


def configure(resource: Resource, device: str) -> None:
    """Note `device` as the state volume of a resource, so that the resource's LUNs find it."""
    note = device_note(resource.name)
    if note.read() != device:
        note.replace(device)
    for minor in resource.minors:
        _replace_link(os.path.basename(place(resource.name)), _link(minor).path)


def forget(resource: Resource) -> None:
    """Note that a resource has no state volume."""
    device_note(resource.name).forget()
    for minor in resource.minors:
        _link(minor).forget()


def device_note(resource: str) -> Note:
    """Return the note that holds the state device last given to the resource."""
    return Note(f"state-device.{resource}")


def _noted_place(device: str) -> str:
    """The mount point of the state volume of a device's resource, as noted at the promotion; "" if none was noted."""
    for minor in block_tree.drbd_minors(device):
        try:
            return rundir.path(os.readlink(_link(minor).path))
        except FileNotFoundError:
            continue
    return ""


def _link(minor: int) -> Note:
    """The symbolic link that leads from a DRBD device to its state volume."""
    return Note(f"state-of.drbd{minor}")


def _replace_link(target: str, path: str) -> None:
    try:
        if os.readlink(path) == target:
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.symlink(target, path)
