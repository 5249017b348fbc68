# SPDX-License-Identifier: GPL-2.0-or-later
"""The state volume: a small volume of a DRBD resource with a file system for what has to travel with the data.

It is mounted where its resource is Primary, and nowhere else. What is written to it before a command is answered is on
both nodes when the command is: DRBD replicates it like the data.

A file that must not lose what was acknowledged gets the flag S (``chattr +S``): the kernel then writes it to the disk
before the write ends. Between a truncation and the write that follows, a copy of the disk has (Linux 6.18) the old
text on btrfs, which logs each file by itself; on XFS as well, unless another file is written meanwhile, for its log is
one; and an empty file on ext4, which commits a truncation by itself. The option "sync" of a mount would spoil XFS too
(XFS_FEAT_WSYNC).
"""

from __future__ import annotations

import os
import sys

from twinsan import rundir
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import command, device_limits, ioctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.system.events2 import Resource

_OPTIONS = "nodev,nosuid,noexec,noatime"

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, declared with a long, which an int is taken for; and
# FS_SYNC_FL.
_LONG = 8 if sys.maxsize > 1 << 32 else 4
_GET_FLAGS = ioctl.reading("f", 1, _LONG)
_SET_FLAGS = ioctl.writing("f", 2, _LONG)
_SYNCHRONOUS = 0x00000008

# A device that udev looks at is busy for a moment, and one that has just appeared may have no name yet; mount(8) says
# so in these words. Nothing else passes, and who waits for it keeps the data from being served.
_PASSING = ("busy", "does not exist", "Can't open blockdev")
_SECONDS_FOR_DEVICE = 5.0

# How long users of the files are waited for in all. Of that time, who only looks gets the first part to leave; who
# stays is asked to end, and after the second part ended.
_SECONDS_FOR_USERS = 10.0
_PART_TO_LEAVE, _PART_TO_END = 0.1, 0.3
_SECONDS_TO_SEARCH = 3.0

_MOUNTS = "/proc/self/mountinfo"


class Volume:
    """The state volume of a DRBD resource, as its promotion has noted it: where it is mounted, "" where there is none;
    and its device, "" where that is not known.
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
        """Whether it is there. A volume that another is to take the place of is not."""
        return bool(self.where) and os.path.ismount(self.where) and not self.replaced

    @property
    def replaced(self) -> str:
        """The device that is mounted in its place; "" for none."""
        mounted = source(self.where) if self.device else ""
        return mounted if mounted and os.path.realpath(mounted) != os.path.realpath(self.device) else ""


def place(resource: str) -> str:
    """Where the state volume of a resource is mounted."""
    return rundir.path(f"state.{resource}")


def of(device: str, resource: str = "") -> Volume:
    """The state volume of the DRBD resource that a device is made of, or of `resource` where that is given. It starts
    no program and waits for nothing.
    """
    where = place(resource) if resource else _home(device)
    if not where:
        return Volume()
    volume = Volume(where)
    volume.device = read(_device_note(volume.resource)) or ""
    return volume


def folder(device: str, resource: str = "") -> str | None:
    """Where that volume is mounted; None where it is not."""
    volume = of(device, resource)
    return volume.where if volume.mounted else None


def source(where: str) -> str:
    """The device that is mounted at a place; "" for none. btrfs has device numbers of its own, so a name it is."""
    found = ""
    with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            # The last one hides those before.
            if before.split()[4] == where:
                found = after.split()[1]
    return found


def mount(resource: Resource, device: str, deadline: Deadline) -> None:
    """Mount the state volume of a Primary, with what tells its LUNs of it; one that is mounted stays, also where it is
    another one, because the LUNs' reservations are in it. Raises Failure with what to type.
    """
    where = place(resource.name)
    os.makedirs(where, mode=0o700, exist_ok=True)
    if read(_device_note(resource.name)) != device:
        rundir.write(_device_note(resource.name), device)
    for minor in resource.minors:
        _replace_link(os.path.basename(where), _mark(minor))
    if os.path.ismount(where):
        return
    _mount(device, where, deadline)
    try:
        make_synchronous(where)
    except OSError as error:
        command.run("umount", where, deadline=deadline, check=False)
        raise Failure(
            f"the file system of state device {device} has no synchronous files ({error.strerror}); make another, on "
            f"the Primary: mkfs.btrfs {device}"
        ) from None


def _mount(device: str, where: str, deadline: Deadline) -> None:
    complaints = [""]

    def mounted() -> bool:
        result = command.run("mount", "-o", _OPTIONS, device, where, deadline=deadline, check=False)
        complaints.append(result.complaint)
        return result.ok or not any(words in result.complaint for words in _PASSING)

    try:
        deadline.within(_SECONDS_FOR_DEVICE).wait_until(mounted, f"{device} can be mounted", interval=0.25)
    except DeadlinePassed:
        if not complaints[-1]:
            raise
    if not os.path.ismount(where):
        raise Failure(f"state device {device} cannot be mounted: {complaints[-1]}; see 'dmesg' and: blkid {device}")


def forget(resource: Resource) -> None:
    """There is to be no state volume: its LUNs are told so."""
    rundir.forget(_device_note(resource.name))
    for minor in resource.minors:
        rundir.forget(_mark(minor))


def missing(resource: str, device: str) -> str:
    """That a state volume is not mounted where it should be, and what to type; "" where it is."""
    volume = Volume(place(resource), device)
    if volume.mounted:
        return ""
    if volume.replaced:
        return (
            f"{volume.replaced} is the state volume until {resource} moves, and {device} then; when its hosts can bear "
            "a pause, move it to the other node: reservations come along"
        )
    return (
        f"state device {device} is not mounted, so reservations can be lost; type: mount {device} {volume.where}; "
        f"where it is new, first: mkfs.btrfs {device}"
    )


def unmount(resource: str, deadline: Deadline, note: Callable[[str], None] = lambda _text: None) -> None:
    """Unmount the state volume of a resource, so that DRBD can demote it, and end whoever keeps it busy: a shell in it
    is no reason for a fencing. `note` takes who was ended. Raises Failure with who uses it still.

    It is never detached from its place while it is used (``umount --lazy``): its files could be written still.
    """
    from twinsan.system import mount_users

    where = place(resource)
    device = source(where) or read(_device_note(resource)) or ""
    seconds = min(_SECONDS_FOR_USERS, deadline.remaining() / 2)
    patience, complaints = deadline.within(seconds), [""]
    to_leave, to_end = Deadline(seconds * _PART_TO_LEAVE), Deadline(seconds * _PART_TO_END)
    asked: set[int] = set()

    def unmounted() -> bool:
        if os.path.ismount(where):
            # Whatever somebody has mounted in it, too.
            complaints.append(command.run("umount", "--recursive", where, deadline=deadline, check=False).complaint)
        for process, there in [] if os.path.ismount(where) else mount_users.elsewhere(device):
            space = f"--mount=/proc/{process}/ns/mnt"
            command.run("nsenter", space, "umount", "--recursive", there, deadline=deadline, check=False)
        if not os.path.ismount(where) and not mount_users.elsewhere(device):
            return True
        if to_leave.expired():
            _end_users(where, asked, patience, note, by_force=to_end.expired())
        return False

    try:
        patience.wait_until(unmounted, f"{where} is unmounted")
    except DeadlinePassed:
        raise Failure(
            f"the state volume of {resource} is in use; end who uses it: fuser -vm {where}; or a loop device, an NFS "
            f"export or swap in it: losetup, exportfs, swapon ({complaints[-1]})"
        ) from None


def _end_users(where: str, asked: set[int], deadline: Deadline, note: Callable[[str], None], *, by_force: bool) -> None:
    """Have processes in the volume end, each asked once, and then by force."""
    from twinsan.system import child, mount_users

    search = deadline.within(_SECONDS_TO_SEARCH)
    found = child.bounded(lambda: " ".join(map(str, mount_users.of(where))), search, f"looking who uses {where}")
    users = [int(pid) for pid in found.split()]
    fresh = [pid for pid in users if pid not in asked]
    if fresh:
        note(f"the state volume has to be unmounted, so this ends who uses it: {mount_users.names(fresh)}")
        mount_users.end(fresh, mount_users.TERM)
        asked.update(fresh)
    if by_force:
        mount_users.end(users, mount_users.KILL)


def make_synchronous(path: str) -> None:
    """Let the kernel write a file to the disk before a write to it ends; files that are made in a folder inherit it.
    Raises OSError where the file system cannot.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_LONG))[:4], sys.byteorder)
        fcntl.ioctl(descriptor, _SET_FLAGS, (flags | _SYNCHRONOUS).to_bytes(4, sys.byteorder) + bytes(_LONG - 4))
    finally:
        os.close(descriptor)


def read(path: str) -> str | None:
    """A file's text, up to the NUL that the kernel ends it with; None where there is no such file."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().partition("\0")[0]
    except FileNotFoundError:
        return None


def write(path: str, text: str) -> None:
    """Put a file in the place of another, whole and on the disk: a power cut finds the one or the other."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("ascii", "replace"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _home(device: str) -> str:
    """Where the state volume of a device's resource is mounted, by what its promotion has noted; "" for nowhere."""
    for minor in device_limits.drbd_below(device):
        try:
            return rundir.path(os.readlink(_mark(minor)))
        except FileNotFoundError:
            continue
    return ""


def _device_note(resource: str) -> str:
    return rundir.path(f"state-device.{resource}")


def _mark(minor: int) -> str:
    return rundir.path(f"state-of.drbd{minor}")


def _replace_link(target: str, path: str) -> None:
    try:
        if os.readlink(path) == target:
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.symlink(target, path)
