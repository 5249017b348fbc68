# SPDX-License-Identifier: GPL-2.0-or-later
"""Block devices as a tree in sysfs: where each one is, what lies below it, and which DRBD devices it is made of.

Between a LUN and DRBD there may be LVM, any other mapper, MD, or a partition table. Only this module looks through
them: `drbd_minors` finds the DRBD devices below.
"""

from __future__ import annotations

import os
import stat

# The major number of DRBD's devices (Documentation/admin-guide/devices.txt).
DRBD_MAJOR = 147

# The tests set another place.
sysfs = "/sys/dev/block"


def drbd_minors(path: str) -> list[int]:
    """Return the minor numbers of the DRBD devices below the block device at `path`, or its own if it is one; sorted.

    Empty for a path that is gone or no block device. Nothing is opened, so a Secondary or frozen device is no obstacle.
    """
    place = find(path)
    return sorted(set(_drbd_minors(place))) if place else []


def is_drbd(path: str) -> bool:
    """Whether the device at `path` is itself one of DRBD's."""
    return os.path.basename(find(path)).startswith(f"{DRBD_MAJOR}:")


def drbd_path(minor: int) -> str:
    """Return the path of the DRBD device with this minor number, as the kernel names it."""
    return f"/dev/drbd{minor}"


def find(path: str) -> str:
    """Return the folder that sysfs has for the block device at `path`; "" where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    if not stat.S_ISBLK(found.st_mode):
        return ""
    return os.path.join(sysfs, f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}")


def find_drbd(minor: int) -> str:
    """Return the folder that sysfs has for a DRBD device, whether or not it exists."""
    return os.path.join(sysfs, f"{DRBD_MAJOR}:{minor}")


def below(place: str) -> list[str]:
    """Return the folders of the devices that the device in folder `place` is directly made of; empty for a disk."""
    try:
        return [os.path.realpath(f"{place}/slaves/{name}") for name in os.listdir(f"{place}/slaves")]
    except OSError:
        return []


def _drbd_minors(place: str) -> list[int]:
    major, _, minor = _number(place).partition(":")
    if major == str(DRBD_MAJOR):
        return [int(minor)]
    devices = below(place)
    if not devices and os.path.exists(f"{place}/partition"):
        devices = [os.path.dirname(os.path.realpath(place))]
    return [found for device in devices for found in _drbd_minors(device)]


def _number(place: str) -> str:
    """The number of a device, such as ``147:0``; "" where it is gone."""
    try:
        with open(f"{place}/dev", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
