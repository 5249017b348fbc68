# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines, on a clock that moves only when someone sleeps."""

from __future__ import annotations

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Passing


class Clock:
    """Seconds that pass by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr("twinsan.deadline.time.monotonic", lambda: fake.now)
    monkeypatch.setattr("twinsan.deadline.time.sleep", fake.sleep)
    return fake


def test_remaining_is_never_negative(clock: Clock) -> None:
    deadline = Deadline(10)
    clock.now += 4
    assert deadline.remaining() == 6
    assert not deadline.expired()
    clock.now += 60
    assert deadline.remaining() == 0
    assert deadline.expired()


def test_within_is_never_later(clock: Clock) -> None:
    deadline = Deadline(10)
    clock.now += 4
    assert deadline.within(2).remaining() == 2
    assert deadline.within(60).remaining() == 6


def test_a_wait_ends_with_its_condition(clock: Clock) -> None:
    Deadline(10).wait_until(lambda: clock.now >= 1003, "the clock is right", interval=1)
    assert clock.now == 1003


def test_a_wait_that_is_over_at_once_does_not_sleep(clock: Clock) -> None:
    Deadline(10).wait_until(lambda: True, "nothing")
    assert clock.naps == []


def test_a_wait_gives_up_in_time_and_says_for_what(clock: Clock) -> None:
    with pytest.raises(DeadlinePassed, match="gave up waiting until pigs fly"):
        Deadline(1).wait_until(lambda: False, "pigs fly", interval=0.3)
    assert 1001 <= clock.now < 1001.01


def test_what_may_pass_is_tried_again() -> None:
    failures, told = ["first", "second"], list[str]()

    def attempt() -> str:
        if failures:
            raise Passing(failures.pop(0))
        return "done"

    assert Deadline(10).retry(attempt, told.append, interval=0.001) == "done"
    assert told == ["waiting, for this may pass: first"]


@pytest.mark.parametrize(("seconds", "least"), [(0, 1), (0.05, 2)])
def test_what_does_not_pass_is_told_when_time_is_up(seconds: float, least: int) -> None:
    attempts: list[int] = []

    def attempt() -> None:
        attempts.append(1)
        raise Passing(f"attempt {len(attempts)}")

    with pytest.raises(Passing) as caught:
        Deadline(seconds).retry(attempt, lambda _: None, interval=0.01)
    assert len(attempts) >= least
    assert str(caught.value) == f"attempt {len(attempts)}"


def test_what_cannot_pass_is_not_tried_again() -> None:
    attempts: list[int] = []

    def attempt() -> None:
        attempts.append(1)
        raise Failure("never")

    with pytest.raises(Failure, match="never"):
        Deadline(10).retry(attempt, lambda _: None)
    assert len(attempts) == 1
