# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps that make a pair, one after the other. Each can be done again: one that is done already is left out."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Step:
    """A step: `what` it makes, in words that complete a list."""

    what = ""

    def is_done(self) -> bool:
        """Whether there is nothing to do. Changes nothing. Raises Failure."""
        raise NotImplementedError

    def do(self) -> str:
        """Do what is missing. Returns what should be known of it, "" for nothing. Raises Failure."""
        raise NotImplementedError


def carry_out(steps: Sequence[Step], say: Callable[[str], None]) -> int:
    """Do all steps, and `say` what is done. Returns how many had anything to do. Raises the first Failure."""
    width = len(str(len(steps)))
    changes = 0
    for number, step in enumerate(steps, 1):
        begin = time.monotonic()
        title = f"[{number:{width}}/{len(steps)}] {step.what}"
        if step.is_done():
            say(f"{title}: done before")
            continue
        say(f"{title} ...")
        told = step.do()
        changes += 1
        say(f"{' ' * (2 * width + 3)} done in {time.monotonic() - begin:.1f} s{f': {told}' if told else ''}")
    return changes
