# SPDX-License-Identifier: GPL-2.0-or-later
"""A look that hangs in the kernel: the next one says so, and does not hang beside it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.unit.operate.facts.test_gathering import Programs
from twinsan.deadline import Deadline
from twinsan.errors import TooSlow
from twinsan.host import kernel_files, kernel_wait
from twinsan.operate.facts import gathering, left_behind, storage

OTHER_USER = os.getuid() + 1


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(kernel_files, "PROCESSES", str(tmp_path))
    return tmp_path


def add(processes: Path, pid: int, *, name: str = "reader", uid: int = 0, state: str = "D (disk sleep)") -> Path:
    place = processes / str(pid)
    place.mkdir()
    (place / "comm").write_text(f"{name}\n")
    (place / "status").write_text(f"Name:\t{name}\nState:\t{state}\nUid:\t{uid}\t0\t0\t0\n")
    return place


@pytest.mark.parametrize("uid", [0, os.getuid()])
def test_one_that_hangs(processes: Path, uid: int) -> None:
    place = add(processes, 4711, uid=uid)
    (place / "wchan").write_text("configfs_readdir")
    with pytest.raises(TooSlow, match=r"process 4711, still hangs .* in configfs_readdir$"):
        left_behind.refuse_another("reader", Deadline(0.1))


@pytest.mark.parametrize(
    "other",
    [
        {"state": "S (sleeping)"},
        {"state": "Z (zombie)"},
        {"name": "other"},
        # Who may give a process any name, and a set-user-ID program, too.
        {"uid": OTHER_USER},
    ],
    ids=str,
)
def test_no_obstacle(processes: Path, other: dict[str, object]) -> None:
    add(processes, 4711, **other)  # type: ignore[arg-type]
    left_behind.refuse_another("reader", Deadline(0.1))
    assert (processes / "self" / "comm").read_text() == "reader"


def test_oneself_is_no_obstacle(processes: Path) -> None:
    add(processes, os.getpid())
    left_behind.refuse_another("reader", Deadline(0.1))


def test_one_that_goes_on_within_a_second(processes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(processes, 4711)
    answers = [True, True, False]
    monkeypatch.setattr(kernel_wait, "hangs", lambda _pid: answers.pop(0))
    left_behind.refuse_another("reader", Deadline(60))
    assert answers == []


@pytest.mark.runs_programs
def test_the_next_look_does_not_hang_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A process is in state D here while a program that it starts opens a pipe that nobody writes to."""
    Programs(monkeypatch, tmp_path)
    monkeypatch.setattr(gathering, "_LIO_READER", f"reader{os.getpid()}")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.fork()
    if reader == 0:
        left_behind.refuse_another(gathering._LIO_READER, Deadline(0.1))
        os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, str(pipe), os.O_RDONLY, 0)])
        os._exit(0)

    def end() -> None:
        os.kill(reader, signal.SIGKILL)
        # Its program ends when it can open the pipe.
        os.close(os.open(pipe, os.O_RDWR))
        os.waitpid(reader, 0)

    request.addfinalizer(end)
    looks = tmp_path / "looks"
    monkeypatch.setattr(storage, "look", looks.mkdir)
    Deadline(20).wait_until(lambda: kernel_wait.hangs(reader), "the reader hangs")
    begun = time.monotonic()
    (unseen,) = gathering.gather(60).not_seen
    assert time.monotonic() - begun < 30
    assert unseen.what == "LIO on this node"
    assert f"process {reader}, still hangs in the kernel" in unseen.because
    assert not looks.exists()
