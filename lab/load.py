#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A write load that can prove afterwards that no acknowledged write was lost. Runs in a guest, on a raw disk.

``run`` writes blocks of 4 KiB, each with its number, a sequence number and a checksum, and logs every write once it is
answered. ``verify`` reads all those blocks back: each must hold its last acknowledged write, or a later one whose
answer never came. The standard library is all it needs, and this file alone.
"""

from __future__ import annotations

import argparse
import errno
import json
import mmap
import os
import signal
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TextIO

BLOCK = 4096
_MAGIC = b"twinsan1"
_HEADER = struct.Struct("<8sQQ")
_CHECKSUM = struct.Struct("<I")
_COLUMNS = "start_s,latency_ms,block,sequence,errno"
_PAUSE_AFTER_ERROR_SECONDS = 0.5
_STOP_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Write:
    """One answered write: when it began (seconds since the epoch), how long it took, and errno, 0 for a success."""

    start: float
    latency_ms: float
    block: int
    sequence: int
    error: int

    @property
    def end(self) -> float:
        """When it was answered."""
        return self.start + self.latency_ms / 1000

    def line(self) -> str:
        """The write as a line of the log."""
        return f"{self.start:.6f},{self.latency_ms:.3f},{self.block},{self.sequence},{self.error}\n"


def parse(lines: Iterable[str]) -> Iterator[Write]:
    """The writes of a log. A last line that a killed load left half written is passed over."""
    for line in lines:
        fields = line.split(",")
        if line.startswith("start") or len(fields) != 5 or not line.endswith("\n"):
            continue
        yield Write(float(fields[0]), float(fields[1]), int(fields[2]), int(fields[3]), int(fields[4]))


def compose(block: int, sequence: int) -> bytes:
    """The content of a block: header, a filling that differs from write to write, checksum over both."""
    header = _HEADER.pack(_MAGIC, block, sequence)
    body = (header * (BLOCK // len(header) + 1))[: BLOCK - _CHECKSUM.size]
    return body + _CHECKSUM.pack(zlib.crc32(body))


def sequence_of(block: int, content: bytes) -> int | None:
    """The sequence number of a block that is whole and stands in its place; None where it is not."""
    body, checksum = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if len(content) != BLOCK or _CHECKSUM.pack(zlib.crc32(body)) != checksum:
        return None
    magic, number, sequence = _HEADER.unpack_from(body)
    return sequence if magic == _MAGIC and number == block else None


def order(blocks: int) -> Iterator[int]:
    """All of 0 to `blocks` - 1, scattered, again and again: a block is written anew as late as can be."""
    stride = max(1, round(blocks * 0.618))
    while gcd(stride, blocks) != 1:
        stride += 1
    position = 0
    while True:
        yield position
        position = (position + stride) % blocks


class Disk:
    """A disk (or, for tests, a file) that is read and written past the page cache."""

    def __init__(self, path: str, *, buffered: bool) -> None:
        flags = os.O_RDWR | os.O_SYNC | (0 if buffered else os.O_DIRECT)
        self._file = os.open(path, flags)
        self.blocks = os.lseek(self._file, 0, os.SEEK_END) // BLOCK
        if not self.blocks:
            raise OSError(errno.EINVAL, "has no room for a block", path)

    def write(self, block: int, buffer: mmap.mmap) -> None:
        """Write one block; returns when it is stable."""
        if os.pwrite(self._file, buffer, block * BLOCK) != BLOCK:
            raise OSError(errno.EIO, "short write")

    def read(self, block: int, buffer: mmap.mmap) -> bytes:
        """Read one block through an aligned buffer."""
        length = os.preadv(self._file, [buffer], block * BLOCK)
        return buffer[:length]


class Load:
    """Workers with one write under way each; worker w of d owns the blocks w, w + d, w + 2d, ..."""

    def __init__(self, disk: Disk, log: TextIO, *, blocks: int, depth: int, rate: float, errors: int) -> None:
        self._disk = disk
        self._log = log
        self._per_worker = max(1, min(blocks, disk.blocks) // depth)
        self._depth = depth
        self._pause = 1 / rate
        self._errors_left = errors
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.acknowledged = 0
        self.errors = 0
        self.longest_ms = 0.0

    def run(self, stop: threading.Event, stop_file: Path | None, seconds: float) -> None:
        """Write until `stop` is set, `stop_file` appears, the time is up or too many writes have failed."""
        workers = [threading.Thread(target=self._work, args=(number,)) for number in range(self._depth)]
        for worker in workers:
            worker.start()
        end = time.monotonic() + seconds
        while not (stop.is_set() or self._ended.is_set() or time.monotonic() >= end):
            if stop_file is not None and stop_file.exists():
                break
            stop.wait(_STOP_POLL_SECONDS)
        self._ended.set()
        for worker in workers:
            worker.join()

    def _work(self, number: int) -> None:
        buffer = mmap.mmap(-1, BLOCK)
        due = time.monotonic()
        # Counting from the time makes every sequence number higher than those that an earlier load left on the disk.
        for sequence, position in enumerate(order(self._per_worker), time.time_ns() // 1_000_000):
            block = position * self._depth + number
            buffer[:] = compose(block, sequence)
            due = max(due + self._pause, time.monotonic())
            if self._ended.wait(due - time.monotonic()):
                return
            written = self._write(block, sequence, buffer)
            self._note(written)
            if written.error:
                self._ended.wait(_PAUSE_AFTER_ERROR_SECONDS)

    def _write(self, block: int, sequence: int, buffer: mmap.mmap) -> Write:
        error = 0
        start, begun = time.time(), time.monotonic()
        try:
            self._disk.write(block, buffer)
        except OSError as failure:
            error = failure.errno or errno.EIO
        return Write(start, (time.monotonic() - begun) * 1000, block, sequence, error)

    def _note(self, write: Write) -> None:
        with self._lock:
            self._log.write(write.line())
            self.longest_ms = max(self.longest_ms, write.latency_ms)
            if not write.error:
                self.acknowledged += 1
                return
            self.errors += 1
            self._errors_left -= 1
            if self._errors_left <= 0:
                self._ended.set()


def lost_blocks(disk: Disk, writes: Iterable[Write]) -> Iterator[tuple[int, int, int | None]]:
    """Blocks that hold less than was acknowledged: number, sequence acknowledged, sequence found (None: garbage)."""
    acknowledged: dict[int, int] = {}
    for write in writes:
        if not write.error:
            acknowledged[write.block] = max(write.sequence, acknowledged.get(write.block, 0))
    buffer = mmap.mmap(-1, BLOCK)
    for block, expected in sorted(acknowledged.items()):
        found = sequence_of(block, disk.read(block, buffer))
        if found is None or found < expected:
            yield block, expected, found


def run(options: argparse.Namespace) -> int:
    """Run the load, then print what it did as JSON."""
    stop = threading.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda _number, _frame: stop.set())
    disks = [Disk(path, buffered=options.buffered) for path in options.disk]
    loads: list[Load] = []
    with ExitStack() as logs:
        for number, disk in enumerate(disks):
            place = Path(options.log + (f".{number}" if number else ""))
            log = logs.enter_context(place.open("w", encoding="ascii", buffering=1))
            print(_COLUMNS, file=log)
            errors = options.max_errors
            load = Load(disk, log, blocks=options.blocks, depth=options.depth, rate=options.rate, errors=errors)
            loads.append(load)
        stop_file = Path(options.stop_file) if options.stop_file else None
        threads = [threading.Thread(target=load.run, args=(stop, stop_file, options.seconds)) for load in loads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(
        json.dumps(
            {
                "acknowledged_writes": sum(load.acknowledged for load in loads),
                "io_errors": sum(load.errors for load in loads),
                "longest_ms": round(max(load.longest_ms for load in loads), 3),
            }
        )
    )
    return 0


def verify(options: argparse.Namespace) -> int:
    """Read back what the log says was acknowledged, then print the verdict as JSON; 1 where a write is lost."""
    writes = list(parse(Path(options.log).read_text(encoding="ascii").splitlines(keepends=True)))
    lost = list(lost_blocks(Disk(options.disk, buffered=options.buffered), writes))
    answered = [write for write in writes if not write.error]
    verdict = {
        "acknowledged_writes": len(answered),
        "blocks_read": len({write.block for write in answered}),
        "lost_writes": len(lost),
        "examples": [dict(zip(("block", "acknowledged", "found"), example)) for example in lost[:10]],
    }
    print(json.dumps(verdict))
    return 1 if lost else 0


def main(arguments: list[str]) -> int:
    """Parse the command line and do what it asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    modes = parser.add_subparsers(required=True, metavar="run|verify")
    for function in (run, verify):
        mode = modes.add_parser(function.__name__, help=function.__doc__)
        mode.set_defaults(function=function)
        if function is run:
            mode.add_argument("--disk", required=True, nargs="+", help="block devices, each with a load of its own")
            mode.add_argument(
                "--log", required=True, help="log of all answered writes (CSV); of further disks LOG.1 ..."
            )
        else:
            mode.add_argument("--disk", required=True, help="block device")
            mode.add_argument("--log", required=True, help="log of the writes to it")
        mode.add_argument("--buffered", action="store_true", help="go through the page cache; for tests on a file")
        if function is run:
            mode.add_argument("--stop-file", help="end when this file exists")
            mode.add_argument("--seconds", type=float, default=3600, help="end after this time (default: %(default)s)")
            mode.add_argument("--depth", type=int, default=4, help="writes under way at once (default: %(default)s)")
            mode.add_argument("--rate", type=float, default=50, help="writes per second and worker (%(default)s)")
            mode.add_argument("--blocks", type=int, default=32768, help="use this many blocks (%(default)s)")
            mode.add_argument("--max-errors", type=int, default=1000, help="end after so many errors (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        result: int = options.function(options)
    except OSError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
