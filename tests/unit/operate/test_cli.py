# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: help, errors, exit statuses, and the way DRBD starts it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit import agents
from tools.manual import command_page
from twinsan import cli

PROGRAM = agents.ROOT / "bin" / "twinsan"


@pytest.mark.parametrize("words", [[], *([name] for name in command_page.commands(cli.parser()))])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert "usage: twinsan" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["fence"], ["fence-peer", "--timeout", "soon", "san"]])
def test_a_wrong_call_is_no_answer_to_drbd(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2


def test_a_call_without_a_resource_says_what_to_type(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRBD_RESOURCE", raising=False)
    assert cli.main(["fence-peer"]) == 1
    assert "twinsan fence-peer RESOURCE" in capsys.readouterr().err


def test_the_manual_page_is_current() -> None:
    assert command_page.render(cli.parser()) == (agents.ROOT / "man" / "twinsan.8").read_text(), "type: make man"


@pytest.mark.runs_programs
def test_the_manual_page_reads_well() -> None:
    page = agents.ROOT / "man" / "twinsan.8"
    formatted = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", page], capture_output=True, text=True, check=True, timeout=60
    )
    assert formatted.stderr == ""
    assert "reservations" in formatted.stdout


@pytest.mark.runs_programs
def test_it_runs_as_the_kernel_starts_it_without_open_files_and_environment() -> None:
    def close_all() -> None:
        os.closerange(0, 64)

    for verb, status in (("fence-peer", 1), ("unfence-peer", 0)):
        ended = subprocess.run(
            [PROGRAM, verb],
            env={"DRBD_RESOURCE": f"no-such-resource-{os.getpid()}"},
            preexec_fn=close_all,
            close_fds=False,
            timeout=30,
            check=False,
        )
        assert ended.returncode == status


@pytest.mark.runs_programs
@pytest.mark.parametrize("verb", ["fence-peer", "unfence-peer", "split-brain"])
def test_a_handler_of_drbd_imports_no_other_command(verb: str) -> None:
    """A promotion waits for it."""
    code = (
        f"import sys; sys.path.insert(0, {str(agents.ROOT / 'lib')!r}); from twinsan import cli\n"
        f"try: cli.main([{verb!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in sys.modules if n.startswith(('twinsan.commands.', 'twinsan.operate'))))"
    )
    printed = subprocess.run(
        [sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed.splitlines()[-1] == "['twinsan.commands.fence']"


@pytest.mark.parametrize("name", command_page.commands(cli.parser()))
def test_a_command_reads_no_command_line_but_its_own(name: str) -> None:
    alone = command_page.commands(cli.parser(name))
    assert name in alone
    assert len(alone) <= 3
