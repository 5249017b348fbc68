# SPDX-License-Identifier: GPL-2.0-or-later
"""The retries of the handlers: every 0.25 s at first, every 2 s after a minute."""

from __future__ import annotations

import time

from twinsan.errors import DeadlinePassed, Failure, NotInstalled
from twinsan.fence.failures import NotUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from twinsan.deadline import Deadline

    _Found = TypeVar("_Found")

# How long one query of DRBD or of the cluster may take, within the time for all attempts.
SECONDS_FOR_QUERY = 10.0

# A promotion waits inside the kernel for the answer; the agent gives it 180 s. Fencing takes no time here, because the
# cluster promotes only after it is confirmed.
SECONDS_FOR_PROMOTION = 60.0

_POLL_SECONDS = 0.25
_SLOW_POLL_SECONDS = 2.0
_POLLS_BEFORE_SLOW = 240


def repeat(attempt: Callable[[], _Found], budget: Deadline) -> _Found:
    """Call `attempt` until it raises no Failure, and return its result. When time is up, raises the last Failure that
    says what is missing. NotInstalled and NotUp, which no later attempt can mend, are raised at once.
    """
    attempts = 0
    missing: Failure | None = None
    while True:
        try:
            return attempt()
        except (NotInstalled, NotUp):
            raise
        except Failure as failure:
            missing = failure if missing is None or not is_cut_short(failure, budget) else missing
        if budget.expired():
            raise missing
        attempts += 1
        interval = _POLL_SECONDS if attempts < _POLLS_BEFORE_SLOW else _SLOW_POLL_SECONDS
        time.sleep(min(interval, budget.remaining()))


def is_cut_short(failure: Failure, budget: Deadline) -> bool:
    """Whether an attempt failed only because the time for all of them is up: it does not say what is missing."""
    return isinstance(failure, DeadlinePassed) and budget.expired()
