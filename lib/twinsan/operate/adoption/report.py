# SPDX-License-Identifier: GPL-2.0-or-later
"""The report: what is kept, what changes, what cannot be kept, what is missing, and the steps."""

from __future__ import annotations

import textwrap

from twinsan.operate import table
from twinsan.site.head import wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinsan.operate.adoption.found import Notes
    from twinsan.operate.adoption.takeover import Step
    from twinsan.site.mistakes import Mistake

_MISSING = "The site file is not complete. twinsan render refuses it until this is right:"
_KEPT = "What stays as hosts know it:"
_LOST = "What cannot be kept as it is:"
_CHANGED = "What changes, and why that does no harm:"
_LEFT = "What the take-over does not touch:"
_STEPS = "The take-over, step by step:"


def text(notes: Notes, mistakes: Sequence[Mistake], steps: Sequence[Step]) -> str:
    """Return the report for a terminal."""
    parts = [
        _rows(_KEPT, ("WHAT", "VALUE", "FROM"), notes.kept),
        _rows(_CHANGED, ("WHAT", "WHY"), notes.changed, fold=True),
        _rows(_LOST, ("WHERE", "WHAT", "WHAT TO DO"), notes.lost, fold=True),
        _rows(_LEFT, ("RESOURCE", "WHY"), notes.left, fold=True),
        "\n".join([_MISSING, *(wrapped(_told(each), "  ") for each in mistakes)]) if mistakes else "",
        "\n".join([_STEPS, *_steps(steps)]) if steps else "",
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(notes: Notes, mistakes: Sequence[Mistake], steps: Sequence[Step]) -> dict[str, object]:
    """Return the report for programs: its names never change."""
    return {
        "kept": [{"what": what, "value": value, "from": source} for what, value, source in notes.kept],
        "changes": [{"what": what, "why": why} for what, why in notes.changed],
        "not_kept": [{"where": place, "what": what, "remedy": remedy} for place, what, remedy in notes.lost],
        "left_alone": [{"resource": resource, "why": why} for resource, why in notes.left],
        "missing": [
            {"line": each.line, "key": each.key, "what": each.what, "remedy": each.remedy} for each in mistakes
        ],
        "steps": [
            {
                "what": each.what,
                "where": each.where,
                "lines": list(each.lines),
                "commands": list(each.commands),
                "pause": each.pause,
            }
            for each in steps
        ],
    }


def _told(mistake: Mistake) -> str:
    return plain(f"- line {mistake.line}, {mistake}")


def _rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, fold: bool = False) -> str:
    """A table; with `fold` each row in lines of the width of a terminal, where columns would be too wide."""
    if not rows:
        return ""
    told = [[plain(cell) for cell in row] for row in rows]
    if not fold:
        return f"{title}\n{textwrap.indent(table.text(headings, told), '  ')}"
    lines = [title]
    for first, *rest in told:
        lines += [
            wrapped(f"- {': '.join([first, *rest[:-1]])}", "  ").replace("\n  ", "\n    "),
            wrapped(rest[-1], "    "),
        ]
    return "\n".join(lines)


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        pause = f" ({step.pause})" if step.pause else ""
        yield wrapped(plain(f"{number}. {step.where[0].upper()}{step.where[1:]}{pause}: {step.what}"), "  ")
        yield from (f"        {plain(line)}" for line in step.lines)
        yield from (f"     {plain(command)}" for command in step.commands)


def plain(text: str) -> str:
    """Return a text on one line, in printable ASCII: it may hold anything that somebody else's file held."""
    return "".join(each if " " <= each <= "~" else "?" for each in text)
