# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock excludes, waits, gives up, and is freed by the kernel."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed
from twinsan.host import lock, rundir


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    return tmp_path / "twinsan"


def test_it_excludes_and_names_itself_and_its_holder() -> None:
    taken = rf"lock lio is free \(last held by process {os.getpid()}\)"
    with lock.Held("lio", Deadline(1)):
        with pytest.raises(DeadlinePassed, match=taken), lock.Held("lio", Deadline(0.05)):
            pass
        with lock.Held("other", Deadline(0.05)):
            pass


def test_it_is_free_after_the_block_and_after_a_failure() -> None:
    with pytest.raises(RuntimeError), lock.Held("lio", Deadline(1)):
        raise RuntimeError
    with lock.Held("lio", Deadline(0)):
        pass


@pytest.mark.runs_programs
def test_it_is_freed_when_its_holder_dies() -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with lock.Held("lio", Deadline(1)):
                os.write(tell, b"x")
                time.sleep(30)
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(ready, 1) == b"x", "the child has the lock"
    with pytest.raises(DeadlinePassed), lock.Held("lio", Deadline(0.05)):
        pass
    os.kill(child, 9)
    os.waitpid(child, 0)
    with lock.Held("lio", Deadline(1)):
        pass
    os.close(ready)


def test_only_root_may_look(folder: Path) -> None:
    with lock.Held("lio", Deadline(1)):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "lio.lock").stat().st_mode & 0o777 == 0o600


def test_no_descriptor_leaks() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with lock.Held("lio", Deadline(1)), pytest.raises(DeadlinePassed), lock.Held("lio", Deadline(0)):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.runs_programs
def test_a_program_holds_it_on_when_who_started_it_is_killed() -> None:
    told: list[str] = []
    release, keep = os.pipe()
    agent = os.fork()
    if agent == 0:
        try:
            os.close(keep)
            with lock.Inherited("drbd.san", Deadline(1), told.append):
                program = ["sh", "-c", f"echo >{rundir.DIRECTORY}/runs; read line"]
                os.posix_spawn("/bin/sh", program, {}, file_actions=[(os.POSIX_SPAWN_DUP2, release, 0)])
                time.sleep(30)
        finally:
            os._exit(1)
    Deadline(10).wait_until(lambda: os.path.exists(f"{rundir.DIRECTORY}/runs"), "the program runs", 0.01)
    os.kill(agent, 9)
    os.waitpid(agent, 0)
    with lock.Inherited("drbd.san", Deadline(0.05), told.append):
        assert len(told) == 1
        assert "lock drbd.san is free" in told[0]
        assert "going on without it" in told[0]
    os.close(keep)
    with lock.Inherited("drbd.san", Deadline(10), told.append):
        assert len(told) == 1
    os.close(release)


def test_what_is_only_sought_is_no_reason_to_fail() -> None:
    told: list[str] = []
    with lock.Held("lio", Deadline(1)), lock.BestEffort("lio", Deadline(0), told.append):
        assert "going on without it" in told[0]
    with lock.BestEffort("lio", Deadline(0), told.append), pytest.raises(DeadlinePassed), lock.Held("lio", Deadline(0)):
        pass
    assert len(told) == 1
