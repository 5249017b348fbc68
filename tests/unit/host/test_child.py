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
    works = {each.__name__: each for each in (two_pieces, failing, killed, broken)}
    found = child.side_by_side(works, Deadline(60))
    assert [len(piece) for piece in found["two_pieces"].pieces] == [3, 200_000]
    assert found.pop("two_pieces").failure is None
    assert all(report.pieces == [b"one"] for report in found.values())
    kinds = {name: type(report.failure) for name, report in found.items()}
    assert kinds == {"failing": NotInstalled, "killed": Failure, "broken": RuntimeError}


def test_one_that_does_not_end_is_given_up() -> None:
    begun = time.monotonic()
    found = child.side_by_side({"it": sleeping, "other": two_pieces}, Deadline(2))
    assert time.monotonic() - begun < 30
    assert (found["it"].pieces, type(found["it"].failure)) == ([b"one"], TooSlow)
    assert found["other"].failure is None


@pytest.mark.parametrize("together", [True, False])
def test_one_that_is_killed_leaves_no_zombie(together: bool) -> None:
    if together:
        child.side_by_side({"it": sleeping}, Deadline(0.1))
    else:
        with pytest.raises(TooSlow):
            child.run(lambda: time.sleep(60), Deadline(0.1), "sleeping")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_none_is_waited_for_once_all_have_ended() -> None:
    begun = time.monotonic()
    child.side_by_side({"it": lambda: [b"1"]}, Deadline(30))
    assert time.monotonic() - begun < 10


def test_something_else_is_done_meanwhile() -> None:
    reading, writing = os.pipe()

    def waiting() -> Iterator[bytes]:
        yield os.read(reading, 1)

    def tell() -> None:
        os.write(writing, b"1")

    found = child.side_by_side({"it": waiting}, Deadline(60), tell)
    assert found["it"].pieces == [b"1"]
    os.close(reading)
    os.close(writing)


def test_they_run_at_the_same_time() -> None:
    def nap() -> Iterator[bytes]:
        time.sleep(1)
        yield b""

    begun = time.monotonic()
    found = child.side_by_side({str(number): nap for number in range(8)}, Deadline(60))
    assert time.monotonic() - begun < 6
    assert all(report.failure is None for report in found.values())
