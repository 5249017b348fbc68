# SPDX-License-Identifier: GPL-2.0-or-later
"""Text in roff, the language of manual pages."""

from __future__ import annotations


def escape(text: str) -> str:
    """Return `text` escaped, so that roff prints it unchanged."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def verbatim(lines: list[str]) -> list[str]:
    """Return the roff of `lines` to be typed, unfilled and indented."""
    return [".PP", ".RS 4", ".nf", *map(escape, lines), ".fi", ".RE"]
