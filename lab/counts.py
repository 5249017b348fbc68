# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests on a cluster have done, and how often: counted where it is done, printed at the end of a run.

One process has one lab, so there is one count for all of a process.
"""

from __future__ import annotations

from collections import Counter

TESTS = "tests passed"
SWITCHOVERS = "switchovers"
POWER_CUTS = "power cuts"
FENCINGS = "fencings"

_done: Counter[str] = Counter()


def add(what: str, number: int = 1) -> None:
    """Count something that has been done."""
    _done[what] += number


def done() -> dict[str, int]:
    """What has been counted so far."""
    return dict(_done)


def table(counted: dict[str, int]) -> str:
    """The counts as lines for people, in the order in which each was first counted."""
    width = max(map(len, counted), default=0)
    return "\n".join(f"{what:{width}}{number:8}" for what, number in counted.items())
