# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines, on a clock that moves only when someone sleeps."""

from __future__ import annotations

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed


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
