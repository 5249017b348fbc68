# SPDX-License-Identifier: GPL-2.0-or-later
"""The deadline of an action, and waiting for a condition until then."""

from __future__ import annotations

import time

from twinsan.errors import DeadlinePassed, Passing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")


class Deadline:
    """A point in time, passed to every function that may block.

    ``seconds`` counts from now, on the monotonic clock.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining() == 0.0

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(seconds, self.remaining()))

    def wait_until(self, condition: Callable[[], bool], description: str, interval: float = 0.1) -> None:
        """Poll `condition` every `interval` seconds; raises DeadlinePassed, naming `description`, when time is up."""
        while not condition():
            if self.expired():
                raise DeadlinePassed(f"gave up waiting until {description}")
            time.sleep(min(interval, max(0.001, self.remaining())))

    def retry(self, attempt: Callable[[], Result], note: Callable[[str], None], interval: float = 0.2) -> Result:
        """Call `attempt` every `interval` seconds until it raises no Passing, and return its result. When time is up,
        the last Passing is raised. `note` is called once, with a line that says what is waited for.
        """
        told = False
        while True:
            try:
                return attempt()
            except Passing as passing:
                if self.expired():
                    raise
                if not told:
                    note(f"waiting, for this may pass: {passing}")
                told = True
            time.sleep(min(interval, max(0.001, self.remaining())))
