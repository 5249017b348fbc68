# SPDX-License-Identifier: GPL-2.0-or-later
"""Measured values as result.json has them and as people read them: the median, and the range."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of the benchmark: `rows` go to result.json under `name`; `lines` are the table that is printed."""

    name: str
    title: str
    rows: list[dict[str, Any]]
    lines: list[str]


def summary(values: Sequence[float], unit: str = "s") -> dict[str, Any]:
    """The values with their median and range; empty where nothing was measured."""
    if not values:
        return {}
    return {
        f"median_{unit}": round(statistics.median(values), 3),
        f"range_{unit}": [round(min(values), 3), round(max(values), 3)],
        f"all_{unit}": [round(value, 3) for value in values],
    }


def cell(values: Sequence[float], unit: str = "s", places: int = 1) -> str:
    """The median and the range, as text; "-" where nothing was measured."""
    if not values:
        return "-"
    median, least, most = (f"{value:.{places}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} {unit} ({least} to {most})"


def ratio(values: Sequence[float], others: Sequence[float]) -> float | None:
    """The median of the values as a multiple of that of others; None where either was not measured."""
    if not values or not others:
        return None
    return round(statistics.median(values) / statistics.median(others), 3)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines: the first column to the left, all others to the right."""
    cells = [heading, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in cells
    ]
