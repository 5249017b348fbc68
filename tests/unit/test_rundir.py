# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes in /run are replaced at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan import rundir
from twinsan.errors import Failure


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    return rundir.path("n" * 255)


class Killed(BaseException):
    """What no code under test catches."""


@pytest.mark.parametrize("moment", ["open", "rename"])
def test_who_is_killed_while_writing_leaves_the_old_note(
    note: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rundir.write(note, "old")

    def killed(*_: object, **__: object) -> None:
        raise Killed

    if moment == "open":
        monkeypatch.setattr("builtins.open", killed)
    else:
        monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(Killed):
        rundir.write(note, "new")
    monkeypatch.undo()
    assert Path(note).read_text() == "old"
    assert os.listdir(os.path.dirname(note)) == [os.path.basename(note)]


def test_a_reader_never_sees_a_part(note: str) -> None:
    rundir.write(note, "old")
    with open(note) as reader:
        rundir.write(note, "new")
        assert reader.read() == "old"
    assert Path(note).read_text() == "new"


def test_the_first_note_stays(note: str) -> None:
    assert rundir.write_first(note, "first")
    assert not rundir.write_first(note, "second")
    assert Path(note).read_text() == "first"
    assert os.listdir(os.path.dirname(note)) == [os.path.basename(note)]


# As Debian 12 and 13 have it; the first is that of a connection, the second what is listened on.
SOCKETS = """Num       RefCount Protocol Flags    Type St Inode Path
00000000ec0b0b0b: 00000003 00000000 00000000 0001 03  1609 @attrd{filling}
000000007010dbdc: 00000002 00000000 00010000 0001 01  {number} {name}
0000000071aa3c10: 00000002 00000000 00010000 0001 01  1181 @attrd-other{filling}
"""


class Daemon:
    """The attribute daemon, by its socket."""

    def __init__(self, table: Path) -> None:
        self._table = table

    def start(self, number: int, name: str = "@attrd" + "@" * 101) -> None:
        self._table.write_text(SOCKETS.format(number=number, name=name, filling="@" * 101))

    def stop(self) -> None:
        self._table.write_text(SOCKETS.splitlines()[0] + "\n")


@pytest.fixture
def daemon(note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    monkeypatch.setattr(rundir, "sockets", str(tmp_path / "unix"))
    started = Daemon(tmp_path / "unix")
    started.start(1180)
    return started


def _let_time_pass(*notes: str) -> None:
    """The kernel dates files by its ticks, and no daemon starts within one."""
    past = time.time() - 1
    for path in notes:
        os.utime(path, (past, past))
    marker = rundir.path("attribute-daemon")
    if os.path.exists(marker):
        os.utime(marker, (past - 1, past - 1))


def test_notes_are_void_once_the_daemon_was_started_anew(note: str, daemon: Daemon) -> None:
    other = rundir.path("other")
    assert rundir.told(note, 300) is None
    rundir.write(note, "10000")
    rundir.write(other, "b")
    assert (rundir.told(note, 300), rundir.told(other, 300)) == ("10000", "b")
    assert 0 <= rundir.age(note) < 60
    # Its end makes no difference: nobody can be told then.
    daemon.stop()
    assert rundir.told(note, 300) == "10000"
    _let_time_pass(note, other)
    daemon.start(4588)
    assert rundir.told(note, float("inf")) is None
    assert (rundir.age(note), rundir.age(other)) == (float("inf"), float("inf"))
    rundir.write(note, "10000")
    assert rundir.told(note, 300) == "10000"


def test_a_note_from_before_any_daemon_was_seen_is_void(note: str, daemon: Daemon) -> None:
    rundir.write(note, "old")
    _let_time_pass(note)
    assert rundir.told(note, 300) is None


def test_a_socket_that_is_a_file(note: str, daemon: Daemon) -> None:
    daemon.start(1180, "/run/attrd")
    assert rundir.told(note, 300) is None
    rundir.write(note, "10000")
    _let_time_pass(note)
    assert rundir.told(note, 300) == "10000"
    daemon.start(1181, "/run/attrd")
    assert rundir.told(note, 300) is None


def test_where_no_socket_can_be_seen_the_time_alone_counts(note: str, daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "unix").unlink()
    rundir.write(note, "10000")
    assert rundir.told(note, 300) == "10000"
    os.utime(note, (0, 0))
    assert rundir.told(note, 300) is None


def test_a_clock_that_is_set_back(note: str, daemon: Daemon) -> None:
    assert rundir.told(note, 300) is None
    rundir.write(note, "10000")
    assert rundir.told(note, 300) == "10000"
    ahead = time.time() + 3600
    os.utime(rundir.path("attribute-daemon"), (ahead, ahead))
    os.utime(note, (ahead + 1, ahead + 1))
    assert rundir.told(note, 300) is None
    rundir.write(note, "10000")
    assert rundir.told(note, 300) == "10000"


def test_what_is_no_ascii_is_replaced(note: str) -> None:
    rundir.write(note, "caf\u00e9")
    assert Path(note).read_text() == "caf?"


def test_a_name_that_leaves_the_folder(note: str) -> None:
    with pytest.raises(Failure, match="cannot be the name"):
        rundir.path("../x")
