# SPDX-License-Identifier: GPL-2.0-or-later
"""The limits of a block device's queue, as sysfs has them; also those of the disk below a DRBD device.

DRBD does not look at its peer's disk: it offers discard if its own disk can, and the peer writes zeros if its disk
cannot. So only a comparison of the disks shows whether both nodes can discard.
"""

from __future__ import annotations

import os

from twinsan.host import block_tree, kernel_files

_NAMES = (
    "logical_block_size",
    "physical_block_size",
    "max_hw_sectors_kb",
    "discard_max_bytes",
    "discard_granularity",
    "write_zeroes_max_bytes",
)

# Limits that LIO reports to initiators and has no attributes for: READ CAPACITY (16) and VPD page B0.
_IO_TOPOLOGY = ("physical_block_size", "minimum_io_size", "optimal_io_size")


class Limits:
    """The limits of one device, by the names and in the units of sysfs. A device with a `discard_max_bytes` of 0 cannot
    discard.
    """

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
        """Return the limits that `str` gave as `text`. Further names are ignored. Raises KeyError if a limit is
        missing, and ValueError if one is no number.
        """
        pairs = (word.partition("=")[::2] for word in text.split(","))
        return cls({name: int(value) for name, value in pairs if name in _NAMES})

    @property
    def discards(self) -> bool:
        """Whether the device can discard."""
        return self.discard_max_bytes > 0

    def is_like(self, other: Limits) -> bool:
        """Whether the limits are those of a disk of the same kind. Zeroing is no part of that: Linux offers it until a
        disk has refused it once (drivers/scsi/sd.c, sd_disable_write_same), so it differs where one server has booted.
        """
        return all(getattr(self, name) == getattr(other, name) for name in _NAMES if name != "write_zeroes_max_bytes")

    def frees(self, piece: int) -> bool:
        """Whether a discard of any aligned range of `piece` bytes frees all of it."""
        unit = self.discard_granularity or 1
        return piece % unit == 0


def of(path: str) -> Limits | None:
    """Return the limits of the device at `path`; None where it is gone."""
    place = block_tree.find(path)
    return _limits(place) if place else None


def io_topology(path: str) -> dict[str, str]:
    """Return physical block size, minimum and optimal I/O size of the device at `path`, in bytes: LIO reports these to
    initiators and has no attribute to set them. Empty where the device is gone.
    """
    place = block_tree.find(path)
    return _io_topology(place) if place else {}


def io_topology_of_drbd(minor: int) -> dict[str, str]:
    """Return the same for the DRBD device with this minor number, and its logical block size as ``block_size``. It may
    be Secondary: it is not opened.
    """
    place = block_tree.find_drbd(minor)
    return {"block_size": _text(f"{_queue(place)}/logical_block_size"), **_io_topology(place)}


def _io_topology(place: str) -> dict[str, str]:
    return {name: str(_number(f"{_queue(place)}/{name}")) for name in _IO_TOPOLOGY}


def of_backing_device(minor: int) -> Limits | None:
    """Return the limits of the backing device of the DRBD device with this minor number; None if it has none now, as
    when it is diskless.
    """
    device = block_tree.find_drbd(minor)
    wanted = _number(f"{device}/size")
    # External metadata is on a device below as well, which is smaller.
    disks = [(_number(f"{disk}/size"), disk) for disk in block_tree.below(device)]
    fitting = sorted((size, disk) for size, disk in disks if size >= wanted)
    return _limits(fitting[0][1]) if fitting else None


def _limits(place: str) -> Limits:
    return Limits({name: _number(f"{_queue(place)}/{name}") for name in _NAMES})


def _queue(place: str) -> str:
    """The folder of a device's queue; a partition has its disk's."""
    return f"{place}/queue" if os.path.isdir(f"{place}/queue") else f"{os.path.dirname(os.path.realpath(place))}/queue"


def _number(path: str) -> int:
    """The number in a file; 0 where this kernel does not have it."""
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _text(path: str) -> str:
    return kernel_files.text(path).strip()
