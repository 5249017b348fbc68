# SPDX-License-Identifier: GPL-2.0-or-later
"""A block device as a LUN needs it: present, writable, and not in use."""

from __future__ import annotations

import errno
import os
import stat

from twinsan.errors import Failure, NotHere, Passing, Reason
from twinsan.host import block_tree

# Where sysfs has every block device by its number, and the unit of its size there, whatever its block size.
_devices = "/sys/dev/block"
_SECTOR = 512

# The links that DRBD's udev rule makes.
_by_resource = "/dev/drbd/by-res"

# The largest block size of a disk that LIO serves.
_BLOCK = 4096

# A Secondary refuses readers with the first and writers with the second.
_SECONDARY = (errno.EMEDIUMTYPE, errno.EROFS)

NO_SIZE = Reason(Passing, "device {path} has no size yet", "see 'lsblk {path}' and 'dmesg'")
TOO_SHORT = Reason(Failure, "device {path} ends before its size of {size} bytes", "see 'dmesg'")
UNREADABLE = Reason(Failure, "device {path} cannot be read: {error}", "see 'dmesg' and 'drbdadm status'")
MISSING = Reason(Passing, "device {path} is not there ({error})", "check the path, and 'lsblk' or 'drbdadm status'")
NO_BLOCK_DEVICE = Reason(NotHere, "{path} is no block device", "name one, such as /dev/drbd0")
IN_USE = Reason(Passing, "device {path} is in use on this node", "see 'lsblk {path}' and 'targetcli ls /backstores'")
IN_USE_BY = Reason(
    Passing, "device {path} is in use on this node: {holder}", "see 'lsblk {path}' and 'targetcli ls /backstores'"
)
SECONDARY = Reason(
    Failure,
    "{path} is Secondary on this node",
    "by hand, for resource {resource}: drbdadm primary {resource}; only a Primary can be served, so order the "
    "promotion before this",
)
SECONDARY_OF_UNKNOWN_RESOURCE = Reason(
    Failure,
    "{path} is Secondary on this node",
    "by hand, for its resource: drbdadm primary NAME; only a Primary can be served, so order the promotion before this",
)
READ_ONLY = Reason(Failure, "device {path} is read-only", "a LUN needs it writable: see 'blockdev --report {path}'")
CANNOT_OPEN = Reason(Failure, "device {path} cannot be opened: {error}", "see 'dmesg' and 'drbdadm status'")


def require_free(path: str) -> None:
    """Check that a LUN can be made of the block device at `path`: that it is there and can be opened exclusively.

    Raises NotHere if it is no block device, Passing if it is missing or in use, and Failure if it is Secondary or
    cannot be opened for another reason. It is opened for reading: opening it for writing would promote a DRBD 9
    resource that has auto-promote.
    """
    _device_number(path)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        raise refusal(path, error.errno or 0) from None


def is_free(path: str) -> bool:
    """Whether nobody has the device open exclusively. True also if it is gone, Secondary, or no block device."""
    try:
        # Some devices of other kinds do something when they are opened: a watchdog resets the node.
        if not stat.S_ISBLK(os.stat(path).st_mode):
            return True
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK))
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def size(path: str) -> int:
    """Return the size in bytes. The device is not opened, so it may be in use, Secondary or frozen. Raises NotHere if
    it is no block device, and Passing if it is missing.
    """
    device = _device_number(path)
    try:
        with open(f"{_devices}/{os.major(device)}:{os.minor(device)}/size", encoding="ascii") as file:
            return int(file.read()) * _SECTOR
    except OSError:
        raise NO_SIZE(path=path) from None


def read_ends(path: str) -> None:
    """Read the first and the last 4096 bytes from the device itself, with O_DIRECT. It may hang, as any I/O may.

    Raises Failure if they cannot be read, NotHere if it is no block device, and Passing if it is missing.
    """
    import mmap

    _device_number(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, _BLOCK) as buffer:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            for place in (0, max(0, end - _BLOCK)):
                if os.preadv(descriptor, [buffer], place) != min(_BLOCK, end):
                    raise TOO_SHORT(path=path, size=end)
    except OSError as error:
        raise UNREADABLE(path=path, error=os.strerror(error.errno or 0)) from None
    finally:
        os.close(descriptor)


def _device_number(path: str) -> int:
    """The number of the device. Raises Passing if it is missing, and NotHere if it is no block device."""
    try:
        found = os.stat(path)
    except OSError as error:
        # Device nodes, and the links to them that udev makes, may come late.
        raise MISSING(path=path, error=error.strerror) from None
    if not stat.S_ISBLK(found.st_mode):
        raise NO_BLOCK_DEVICE(path=path)
    return found.st_rdev


def refusal(path: str, number: int) -> Failure:
    """Return the failure for an attempt to open the device that ended with the errno `number`: Passing if the device is
    in use, else Failure.
    """
    if number == errno.EBUSY:
        holder = _holder(path)
        return IN_USE_BY(path=path, holder=holder) if holder else IN_USE(path=path)
    if number in _SECONDARY and block_tree.is_drbd(path):
        resource = drbd_resource(path)
        if resource:
            return SECONDARY(path=path, resource=resource)
        return SECONDARY_OF_UNKNOWN_RESOURCE(path=path)
    if number == errno.EROFS:
        return READ_ONLY(path=path)
    return CANNOT_OPEN(path=path, error=os.strerror(number))


def drbd_resource(path: str) -> str:
    """Return the name of the DRBD resource that a device is made of, by the links that udev makes; "" if there is none.
    Of several resources, the first by name.
    """
    devices = {block_tree.drbd_path(minor) for minor in block_tree.drbd_minors(path)}
    try:
        resources = os.listdir(_by_resource) if devices else []
    except OSError:
        return ""
    for resource in sorted(resources):
        # DRBD 9 and multi-volume resources have a folder of volumes, older ones a single link.
        entry = f"{_by_resource}/{resource}"
        volumes = [f"{entry}/{volume}" for volume in os.listdir(entry)] if os.path.isdir(entry) else [entry]
        if devices.intersection(map(os.path.realpath, volumes)):
            return resource
    return ""


def _holder(path: str) -> str:
    """The first holder of the device, in words; "" if none is found."""
    from twinsan.host import holders

    found = holders.of(os.path.realpath(path))
    return found[0] if found else ""
