# SPDX-License-Identifier: GPL-2.0-or-later
"""The annotated example has every key, and the defaults that it shows are those that hold."""

from __future__ import annotations

import re

import pytest
import tomllib

from tests.unit import agents
from tests.unit.site import sites
from twinsan.site import cib, table

# Keys of other ways to fence, which are explained there.
ELSEWHERE = {"devices", "watchdog"}


def test_the_annotated_example_has_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {each.name for name in agents.NAMES for each in agents.load(name).parameters()}
    known: set[str] = set()
    finish = table.Table.finish

    def note(self: table.Table) -> None:
        known.update(self._known)
        finish(self)

    monkeypatch.setattr(table.Table, "finish", note)
    for path in sites.SHIPPED:
        sites.load(path)
    assert {"witness", "suffix", "devices", "token_ms"} <= known
    text = sites.text()
    own = known - parameters - {"atlas", "zeus", "san", "data0", "data1"} - ELSEWHERE
    assert {
        key for key in own if not re.search(rf"^(# )?\[?{key}\b|[\[{{ ]{key} = |\.{key}\]", text, re.MULTILINE)
    } == set()
    assert all(re.search(rf"\b{key}\b", text) for key in ELSEWHERE)


def test_the_defaults_in_its_comments_are_the_defaults() -> None:
    """With all of them the same configuration is made."""
    text = sites.text()
    plain = cib.text(sites.site(text))
    for section in re.findall(r"(?:^# \[?[a-z_]+\]?(?: = [^\n]*)?\n)+", text, re.MULTILINE):
        lines = [line[2:] for line in section.splitlines()]
        kept = [
            line
            for line in lines
            if not line.startswith(("password", "preferred", "[witness]", "host", "[alerts]", "command"))
        ]
        assert cib.text(sites.site(text.replace(section, "\n".join(kept) + "\n", 1))) == plain
    assert len(tomllib.loads(text)) == 6
