# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of JSON that may be anything, as those that are meant; and nothing in place of others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Saved = dict[str, Any]


def objects(holder: object, key: str) -> list[Saved]:
    """Return the objects of a list; none where there is no such list."""
    given = holder.get(key) if isinstance(holder, dict) else None
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def inner(holder: object, key: str) -> Saved:
    """Return an object; an empty one where there is none."""
    given = holder.get(key) if isinstance(holder, dict) else None
    return given if isinstance(given, dict) else {}


def word(holder: object, key: str, default: str = "") -> str:
    """Return a text, number or truth value as text, as configfs has it; the default where there is none."""
    given = holder.get(key) if isinstance(holder, dict) else None
    if isinstance(given, bool):
        return str(int(given))
    if isinstance(given, int):
        # A number of thousands of digits cannot even be printed.
        return str(given) if abs(given) < 1 << 64 else default
    return given if isinstance(given, str) else default
