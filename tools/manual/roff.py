# SPDX-License-Identifier: GPL-2.0-or-later
"""Text in roff, the language of manual pages."""

from __future__ import annotations


def escape(text: str) -> str:
    """Text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def verbatim(lines: list[str]) -> list[str]:
    """What is to be typed as it stands."""
    return [".PP", ".RS 4", ".nf", *map(escape, lines), ".fi", ".RE"]
