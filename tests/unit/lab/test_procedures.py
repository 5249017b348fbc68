# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/day-two.md: each command exists, each procedure says what it interrupts, and is followed in the lab."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from lab import procedures
from lab.errors import LabError
from lab.procedures import EVERYTHING, NOTHING, PAUSE, Procedure
from tests.unit import agents
from tests.unit.site import sites
from twinsan import cli

PAGE = procedures.read()
TEXT = procedures.PAGE.read_text()

# The commands of others: what may follow the first word, as a pattern.
OTHERS = {
    "cat": r">/etc/twinsan/chap",
    "corosync-cmapctl": r"-s quorum\.cancel_wait_for_all u8 1",
    "crm": r"node (standby|online) zeus",
    "iscsiadm": r"-m node -T iqn\S+ (-o update -n node\.session\.auth\.[a-z]+ -v \S+|--log(out|in))",
    "make": r"(install|uninstall)",
    "mkdir": r"-p -m 700 /etc/twinsan",
    "reboot": "",
    "ssh-copy-id": "root@zeus",
    "stonith_admin": "--confirm=zeus",
    "systemctl": "start pacemaker",
    "umask": "077",
}


def typed() -> list[str]:
    """Each command of the page's blocks."""
    blocks = [block for procedure in PAGE.values() for block in procedure.blocks if not block.of_site]
    return sorted({each.strip() for block in blocks for line in block.lines for each in line.split(";")})


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands of twinsan."""
    for action in cli.parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("no commands")


@pytest.mark.parametrize("command", typed())
def test_a_command_exists(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "twinsan":
        assert cli.parser().parse_args(words).command == words[0]
        return
    assert re.fullmatch(OTHERS[program], command[len(program) :].strip()), command
    if program == "make":
        assert re.search(rf"^{words[0]}:", (agents.ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`twinsan ([^`]+)`", TEXT))))
def test_a_command_that_the_text_names_exists(command: str) -> None:
    if command == "--version":
        return
    name, *words = command.split()
    options = commands()[name]._option_string_actions
    assert [word for word in words if word.startswith("--") and word not in options] == []


def test_what_is_written_into_the_site_file_is_right() -> None:
    """Each block in turn, in the table of the target."""
    for procedure in PAGE.values():
        for block in procedure.blocks:
            if block.of_site and "[[" not in "".join(block.lines):
                keys = {line.partition(" ")[0] for line in block.lines}
                kept = [line for line in sites.text("data0").splitlines() if line.partition(" ")[0] not in keys]
                place = kept.index("[resources.data0.target]") + 1
                assert sites.site("\n".join([*kept[:place], *block.lines, *kept[place:], ""])).resources


@pytest.mark.parametrize("procedure", PAGE.values(), ids=PAGE)
def test_a_procedure_says_what_it_interrupts_and_how_its_end_is_seen(procedure: Procedure) -> None:
    assert procedure.interrupts in (NOTHING, PAUSE, EVERYTHING)
    assert procedure.blocks
    (section,) = (each for each in TEXT.split("\n## ") if each.startswith(f"{procedure.title}\n"))
    assert re.search(r"^Done when ", section, re.MULTILINE)


@pytest.mark.parametrize("title", PAGE)
def test_a_procedure_is_followed_in_the_lab(title: str) -> None:
    assert f'"{title}"' in (agents.ROOT / "tests" / "cluster" / "test_day_two.py").read_text()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("## One\nInterrupts: nothing\n```sh\nreboot\n```\n", "does not say where it is typed"),
        ("## One\nOn atlas:\n```sh\nreboot\n```\n", "does not say what it interrupts"),
        ("## One\nInterrupts: nothing\nOn atlas:\n```sh\nreboot\n", "has no end"),
    ],
)
def test_a_page_that_cannot_be_followed_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}")
    with pytest.raises(LabError, match=complaint):
        procedures.read(page)
