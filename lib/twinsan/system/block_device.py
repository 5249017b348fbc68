# SPDX-License-Identifier: GPL-2.0-or-later
"""A block device as a LUN needs it: there, writable, and in nobody else's hands."""

from __future__ import annotations

import errno
import os
import stat

from twinsan.errors import Failure, NotHere, Passing

# The major number that DRBD has for ever (Documentation/admin-guide/devices.txt).
DRBD_MAJOR = 147

# Where the kernel shows every block device by its number, and the unit of its size there, whatever its blocks are.
_devices = "/sys/dev/block"
_SECTOR = 512

# The largest block size of a disk that LIO serves.
_BLOCK = 4096

# A Secondary refuses readers with the first and writers with the second.
_SECONDARY = (errno.EMEDIUMTYPE, errno.EROFS)


def require_free(path: str) -> None:
    """Check that a LUN can be made of the device. Raises NotHere for what is no block device, Passing where it is
    missing or in use, and Failure where it is not to be had for another reason.

    It is opened for reading: opening it for writing would promote a DRBD 9 resource that has auto-promote.
    """
    _require_there(path)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        raise refusal(path, error.errno or 0) from None


def is_free(path: str) -> bool:
    """Whether nobody holds the device; one that is gone or Secondary is held by nobody."""
    try:
        # Some devices of other kinds do something when they are opened: a watchdog resets the node.
        if not stat.S_ISBLK(os.stat(path).st_mode):
            return True
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK))
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def size(path: str) -> int:
    """The size in bytes, also of a device that is in use, Secondary or frozen: it is not opened. Raises NotHere and
    Passing as require_free.
    """
    device = _require_there(path)
    try:
        with open(f"{_devices}/{os.major(device)}:{os.minor(device)}/size", encoding="ascii") as file:
            return int(file.read()) * _SECTOR
    except OSError:
        raise Passing(f"device {path} has no size yet; see 'lsblk {path}' and 'dmesg'") from None


def read_ends(path: str) -> None:
    """Read the first and the last block, from the device itself and from no cache. It may hang, as any I/O may."""
    import mmap

    _require_there(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, _BLOCK) as buffer:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            for place in (0, max(0, end - _BLOCK)):
                if os.preadv(descriptor, [buffer], place) != min(_BLOCK, end):
                    raise Failure(f"device {path} ends before its size of {end} bytes; see 'dmesg'")
    except OSError as error:
        raise Failure(
            f"device {path} cannot be read: {os.strerror(error.errno or 0)}; see 'dmesg' and 'drbdadm status'"
        ) from None
    finally:
        os.close(descriptor)


def _require_there(path: str) -> int:
    """The number of the device."""
    try:
        found = os.stat(path)
    except OSError as error:
        # Device nodes, and the links to them that udev makes, may come late.
        raise Passing(
            f"device {path} is not there ({error.strerror}); check the path, and 'lsblk' or 'drbdadm status'"
        ) from None
    if not stat.S_ISBLK(found.st_mode):
        raise NotHere(f"{path} is no block device; name one, such as /dev/drbd0")
    return found.st_rdev


def refusal(path: str, number: int) -> Failure:
    """What an attempt to have the device came to that ended with an errno: Passing where it is in use."""
    if number == errno.EBUSY:
        return Passing(
            f"device {path} is in use on this node{_holder(path)}; see 'lsblk {path}' and 'targetcli ls /backstores'"
        )
    return Failure(_explain(path, number))


def _explain(path: str, number: int) -> str:
    if number in _SECONDARY and _is_drbd(path):
        resource = drbd_resource(path)
        named = f"resource {resource}" if resource else "its resource"
        return (
            f"{path} is Secondary on this node; by hand, for {named}: drbdadm primary {resource or 'NAME'}; only a "
            "Primary can be served, so order the promotion before this"
        )
    if number == errno.EROFS:
        return f"device {path} is read-only; a LUN needs it writable: see 'blockdev --report {path}'"
    return f"device {path} cannot be opened: {os.strerror(number)}; see 'dmesg' and 'drbdadm status'"


def drbd_resource(path: str) -> str:
    """The name of the DRBD resource that a device belongs to, by the links that udev makes; "" where there are none."""
    device, folder = os.path.realpath(path), "/dev/drbd/by-res"
    try:
        resources = os.listdir(folder)
    except OSError:
        return ""
    for resource in sorted(resources):
        # DRBD 9 and multi-volume resources have a folder of volumes, older ones a single link.
        entry = f"{folder}/{resource}"
        volumes = [f"{entry}/{volume}" for volume in os.listdir(entry)] if os.path.isdir(entry) else [entry]
        if device in map(os.path.realpath, volumes):
            return resource
    return ""


def _is_drbd(path: str) -> bool:
    try:
        return os.major(os.stat(path).st_rdev) == DRBD_MAJOR
    except OSError:
        return False


def _holder(path: str) -> str:
    """Who has it, in words after "in use", as far as that can be seen: the first of those that hold it open."""
    from twinsan.system import holders

    found = holders.of(os.path.realpath(path))
    return f": {found[0]}" if found else ""
