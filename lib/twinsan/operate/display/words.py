# SPDX-License-Identifier: GPL-2.0-or-later
"""Times, amounts and answers in words, for people."""

from __future__ import annotations

import time

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def duration(seconds: float) -> str:
    """A span of time, in its two largest units: ``3 h 12 min``, ``5 min``, ``18 s``."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    days, hours, minutes = total // 86400, total // 3600 % 24, total // 60 % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {total % 60} s" if minutes < 10 and total % 60 else f"{minutes} min"


def clock(moment: float) -> str:
    """A time by the local clock; with the date, since what is read may be old."""
    return time.strftime("%d %b %H:%M:%S", time.localtime(moment)).lstrip("0")


def size(count: int | None) -> str:
    """A number of bytes, rounded: ``1.5 GiB``; a question mark for None."""
    if count is None:
        return "?"
    if count < 1024:
        return f"{count} B"
    value, step = count / 1024, 0
    # What would be rounded to 1024 is one of the next unit.
    while value >= 1023.95 and step + 1 < len(_UNITS):
        value, step = value / 1024, step + 1
    return f"{value:.1f} {_UNITS[step]}".replace(".0 ", " ")


def mebibytes(count: int | None) -> str:
    """A number of MiB, as `size` has it."""
    return size(None if count is None else count << 20)


def number(count: int | None) -> str:
    """A number with its thousands apart; a question mark for None."""
    return "?" if count is None else f"{count:,}".replace(",", " ")
