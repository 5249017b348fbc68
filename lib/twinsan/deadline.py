# SPDX-License-Identifier: GPL-2.0-or-later
"""How long an action may still take, and waiting for a condition within it."""

from __future__ import annotations

import time

from twinsan.errors import DeadlinePassed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A point in time that is handed down to whatever may block.

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
