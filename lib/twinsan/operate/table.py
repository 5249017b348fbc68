# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of text, for a terminal."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def text(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the table: a line for the headings and for each row, its columns two spaces apart."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
