# SPDX-License-Identifier: GPL-2.0-or-later
"""Mount the state volume of a Primary, and unmount it before DRBD can demote it (see `state_volume`)."""

from __future__ import annotations

import os

from twinsan.deadline import Deadline
from twinsan.drbd import state_volume
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command, durable_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.drbd.events2 import Resource

NO_SYNCHRONOUS_FILES = Reason(
    Failure,
    "the file system of state device {device} has no synchronous files ({error})",
    "make another, on the Primary: mkfs.btrfs {device}",
)
NOT_MOUNTABLE = Reason(
    Failure, "state device {device} cannot be mounted: {complaint}", "see 'dmesg' and: blkid {device}"
)
IN_USE = Reason(
    Failure,
    "the state volume of {resource} is in use",
    "end who uses it: fuser -vm {where}; or a loop device, an NFS export or swap in it: losetup, exportfs, swapon "
    "({complaint})",
)

_OPTIONS = "nodev,nosuid,noexec,noatime"

# mount(8) prints these words for a device that udev is probing, which is busy for a moment, and for one that has just
# appeared and may have no name yet. No other failure is transient, and waiting keeps the data from being served.
_TRANSIENT = ("busy", "does not exist", "Can't open blockdev")
_SECONDS_FOR_DEVICE = 5.0

# A file system that was not unmounted replays its journal: of this size, a moment.
_SECONDS_TO_MOUNT = 30.0

# How long to wait in all for processes that use the volume. After the first part of that time, which is enough for one
# that only looks, they get SIGTERM; after the second part, also counted from the beginning, SIGKILL.
_SECONDS_FOR_USERS = 10.0
_PART_TO_LEAVE, _PART_TO_END = 0.1, 0.3
_SECONDS_TO_SEARCH = 3.0


def mount(resource: Resource, device: str, deadline: Deadline) -> None:
    """Mount `device` as the state volume of a Primary, and note it for the resource's LUNs. Takes up to 30 s. Raises
    Failure.

    A volume that is mounted already stays, even if it is another device: the LUNs' reservations are in it.
    """
    deadline = deadline.within(_SECONDS_TO_MOUNT)
    where = state_volume.place(resource.name)
    os.makedirs(where, mode=0o700, exist_ok=True)
    state_volume.configure(resource, device)
    if os.path.ismount(where):
        return
    _mount(device, where, deadline)
    try:
        durable_file.make_synchronous(where)
    except OSError as error:
        command.run("umount", where, deadline=deadline, check=False)
        raise NO_SYNCHRONOUS_FILES(device=device, error=error.strerror) from None


def _mount(device: str, where: str, deadline: Deadline) -> None:
    complaints = [""]

    def mounted() -> bool:
        result = command.run("mount", "-o", _OPTIONS, device, where, deadline=deadline, check=False)
        complaints.append(result.complaint)
        return result.ok or not any(words in result.complaint for words in _TRANSIENT)

    try:
        deadline.within(_SECONDS_FOR_DEVICE).wait_until(mounted, f"{device} can be mounted", interval=0.25)
    except DeadlinePassed:
        if not complaints[-1]:
            raise
    if not os.path.ismount(where):
        raise NOT_MOUNTABLE(device=device, complaint=complaints[-1])


def unmount(resource: str, deadline: Deadline, note: Callable[[str], None] = lambda _text: None) -> None:
    """Unmount the state volume of a resource, in every mount namespace. Ends the processes that keep it busy, because a
    shell in it is no reason for fencing; `note` is called with their names. Raises Failure if the volume is still in
    use after 10 s, or after half of the remaining time if that is less.

    It is never detached while in use (``umount --lazy``), because its files could still be written.
    """
    from twinsan.host import mount_users

    where = state_volume.place(resource)
    device = state_volume.mounted_device(where) or state_volume.device_note(resource).read() or ""
    seconds = min(_SECONDS_FOR_USERS, deadline.remaining() / 2)
    patience, complaints = deadline.within(seconds), [""]
    to_leave, to_end = Deadline(seconds * _PART_TO_LEAVE), Deadline(seconds * _PART_TO_END)
    asked: set[int] = set()

    def unmounted() -> bool:
        if os.path.ismount(where):
            # With whatever somebody has mounted in it.
            complaints.append(command.run("umount", "--recursive", where, deadline=deadline, check=False).complaint)
        for process, there in [] if os.path.ismount(where) else mount_users.mounts_elsewhere(device):
            space = f"--mount=/proc/{process}/ns/mnt"
            command.run("nsenter", space, "umount", "--recursive", there, deadline=deadline, check=False)
        if not os.path.ismount(where) and not mount_users.mounts_elsewhere(device):
            return True
        if to_leave.expired():
            _end_users(where, asked, patience, note, by_force=to_end.expired())
        return False

    try:
        patience.wait_until(unmounted, f"{where} is unmounted")
    except DeadlinePassed:
        raise IN_USE(resource=resource, where=where, complaint=complaints[-1]) from None


def _end_users(where: str, asked: set[int], deadline: Deadline, note: Callable[[str], None], *, by_force: bool) -> None:
    """Send SIGTERM to the processes in the volume, to each once; with `by_force`, also SIGKILL."""
    from twinsan.host import child, mount_users

    search = deadline.within(_SECONDS_TO_SEARCH)
    found = child.run(lambda: " ".join(map(str, mount_users.of(where))), search, f"looking who uses {where}")
    users = [int(pid) for pid in found.split()]
    fresh = [pid for pid in users if pid not in asked]
    if fresh:
        note(f"the state volume has to be unmounted, so this ends who uses it: {mount_users.describe(fresh)}")
        mount_users.terminate(fresh)
        asked.update(fresh)
    if by_force:
        mount_users.kill(users)
