# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/day-two.md as what it says to do: its procedures, each with its blocks of commands and where they are typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "day-two.md"

NOTHING, PAUSE, EVERYTHING = "nothing", "one pause as of a switchover", "everything"

# Who types: the server that serves, the one that stands by, one after the other, or a host.
ACTIVE, PASSIVE, BOTH, HOST = "atlas", "zeus", "both", "each host"
SITE = "san.toml"

_PLACE = re.compile(rf"(?:On|In) ({ACTIVE}|{PASSIVE}|{BOTH}|{HOST}|{re.escape(SITE)})(, again until it succeeds)?:")
_COMMENT = re.compile(r"\s{2,}#.*")


@dataclass(frozen=True)
class Block:
    """What is typed in one place: `lines` of a shell, or of the site file. With `again` they are typed until all of
    them succeed.
    """

    place: str
    again: bool
    lines: tuple[str, ...]

    @property
    def of_site(self) -> bool:
        """Whether it is a part of the site file."""
        return self.place == SITE


@dataclass
class Procedure:
    """A procedure: its title, what it interrupts, and its blocks in their order."""

    title: str
    interrupts: str = ""
    blocks: list[Block] = field(default_factory=list)


def read(page: Path = PAGE) -> dict[str, Procedure]:
    """The procedures of a page, by their titles. Raises LabError for a block without a place, and for a procedure that
    does not say what it interrupts.
    """
    found: dict[str, Procedure] = {}
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        procedure = found[title] = Procedure(title, blocks=list(_blocks(title, text)))
        said = re.search(r"^Interrupts: (.*)$", text, re.MULTILINE)
        if said is None:
            raise LabError(f'{page.name}: "{title}" does not say what it interrupts')
        procedure.interrupts = said[1]
    return found


def _blocks(title: str, text: str) -> Iterator[Block]:
    before, inside = "", False
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("```"):
            if inside:
                place = _PLACE.fullmatch(before)
                if place is None:
                    raise LabError(f'"{title}": a block after {before!r}, which does not say where it is typed')
                yield Block(place[1], place[2] is not None, tuple(lines))
                before = ""
            inside, lines = not inside, []
        elif inside:
            lines.append(_COMMENT.sub("", line))
        elif line.strip():
            before = line
    if inside:
        raise LabError(f'"{title}": a block has no end')
