# SPDX-License-Identifier: GPL-2.0-or-later
"""What bash completes, in a bash."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.unit import agents
from tools import completion
from twinsan import cli

SCRIPT = agents.ROOT / "packaging" / "bash-completion" / "twinsan"


def test_the_script_is_current() -> None:
    assert SCRIPT.read_text() == completion.render(cli.parser()), "type: make man"


def completed(folder: Path, *words: str, script: Path = SCRIPT) -> list[str]:
    """What bash offers for the last word of a command line."""
    program = (
        'set -u; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _twinsan; '
        'printf "%s\\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}; complete -p twinsan'
    )
    argv = ["bash", "--norc", "-c", program, "bash", str(script), "twinsan", *words]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    assert ended.stderr == ""
    *offered, last = ended.stdout.splitlines()
    assert last == "complete -F _twinsan twinsan"
    return [each for each in offered if each]


@pytest.mark.runs_programs
def test_commands_and_options(tmp_path: Path) -> None:
    commands = completed(tmp_path, "")
    assert {"render", "reservations", "fence-peer"} <= set(commands)
    assert completed(tmp_path, "rese") == ["reservations"]
    assert completed(tmp_path, "--v") == ["--version"]
    assert completed(tmp_path, "reservations", "") == ["--help", "--json", "--remove", "--lun"]
    assert completed(tmp_path, "reservations", "--json", "--l") == ["--lun"]
    assert completed(tmp_path, "reservations", "--remove", "") == []
    assert completed(tmp_path, "reservations", "--lun", "") == []


@pytest.mark.runs_programs
def test_files_and_folders(tmp_path: Path) -> None:
    for name in ("a b.toml", "c.xml"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert sorted(completed(tmp_path, "render", "")) == ["a b.toml", "folder"]
    assert completed(tmp_path, "render", "a") == ["a b.toml"]
    assert completed(tmp_path, "render", "a b.toml", "--output", "") == ["folder"]
    assert "--output" in completed(tmp_path, "render", "-")


@pytest.mark.runs_programs
def test_commands_of_commands_and_choices(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser(prog="twinsan")
    lun = parser.add_subparsers().add_parser("lun").add_subparsers()
    lun.add_parser("add").add_argument("--vaai", choices=("ats", "unmap"))
    lun.add_parser("grow").add_argument("kind", choices=("thin", "thick"))
    script = tmp_path / "script"
    script.write_text(completion.render(parser))
    assert completed(tmp_path, "lun", "", script=script) == ["add", "grow"]
    assert completed(tmp_path, "lun", "add", "--vaai", "", script=script) == ["ats", "unmap"]
    assert completed(tmp_path, "lun", "grow", "thi", script=script) == ["thin", "thick"]


def every() -> dict[str, argparse.ArgumentParser]:
    """All commands that do something, by their words."""
    found = dict(completion._commands(cli.parser(), ""))
    return {name.strip(): parser for name, parser in found.items() if parser.get_default("run")}


@pytest.mark.parametrize("name", every())
def test_each_command_has_an_example(name: str) -> None:
    """One that the parser accepts, for this command."""
    epilog = every()[name].epilog or ""
    _, _, example = epilog.partition("Example: ")
    words = [word for word in example.partition("; ")[0].split() if word]
    assert " ".join(words[: 1 + len(name.split())]) == f"twinsan {name}", "give it an epilog: Example: twinsan ..."
    assert callable(cli.parser().parse_args(shlex.split(example)[1:]).run)
