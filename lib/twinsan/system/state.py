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

from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import command, device_limits, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

_OPTIONS = "nodev,nosuid,noexec,noatime"

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_SYNC_FL.
_GET_FLAGS = 0x80086601
_SET_FLAGS = 0x40086602
_SYNCHRONOUS = 0x00000008

# How long somebody who looks at the files is waited for.
_SECONDS_FOR_USERS = 10.0


def place(resource: str) -> str:
    """Where the state volume of a resource is mounted."""
    return rundir.path(f"state.{resource}")


def folder(device: str, resource: str = "") -> str | None:
    """The mounted state volume of the DRBD resource that a device is made of, or of `resource` where that is given;
    None where there is none. It starts no program and waits for nothing.
    """
    mounted = place(resource) if resource else _home(device)
    return mounted if mounted is not None and os.path.ismount(mounted) else None


def mount(resource: Resource, device: str, deadline: Deadline) -> None:
    """Mount the state volume of a Primary; one that is mounted stays. Raises Failure with what to type."""
    where = place(resource.name)
    os.makedirs(where, mode=0o700, exist_ok=True)
    for minor in resource.minors:
        _replace_link(os.path.basename(where), _mark(minor))
    if os.path.ismount(where):
        return
    mounted = command.run("mount", "-o", _OPTIONS, device, where, deadline=deadline, check=False)
    if not mounted.ok:
        raise Failure(f"state device {device} cannot be mounted: {mounted.complaint}; see 'dmesg' and: blkid {device}")
    try:
        make_synchronous(where)
    except OSError as error:
        command.run("umount", where, deadline=deadline, check=False)
        raise Failure(
            f"the file system of state device {device} has no synchronous files ({error.strerror}); make another, on "
            f"the Primary: mkfs.btrfs {device}"
        ) from None


def missing(resource: str, device: str) -> str:
    """That a state volume is not mounted where it should be, and what to type; "" where it is."""
    where = place(resource)
    if os.path.ismount(where):
        return ""
    return (
        f"state device {device} of {resource} is not mounted, so reservations do not survive this node; make its file "
        f"system where it is new (mkfs.btrfs {device}), then: mount -o {_OPTIONS} {device} {where}"
    )


def unmount(resource: str, deadline: Deadline) -> None:
    """Unmount the state volume of a resource, so that DRBD can demote it. Raises Failure with who uses it."""
    where = place(resource)
    complaints = [""]

    def unmounted() -> bool:
        if os.path.ismount(where):
            complaints.append(command.run("umount", where, deadline=deadline, check=False).complaint)
        return not os.path.ismount(where)

    try:
        deadline.within(min(_SECONDS_FOR_USERS, deadline.remaining() / 2)).wait_until(
            unmounted, f"{where} is unmounted"
        )
    except DeadlinePassed:
        raise Failure(
            f"the state volume of {resource} cannot be unmounted: {complaints[-1]}; end who uses it: fuser -vm {where}"
        ) from None


def make_synchronous(path: str) -> None:
    """Let the kernel write a file to the disk before a write to it ends; files that are made in a folder inherit it.
    Raises OSError where the file system cannot.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))[:4], "little")
        fcntl.ioctl(descriptor, _SET_FLAGS, (flags | _SYNCHRONOUS).to_bytes(8, "little"))
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


def _home(device: str) -> str | None:
    """Where the state volume of a device's resource is mounted, by what its promotion has noted."""
    for minor in device_limits.drbd_below(device):
        try:
            return rundir.path(os.readlink(_mark(minor)))
        except FileNotFoundError:
            continue
    return None


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
