# SPDX-License-Identifier: GPL-2.0-or-later
"""The load finds every write that was acknowledged and is gone. Runs on a file."""

from __future__ import annotations

import errno
import io
import json
import mmap
import os
import threading
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import load

BLOCKS = 64


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(BLOCKS * load.BLOCK))
    return path


def put(disk: Path, block: int, content: bytes) -> None:
    """Write a block behind the load's back."""
    with disk.open("r+b") as file:
        file.seek(block * load.BLOCK)
        file.write(content)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    """Exit status and printed verdict of a call of the program."""
    status = load.main(list(arguments))
    return status, json.loads(capsys.readouterr().out)


def test_what_was_written_is_found(disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    given = ["--disk", str(disk), "--log", str(log), "--buffered"]
    status, done = call(capsys, "run", *given, "--seconds", "0.3", "--rate", "200", "--depth", "3")
    assert status == 0
    assert done["io_errors"] == 0
    written = list(load.parse(log.read_text().splitlines(keepends=True)))
    assert done["acknowledged_writes"] == len(written) > 3
    assert {write.block % 3 for write in written} == {0, 1, 2}, "every worker has written"
    status, verdict = call(capsys, "verify", *given)
    assert (status, verdict["lost_writes"]) == (0, 0)
    assert verdict["acknowledged_writes"] == len(written)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (load.compose(5, 8), 8),  # an older write
        (load.compose(6, 9), None),  # a block that belongs elsewhere
        (bytes(load.BLOCK), None),  # nothing
        (load.compose(5, 9)[:2048] + load.compose(5, 8)[2048:], None),  # torn
    ],
    ids=["older", "misplaced", "empty", "torn"],
)
def test_a_lost_write_is_found(disk: Path, content: bytes, found: int | None) -> None:
    put(disk, 5, content)
    acknowledged = [load.Write(0, 1, 5, 8, 0), load.Write(1, 1, 5, 9, 0)]
    assert list(load.lost_blocks(load.Disk(str(disk), buffered=True), acknowledged)) == [(5, 9, found)]


@pytest.mark.parametrize("found", [9, 10])
def test_the_acknowledged_write_or_a_later_one_is_right(disk: Path, found: int) -> None:
    put(disk, 5, load.compose(5, found))
    acknowledged = [load.Write(0, 1, 5, 9, 0), load.Write(1, 1, 5, 10, errno.EIO)]
    assert list(load.lost_blocks(load.Disk(str(disk), buffered=True), acknowledged)) == []


def test_a_lost_write_fails_the_verification(disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text(load.Write(0, 1, 5, 9, 0).line())
    status, verdict = call(capsys, "verify", "--disk", str(disk), "--log", str(log), "--buffered")
    assert status == 1
    assert verdict["lost_writes"] == 1
    assert verdict["examples"] == [{"block": 5, "acknowledged": 9, "found": None}]


def test_an_error_is_logged_and_the_load_goes_on(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_PAUSE_AFTER_ERROR_SECONDS", 0)
    answers = iter([OSError(errno.EIO, "e"), None, OSError(errno.ENODEV, "e")])

    def write(_file: int, _buffer: mmap.mmap, _offset: int) -> int:
        answer = next(answers)
        if answer is not None:
            raise answer
        return load.BLOCK

    opened = load.Disk(str(disk), buffered=True)
    monkeypatch.setattr(os, "pwrite", write)
    log = io.StringIO()
    running = load.Load(opened, log, blocks=8, depth=1, rate=1000, errors=2)
    running.run(threading.Event(), None, seconds=30)
    assert (running.acknowledged, running.errors) == (1, 2)
    assert [write.error for write in load.parse(log.getvalue().splitlines(keepends=True))] == [
        errno.EIO,
        0,
        errno.ENODEV,
    ]


def test_a_stop_file_ends_it(disk: Path, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    stop.touch()
    running = load.Load(load.Disk(str(disk), buffered=True), io.StringIO(), blocks=8, depth=2, rate=100, errors=1)
    running.run(threading.Event(), stop, seconds=30)
    assert running.errors == 0


def test_a_later_load_outnumbers_an_earlier_one(disk: Path) -> None:
    """Else a block left by an earlier load would hide that a later write to it was lost."""
    highest = []
    for _ in range(2):
        log = io.StringIO()
        running = load.Load(load.Disk(str(disk), buffered=True), log, blocks=4, depth=1, rate=500, errors=1)
        running.run(threading.Event(), None, seconds=0.1)
        sequences = [write.sequence for write in load.parse(log.getvalue().splitlines(keepends=True))]
        highest.append((min(sequences), max(sequences)))
    assert highest[1][0] > highest[0][1]


def test_a_half_written_line_is_passed_over() -> None:
    whole = load.Write(12.5, 3.25, 7, 9, 5)
    assert list(load.parse([load._COLUMNS + "\n", whole.line(), "12.6,3.1,8,1"])) == [whole]


def test_a_disk_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--disk", str(tmp_path / "none"), "--log", str(tmp_path / "log"), "--buffered"]
    assert load.main(arguments) == 2
    assert "No such file" in capsys.readouterr().err


@given(st.integers(1, 500))
def test_every_block_has_its_turn_before_one_has_a_second(blocks: int) -> None:
    turn = list(islice(load.order(blocks), blocks))
    assert sorted(turn) == list(range(blocks))


@given(st.integers(0, 2**40), st.integers(0, 2**60), st.integers(0, load.BLOCK - 1))
def test_one_changed_byte_is_seen(block: int, sequence: int, at: int) -> None:
    content = bytearray(load.compose(block, sequence))
    assert load.sequence_of(block, bytes(content)) == sequence
    content[at] ^= 0x40
    assert load.sequence_of(block, bytes(content)) is None
