# SPDX-License-Identifier: GPL-2.0-or-later
"""Contenders for a lock on a disk, and the proof that it was never held by two. Runs in a guest, on a SCSI disk.

The lock is a sector that only COMPARE AND WRITE changes, as VMFS does it: from free to a holder, and back. Each change
raises its generation by one, and adds to its digest, which therefore tells the whole history. ``contend`` takes and
frees the lock over and over and logs each change once it knows of it; ``judge`` reads all logs and the disk: intervals
in which somebody knew that he held the lock must not overlap, and the history on the disk must be that of the logs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from lab import scsi

SECTOR = 512
FREE = 0
_MAGIC = b"twinsats"
_RECORD = struct.Struct(">8sQBB32s")
_GOOD, _CHECK_CONDITION, _BUSY = 0x00, 0x02, 0x08
_MISCOMPARE = "0e/1d/00"
_UNIT_ATTENTION = "06/"
# How long the lock is held, at most, and how long a contender leaves it alone: both want it nearly always.
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Record:
    """What the sector holds: how often it was changed, by whom last, who holds the lock, and the digest of all that."""

    generation: int = 0
    writer: int = 0
    holder: int = FREE
    digest: bytes = bytes(32)

    def pack(self) -> bytes:
        """The record as a sector."""
        return _RECORD.pack(_MAGIC, self.generation, self.writer, self.holder, self.digest).ljust(SECTOR, b"\0")

    @classmethod
    def unpack(cls, sector: bytes) -> Record:
        """The record in a sector; ValueError where there is none."""
        magic, *fields = _RECORD.unpack_from(sector)
        if magic != _MAGIC:
            raise ValueError(f"the sector holds no lock: {sector[: _RECORD.size].hex()}")
        return cls(*fields)

    def then(self, writer: int, holder: int) -> Record:
        """What follows when `writer` gives the lock to `holder`."""
        said = self.digest + struct.pack(">QBB", self.generation + 1, writer, holder)
        return Record(self.generation + 1, writer, holder, hashlib.sha256(said).digest())


@dataclass(frozen=True)
class Change:
    """A change that its writer knows of: when he began it and when he knew, in seconds of the guest's clock.

    `how`: "acknowledged", or "found" on the disk after the answer had been lost.
    """

    start: float
    end: float
    record: Record
    how: str

    def line(self) -> str:
        """The change as a line of the log."""
        record = self.record
        fields = (record.generation, record.writer, record.holder, record.digest.hex(), self.how)
        return f"{self.start:.6f},{self.end:.6f},{','.join(map(str, fields))}\n"


def parse(lines: Iterable[str]) -> Iterator[Change]:
    """The changes of a log."""
    for line in lines:
        start, end, generation, writer, holder, digest, how = line.rstrip("\n").split(",")
        record = Record(int(generation), int(writer), int(holder), bytes.fromhex(digest))
        yield Change(float(start), float(end), record, how)


class Sector:
    """The sector of the lock. `answers` counts what the disk said to COMPARE AND WRITE and READ."""

    def __init__(self, disk: str, lba: int) -> None:
        self._disk = os.open(disk, os.O_RDWR | os.O_NONBLOCK)
        self._lba = lba
        self.answers: dict[str, int] = {}

    def read(self) -> Record:
        """The record that is there, however long it takes to learn it."""
        while True:
            status, data = self._send(struct.pack(">BBQIBB", 0x88, 0, self._lba, 1, 0, 0), wanted=SECTOR)
            if status == "good":
                return Record.unpack(data)

    def swap(self, before: Record, after: Record) -> str:
        """Put `after` where `before` is. Returns the outcome: good, miscompare, or anything else, which tells less."""
        command = struct.pack(">BBQ3xBBB", 0x89, 0, self._lba, 1, 0, 0)
        return self._send(command, before.pack() + after.pack())[0]

    def write(self, record: Record) -> None:
        """Put a record there, whatever was there before."""
        command = struct.pack(">BBQIBB", 0x8A, 0, self._lba, 1, 0, 0)
        while self._send(command, record.pack())[0] != "good":
            pass

    def _send(self, command: bytes, out: bytes = b"", wanted: int = 0) -> tuple[str, bytes]:
        answer = scsi.send(self._disk, command, out, wanted)
        outcome = _outcome(answer)
        self.answers[outcome] = self.answers.get(outcome, 0) + 1
        if outcome == "busy":
            time.sleep(_PAUSE_SECONDS)
        return outcome, bytes.fromhex(str(answer["data"]))


def _outcome(answer: dict[str, int | str]) -> str:
    """In a word what an answer of `scsi.send` says."""
    status, sense = answer["status"], str(answer["sense"])
    if answer["host"]:
        # The connection was lost; whether the command was carried out is unknown.
        return f"host {answer['host']}"
    if status == _GOOD:
        return "good"
    if status == _BUSY:
        return "busy"
    if status == _CHECK_CONDITION and sense == _MISCOMPARE:
        return "miscompare"
    if status == _CHECK_CONDITION and sense.startswith(_UNIT_ATTENTION):
        return "unit attention"
    return f"status {status} sense {sense}"


class Contender:
    """Contender `number`; every change of the lock that it knows to have made goes to `log`."""

    def __init__(self, sector: Sector, number: int, log: TextIO) -> None:
        self._sector = sector
        self._number = number
        self._log = log
        self.contradictions: list[str] = []

    def run(self, stop: Path) -> None:
        """Take the lock and free it, again and again, until the file `stop` is there; then it is not held."""
        while not stop.exists():
            seen = self._sector.read()
            held = self._change(seen, self._number) if seen.holder == FREE else None
            self._pause()
            if held is not None and self._change(held, FREE) is None:
                self.contradictions.append(f"generation {held.generation} was lost")

    def _change(self, before: Record, holder: int) -> Record | None:
        """Give the lock to `holder`; returns the new record, None where somebody else was quicker."""
        after = before.then(self._number, holder)
        start = time.monotonic()
        while True:
            outcome = self._sector.swap(before, after)
            if outcome == "good":
                return self._known(start, after, "acknowledged")
            # A command whose answer was lost may have been carried out; sent again, it then miscompares.
            found = self._sector.read()
            if found == after:
                return self._known(start, after, "found")
            if before.holder == self._number and found.generation > after.generation:
                # Nobody else may change what I held, so I have freed it, and others went on from there.
                return self._known(start, after, "found")
            if found != before:
                return None
            if outcome == "miscompare":
                self.contradictions.append(f"generation {before.generation} is there, and yet there was a miscompare")

    def _known(self, start: float, record: Record, how: str) -> Record:
        self._log.write(Change(start, time.monotonic(), record, how).line())
        return record

    @staticmethod
    def _pause() -> None:
        time.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311


def faults(changes: Iterable[Change], on_disk: Record) -> list[str]:
    """What is wrong with the changes of all contenders together, given what the disk holds at the end."""
    ordered = sorted(changes, key=lambda change: change.record.generation)
    return [*_history(ordered, on_disk), *_overlaps(ordered)]


def _history(ordered: list[Change], on_disk: Record) -> Iterator[str]:
    """From an empty record each change follows from the one before, and the disk holds the last."""
    record = Record()
    for change in ordered:
        made = change.record
        if made.generation != record.generation + 1:
            yield f"generation {made.generation} follows generation {record.generation}"
        elif made != record.then(made.writer, made.holder):
            yield f"generation {made.generation} does not go on from what generation {record.generation} left"
        elif made.holder not in (FREE, made.writer) or (record.holder, made.holder).count(FREE) != 1:
            yield f"generation {made.generation}: {made.writer} gave to {made.holder} what {record.holder} held"
        elif made.holder == FREE and made.writer != record.holder:
            yield f"generation {made.generation}: {made.writer} freed what {record.holder} held"
        record = made
    if on_disk != record:
        yield f"the disk holds generation {on_disk.generation} by {on_disk.writer}, the logs end with {record}"


def _overlaps(ordered: list[Change]) -> Iterator[str]:
    """A contender holds the lock from when he knows that he has it until he begins to free it."""
    held: list[tuple[float, float, int]] = []
    since: dict[int, float] = {}
    for change in ordered:
        writer = change.record.writer
        if change.record.holder == writer:
            since[writer] = change.end
        elif writer in since:
            held.append((since.pop(writer), change.start, writer))
    held += [(begin, float("inf"), writer) for writer, begin in since.items()]
    held.sort()
    for (begin, end, holder), (other_begin, _, other) in zip(held, held[1:]):
        if other_begin < end:
            yield f"{holder} held the lock from {begin:.6f} to {end:.6f}, and {other} from {other_begin:.6f}"


def prepare(options: argparse.Namespace) -> int:
    """Write a lock that is free."""
    Sector(options.disk, options.lba).write(Record())
    return 0


def contend(options: argparse.Namespace) -> int:
    """Contend for the lock, then print what the disk said as JSON."""
    sector = Sector(options.disk, options.lba)
    with Path(options.log[0]).open("w", encoding="ascii", buffering=1) as log:
        contender = Contender(sector, options.number, log)
        contender.run(Path(options.stop_file))
    print(json.dumps({"answers": sector.answers, "contradictions": contender.contradictions}))
    return 0


def judge(options: argparse.Namespace) -> int:
    """Judge the logs of all contenders by what the disk holds, and print the verdict as JSON; 1 where it is bad."""
    logs = [list(parse(Path(log).read_text(encoding="ascii").splitlines())) for log in options.log]
    changes = [change for log in logs for change in log]
    found = faults(changes, Sector(options.disk, options.lba).read())
    verdict = {
        "acquired": [sum(change.record.holder != FREE for change in log) for log in logs],
        "acknowledged": sum(change.how == "acknowledged" for change in changes),
        "found": sum(change.how == "found" for change in changes),
        "faults": found,
    }
    print(json.dumps(verdict))
    return 1 if found else 0


def main(arguments: list[str]) -> int:
    """Parse the command line and do what it asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    modes = parser.add_subparsers(required=True, metavar="prepare|contend|judge")
    for function in (prepare, contend, judge):
        mode = modes.add_parser(function.__name__, help=function.__doc__)
        mode.set_defaults(function=function)
        mode.add_argument("--disk", required=True, help="SCSI disk")
        mode.add_argument("--lba", type=int, required=True, help="the lock's sector")
        if function is contend:
            mode.add_argument("--number", type=int, required=True, help="who contends: 1 to 255")
            mode.add_argument("--stop-file", required=True, help="end when this file exists")
        if function is not prepare:
            mode.add_argument("--log", action="append", required=True, help="log of changes (CSV)")
    options = parser.parse_args(arguments)
    result: int = options.function(options)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
