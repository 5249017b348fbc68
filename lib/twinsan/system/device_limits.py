# SPDX-License-Identifier: GPL-2.0-or-later
"""What a block device can do, as the kernel has it in sysfs; and the disks that DRBD lies on.

DRBD itself does not look at its peer's disk: it offers to discard where its own disk can, and the peer writes zeros
where its disk cannot. So what both nodes can do is known only to who compares their disks.
"""

from __future__ import annotations

import os

from twinsan.system import block_device

# The tests set another place.
sysfs = "/sys/dev/block"

_NAMES = (
    "logical_block_size",
    "physical_block_size",
    "max_hw_sectors_kb",
    "discard_max_bytes",
    "discard_granularity",
    "write_zeroes_max_bytes",
)

# What LIO tells hosts of a device's queue without an attribute of its own: READ CAPACITY (16) and VPD page B0.
_SHAPE = ("physical_block_size", "minimum_io_size", "optimal_io_size")


class Limits:
    """What one device can do, by the names of sysfs. A `discard_max_bytes` of 0: it cannot discard."""

    __slots__ = _NAMES

    def __init__(self, values: dict[str, int]) -> None:
        self.logical_block_size = values["logical_block_size"]
        self.physical_block_size = values["physical_block_size"]
        self.max_hw_sectors_kb = values["max_hw_sectors_kb"]
        self.discard_max_bytes = values["discard_max_bytes"]
        self.discard_granularity = values["discard_granularity"]
        self.write_zeroes_max_bytes = values["write_zeroes_max_bytes"]

    def __str__(self) -> str:
        return ",".join(f"{name}={getattr(self, name)}" for name in _NAMES)

    @classmethod
    def parse(cls, text: str) -> Limits:
        """What `str` gave. Raises KeyError or ValueError for anything else; further names are left alone."""
        pairs = (word.partition("=")[::2] for word in text.split(","))
        return cls({name: int(value) for name, value in pairs if name in _NAMES})

    @property
    def discards(self) -> bool:
        """Whether it can discard."""
        return self.discard_max_bytes > 0

    def frees(self, piece: int) -> bool:
        """Whether a discard of any aligned piece of so many bytes frees all of it."""
        unit = self.discard_granularity or 1
        return piece % unit == 0


def of(path: str) -> Limits | None:
    """What the device at `path` can do; None where it is gone."""
    place = _place(path)
    return _limits(place) if place else None


def shape(path: str) -> dict[str, str]:
    """What hosts learn of the queue of the device at `path` itself, in bytes; empty where it is gone."""
    place = _place(path)
    return _shape_at(place) if place else {}


def shape_of_drbd(minor: int) -> dict[str, str]:
    """The same of a DRBD device, whether or not it may be opened here; with the size of its blocks."""
    place = os.path.join(sysfs, f"{block_device.DRBD_MAJOR}:{minor}")
    return {"block_size": _text(f"{_queue(place)}/logical_block_size"), **_shape_at(place)}


def _shape_at(place: str) -> dict[str, str]:
    """The same of a device by its place in sysfs."""
    return {name: str(_number(f"{_queue(place)}/{name}")) for name in _SHAPE}


def is_drbd(path: str) -> bool:
    """Whether the device at `path` is one of DRBD's."""
    return os.path.basename(_place(path)).startswith(f"{block_device.DRBD_MAJOR}:")


def drbd_below(path: str) -> list[int]:
    """The minor numbers of the DRBD devices that a device lies on, or is: volume managers may be between."""
    place = _place(path)
    return sorted(set(_drbd_below(place))) if place else []


def behind_drbd(minor: int) -> Limits | None:
    """What the disk below a DRBD device of this node can do; None where DRBD has none now."""
    device = os.path.join(sysfs, f"{block_device.DRBD_MAJOR}:{minor}")
    wanted = _number(f"{device}/size")
    # Meta data on a disk of its own are below the device as well, and smaller.
    disks = [(_number(f"{disk}/size"), disk) for disk in _below(device)]
    fitting = sorted((size, disk) for size, disk in disks if size >= wanted)
    return _limits(fitting[0][1]) if fitting else None


def _place(path: str) -> str:
    """Where sysfs has a device; "" where there is none."""
    try:
        number = os.stat(path).st_rdev
    except OSError:
        return ""
    return os.path.join(sysfs, f"{os.major(number)}:{os.minor(number)}")


def _limits(place: str) -> Limits:
    return Limits({name: _number(f"{_queue(place)}/{name}") for name in _NAMES})


def _queue(place: str) -> str:
    """Where the queue of a device is; a partition has its disk's."""
    return f"{place}/queue" if os.path.isdir(f"{place}/queue") else f"{os.path.dirname(os.path.realpath(place))}/queue"


def _drbd_below(place: str) -> list[int]:
    major, _, minor = _text(f"{place}/dev").partition(":")
    if major == str(block_device.DRBD_MAJOR):
        return [int(minor)]
    below = _below(place)
    if not below and os.path.exists(f"{place}/partition"):
        below = [os.path.dirname(os.path.realpath(place))]
    return [found for device in below for found in _drbd_below(device)]


def _below(place: str) -> list[str]:
    try:
        return [os.path.realpath(f"{place}/slaves/{name}") for name in os.listdir(f"{place}/slaves")]
    except OSError:
        return []


def _number(path: str) -> int:
    """The number in a file; 0 where this kernel does not have it."""
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
