# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that is to hold a replica: how large it is, of what kind, who uses it, and whether anything is on it."""

from __future__ import annotations

import errno
import json
import mmap
import os
import stat
from dataclasses import dataclass

from twinsan.host import block_tree, command, device_limits, kernel_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline

# What is read of a disk to see whether it was ever written to: the beginning and the end, where tables, file systems
# and meta data are, and a piece at each of many places between.
ENDS = 1 << 20
_PIECE = 64 << 10
_PLACES = 64

# How much is read at a time when a disk is read whole.
_STRIDE = 4 << 20

_SECTOR = 512

# drbdmeta(8) writes the activity log before the superblock, which is the last block of internal meta data. Each block
# of the log begins with this (drbdmeta.c: DRBD_AL_MAGIC).
_LOG_BLOCK, _LOG_BLOCKS = 4096, 8
_LOG_MAGIC = b"\x69\xcb\x65\xa2"


@dataclass(frozen=True)
class Disk:
    """A disk as the site file names it: `path`. `number` is the kernel's, the same by each of its paths. `fault` says
    why it is none, "" if it is one. `signatures` are the kinds of what wipefs(8) finds on it, `holders` the kernel's
    names of the devices on top of it, `users` in words who else uses it. `written` is whether any byte that was read is
    not zero, beside what a create-md of DRBD that was interrupted has left.
    """

    path: str
    fault: str = ""
    number: str = ""
    size: int = 0
    block_size: int = 512
    rotational: bool = False
    discards: bool = False
    read_only: bool = False
    holders: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    written: bool = False

    @property
    def drbd(self) -> tuple[str, ...]:
        """The DRBD devices that are made of it."""
        return tuple(holder for holder in self.holders if holder.startswith("drbd"))

    @property
    def content(self) -> str:
        """What is on it, in words; "" if it is empty."""
        if self.signatures:
            return " and ".join(dict.fromkeys(self.signatures))
        return "data of an unknown kind" if self.written else ""


def look(path: str, deadline: Deadline) -> Disk:
    """Return what a disk is and has on it. Changes nothing."""
    try:
        found = os.stat(path)
    except OSError as error:
        return Disk(path, fault=error.strerror or "it cannot be found")
    if not stat.S_ISBLK(found.st_mode):
        return Disk(path, fault="it is no block device")
    place = os.path.realpath(block_tree.find(path))
    limits = device_limits.of(path)
    kept = {
        "number": kernel_files.text(f"{place}/dev").strip(),
        "size": _number(f"{place}/size") * _SECTOR,
        "block_size": limits.logical_block_size if limits else 512,
        "rotational": bool(_number(f"{_queue(place)}/rotational")),
        "discards": bool(limits and limits.discards),
        "read_only": bool(_number(f"{place}/ro")),
        "holders": tuple(kernel_files.entries(f"{place}/holders")),
        "users": tuple(_users(path, place)),
    }
    try:
        written = _samples_written(path)
    except OSError as error:
        return Disk(path, fault=f"it cannot be read: {error.strerror}", **kept)  # type: ignore[arg-type]
    signatures = () if not written else tuple(_signatures(path, deadline))
    return Disk(path, signatures=signatures, written=written, **kept)  # type: ignore[arg-type]


def is_zero(path: str, deadline: Deadline) -> bool | None:
    """Whether each byte of the disk is zero; of one that a DRBD device is made of, each byte of that device, without
    its meta data. None if there was no time to read all, or nothing to read.
    """
    place = os.path.realpath(block_tree.find(path))
    drbd = [name for name in kernel_files.entries(f"{place}/holders") if name.startswith("drbd")]
    size = _number(f"{place}/holders/{drbd[0]}/size" if drbd else f"{place}/size") * _SECTOR
    if not size:
        return None
    empty = bytes(_STRIDE)
    with _Reader(path, _STRIDE) as reader:
        for begin in range(0, size, _STRIDE):
            if deadline.expired():
                return None
            length = min(_STRIDE, size - begin)
            if reader.read(begin, length) != empty[:length]:
                return False
    return True


class _Reader:
    """Reads a device itself and not what the kernel has kept of it."""

    def __init__(self, path: str, most: int) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        self._buffer = mmap.mmap(-1, most)
        self.size = os.lseek(self._descriptor, 0, os.SEEK_END)

    def __enter__(self) -> _Reader:  # noqa: PYI034  Self is not in Python 3.9
        return self

    def __exit__(self, *_: object) -> None:
        self._buffer.close()
        os.close(self._descriptor)

    def read(self, begin: int, length: int) -> bytes:
        """Return `length` bytes from `begin`. Raises OSError."""
        with memoryview(self._buffer)[:length] as view:
            if os.preadv(self._descriptor, [view], begin) != length:
                raise OSError(errno.EIO, "it ends too early")
            return bytes(view)


def _samples_written(path: str) -> bool:
    with _Reader(path, ENDS) as reader:
        samples = ((begin, reader.read(begin, length)) for begin, length in _samples(reader.size))
        return any(any(_without_log(read, begin, reader.size)) for begin, read in samples)


def _without_log(read: bytes, begin: int, size: int) -> bytes:
    """Return what was read from `begin` of a device of this size, with zeros for the activity log of a replica. Alone
    it is what a create-md has left that was interrupted; else there is the superblock as well.
    """
    log = size // _LOG_BLOCK * _LOG_BLOCK - (_LOG_BLOCKS + 1) * _LOG_BLOCK - begin
    if not 0 <= log < len(read):
        return read
    blocks = range(log, log + _LOG_BLOCKS * _LOG_BLOCK, _LOG_BLOCK)
    kept = bytearray(read)
    for at in blocks:
        if kept[at : at + len(_LOG_MAGIC)] == _LOG_MAGIC:
            kept[at : at + _LOG_BLOCK] = bytes(_LOG_BLOCK)
    return bytes(kept)


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """The places that are looked at, of a device of this size: where each begins, and its length."""
    ends = min(size, ENDS)
    yield 0, ends
    for number in range(1, _PLACES):
        begin = size * number // _PLACES // _PIECE * _PIECE
        if ends <= begin and begin + _PIECE <= size - ends:
            yield begin, _PIECE
    yield size - ends, ends


def _signatures(path: str, deadline: Deadline) -> Iterator[str]:
    """The kinds of file systems, tables and members that libblkid knows."""
    printed = command.run("wipefs", "--no-act", "--json", path, deadline=deadline, check=False).stdout
    try:
        listed = json.loads(printed or "{}").get("signatures", [])
    except ValueError:
        # Older versions print nothing for a disk without any.
        listed = []
    for each in listed:
        yield str(each.get("type") or "something")


def _users(path: str, place: str) -> Iterator[str]:
    """Who uses a disk, or a partition of it, beside the devices on top of it."""
    numbers = {kernel_files.text(f"{place}/dev").strip()}
    for name in kernel_files.entries(place):
        if os.path.exists(f"{place}/{name}/partition"):
            numbers.add(kernel_files.text(f"{place}/{name}/dev").strip())
            for holder in kernel_files.entries(f"{place}/{name}/holders"):
                yield f"{holder} on {name}"
    for line in kernel_files.text("/proc/self/mountinfo").splitlines():
        if line.split()[2] in numbers:
            yield f"mounted on {line.split()[4]}"
    for line in kernel_files.text("/proc/swaps").splitlines()[1:]:
        if _is(line.split()[0], numbers):
            yield "swap"
    if not kernel_files.entries(f"{place}/holders") and _is_busy(path):
        yield "a program that has it open for itself alone"


def _is(path: str, numbers: set[str]) -> bool:
    try:
        found = os.stat(path).st_rdev
    except OSError:
        return False
    return f"{os.major(found)}:{os.minor(found)}" in numbers


def _is_busy(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _queue(place: str) -> str:
    return f"{place}/queue" if os.path.isdir(f"{place}/queue") else f"{os.path.dirname(place)}/queue"


def _number(path: str) -> int:
    text = kernel_files.text(path).strip()
    return int(text) if text.isdecimal() else 0
