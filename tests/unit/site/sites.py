# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped site files, and what is made of them."""

from __future__ import annotations

from pathlib import Path

from tests.unit import agents
from twinsan.site import reader
from twinsan.site.mistakes import Mistake
from twinsan.site.model import Site

EXAMPLES = agents.ROOT / "examples"
TEMPLATES = agents.ROOT / "cib-templates"
SHIPPED = sorted(EXAMPLES.glob("*.toml"))


def text(name: str = "san") -> str:
    """The text of a shipped site file."""
    return (EXAMPLES / f"{name}.toml").read_text()


def changed(name: str = "san", *changes: tuple[str, str]) -> str:
    """The text of a shipped site file with other words in place of some."""
    found = text(name)
    for old, new in changes:
        assert old in found, old
        found = found.replace(old, new, 1)
    return found


def site(content: str) -> Site:
    """The site of a file without mistakes."""
    read, mistakes = reader.parse(content.encode())
    assert read is not None, [str(mistake) for mistake in mistakes]
    return read


def load(path: Path) -> Site:
    """The site of a shipped file."""
    return site(path.read_text())


def mistakes(content: str | bytes) -> list[Mistake]:
    """The mistakes of a file that has some."""
    read, found = reader.parse(content if isinstance(content, bytes) else content.encode())
    assert read is None
    assert found
    return found
