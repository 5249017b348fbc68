# SPDX-License-Identifier: GPL-2.0-or-later
"""Works side by side in children: what each has sent counts, however it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotInstalled, TooSlow
from twinsan.host import child

pytestmark = pytest.mark.runs_programs


def two_pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"x" * 200_000


def failing() -> Iterator[bytes]:
    yield b"one"
    raise NotInstalled("it is not here")


def sleeping() -> Iterator[bytes]:
    yield b"one"
    time.sleep(60)


def killed() -> Iterator[bytes]:
    yield b"one"
    os.kill(os.getpid(), signal.SIGKILL)


def broken() -> Iterator[bytes]:
    yield b"one"
    raise LookupError("a defect")


def test_each_has_its_pieces_and_its_failure() -> None:
    begun = time.monotonic()
    works = {each.__name__: each for each in (two_pieces, failing, sleeping, killed, broken)}
    found = child.side_by_side(works, Deadline(0.5))
    assert time.monotonic() - begun < 5
    assert [len(piece) for piece in found["two_pieces"].pieces] == [3, 200_000]
    assert found.pop("two_pieces").failure is None
    assert all(report.pieces == [b"one"] for report in found.values())
    kinds = {name: type(report.failure) for name, report in found.items()}
    assert kinds == {"failing": NotInstalled, "sleeping": TooSlow, "killed": Failure, "broken": RuntimeError}


def test_none_is_waited_for_once_all_have_ended() -> None:
    begun = time.monotonic()
    child.side_by_side({"it": lambda: [b"1"]}, Deadline(30))
    assert time.monotonic() - begun < 10


def test_they_run_at_the_same_time() -> None:
    def nap() -> Iterator[bytes]:
        time.sleep(0.3)
        yield b""

    begun = time.monotonic()
    found = child.side_by_side({str(number): nap for number in range(8)}, Deadline(10))
    assert time.monotonic() - begun < 2
    assert all(report.failure is None for report in found.values())
