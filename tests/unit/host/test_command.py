# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs are started, fed, read, bounded, and killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, NotInstalled
from twinsan.host import command

pytestmark = pytest.mark.runs_programs


def shell(script: str, *, seconds: float = 10, given: str = "", check: bool = True) -> command.Result:
    return command.run("sh", "-c", script, deadline=Deadline(seconds), input=given, check=check)


def test_output_and_status() -> None:
    result = shell("echo out; echo err >&2; exit 3", check=False)
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert not result.ok
    assert result.complaint == "err"


def test_failure_tells_the_command_and_what_it_said() -> None:
    with pytest.raises(command.CommandFailed, match=r"sh -c .*: first; second \(exit status 4\)"):
        shell("echo first >&2; echo second >&2; exit 4")


def test_a_signal_is_told_as_such() -> None:
    with pytest.raises(command.CommandFailed, match="killed by signal 15"):
        shell("kill -TERM $$")


def test_the_environment_is_small_and_in_the_c_locale() -> None:
    names = {line.partition("=")[0] for line in shell("env").stdout.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LC_ALL"}
    assert "/usr/sbin:/usr/bin" in shell("echo $PATH").stdout


def test_nothing_can_be_asked() -> None:
    assert shell("cat; echo done").stdout == "done\n"


def test_a_large_input_and_output_do_not_block_each_other() -> None:
    text = "x" * 1_000_000
    assert shell("cat", given=text).stdout == text


def test_an_input_that_nobody_reads_is_no_failure() -> None:
    assert shell("exec 0<&-; sleep 0.05; echo done", given="x" * 1_000_000).stdout == "done\n"


def test_the_deadline_kills_the_program_and_its_helpers(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begin = time.monotonic()
    with pytest.raises(DeadlinePassed, match=r"sh -c .* did not end in time"):
        shell(f"sleep 60 & echo $! > {pid}; wait", seconds=0.2)
    assert time.monotonic() - begin < 5
    deadline = Deadline(5)
    deadline.wait_until(lambda: _is_gone(int(pid.read_text())), "the helper is gone", interval=0.01)


@pytest.mark.parametrize("script", ["yes", "yes >&2", "yes & wait"])
def test_the_deadline_kills_what_prints_without_end(script: str) -> None:
    begin = time.monotonic()
    with pytest.raises((DeadlinePassed, Failure), match=r"did not end in time|prints without end"):
        shell(script, seconds=0.2)
    assert time.monotonic() - begin < 5


def test_no_more_is_kept_than_has_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_MOST_KEPT", 1 << 20)
    with pytest.raises(Failure, match=r"sh -c yes prints without end; try by hand"):
        shell("yes")
    # What a daemon that stays behind prints.
    assert len(shell("yes & true").stdout) < 2 << 20


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_daemon_that_stays_behind_is_not_waited_for() -> None:
    begin = time.monotonic()
    assert shell("sleep 2 & echo up").stdout == "up\n"
    assert time.monotonic() - begin < 1.5


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match=r"drbdsetup is missing; install it \(Debian: apt install drbd-utils\)"):
        command.run("drbdsetup", "status", deadline=Deadline(1))


def test_no_descriptor_leaks() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        shell("true", given="x")
        with pytest.raises(command.CommandFailed):
            shell("false")
        with pytest.raises(DeadlinePassed):
            shell("sleep 5", seconds=0.01)
    with pytest.raises(NotInstalled):
        command.run("no-such-program", deadline=Deadline(1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_zombie_stays() -> None:
    shell("true")
    with pytest.raises(DeadlinePassed):
        shell("sleep 5", seconds=0.01)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
