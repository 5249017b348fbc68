# SPDX-License-Identifier: GPL-2.0-or-later
"""A status as text, in colour on a terminal."""

from __future__ import annotations

import textwrap

from twinsan.operate import table
from twinsan.operate.display import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.display.inventory import Section
    from twinsan.operate.display.view import View

_CODES = {view.GOOD: "1;32", view.UNSURE: "1;33", view.BAD: "1;31", "title": "1", "faint": "2"}
# Of a table; the rest is for --json and --html.
_MOST_ROWS = 16


def text(what: View, *, colour: bool, width: int = 100) -> str:
    """Return the text, with a line end; `width` is that of the terminal, in characters."""
    lines = _lines(what, _Ink(colour=colour), width)
    return "\n".join(lines) + "\n"


def _plain(words: str) -> str:
    """Words from outside, without what a terminal would obey."""
    return words if words.isprintable() else "".join(each if each.isprintable() else "?" for each in words)


class _Ink:
    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, style: str, words: str) -> str:
        return f"\033[{_CODES[style]}m{words}\033[0m" if self._colour and words else words


def _lines(what: View, ink: _Ink, width: int) -> Iterator[str]:
    yield ink("title", _plain(what.title))
    yield ""
    for headline in what.headlines:
        yield from (ink(headline.level, line) for line in _wrapped(headline.text, width, ""))
        for detail in headline.details:
            style = "faint" if headline.level == view.GOOD else headline.level
            yield from (ink(style, line) for line in _wrapped(detail, width, "    "))
    if what.ills:
        yield ""
        yield ink("title", "Not well")
        for ill, place, remedy in what.ills:
            yield from (ink(view.BAD, line) for line in _wrapped(f"{place}: {ill}", width, "  "))
            yield from _wrapped(remedy, width, "      ")
    for section in what.sections:
        yield ""
        yield from _section(section, ink)
    if what.unseen:
        yield ""
        yield ink("title", "Not seen")
        for name, why in what.unseen:
            yield from (ink(view.UNSURE, line) for line in _wrapped(f"{name}, because {why}", width, "  "))


def _section(section: Section, ink: _Ink) -> Iterator[str]:
    yield ink("title", section.title)
    shown = section.rows[:_MOST_ROWS]
    # What is ill is shown in any case.
    shown += [row for row in section.rows[_MOST_ROWS:] if row[1]][:_MOST_ROWS]
    if shown:
        first, *lines = table.text(section.headings, [tuple(map(_plain, cells)) for cells, _ in shown]).split("\n")
        yield "  " + ink("faint", first)
        for line, (_, ill) in zip(lines, shown):
            yield "  " + (ink(view.BAD, line) if ill else line)
    if len(shown) < len(section.rows):
        yield f"  and {len(section.rows) - len(shown)} more: --json or --html has all"
    if section.note:
        yield f"  {_plain(section.note)}"


def _wrapped(words: str, width: int, indent: str) -> list[str]:
    """The lines of a text. No word is broken, since it may be a command to copy."""
    later = indent + "  " if indent else indent
    return textwrap.wrap(
        _plain(words), max(40, width), initial_indent=indent, subsequent_indent=later, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
