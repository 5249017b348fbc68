# SPDX-License-Identifier: GPL-2.0-or-later
"""What was told to the attribute daemon is void once that has been started anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan.cluster import published
from twinsan.cluster.published import Published
from twinsan.host import rundir
from twinsan.host.note import Note


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    return Published("note")


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
def daemon(note: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    monkeypatch.setattr(published, "sockets", str(tmp_path / "unix"))
    started = Daemon(tmp_path / "unix")
    started.start(1180)
    return started


def _let_time_pass(*notes: Published) -> None:
    """The kernel dates files by its ticks, and no daemon starts within one."""
    past = time.time() - 1
    for note in notes:
        os.utime(note.path, (past, past))
    marker = Note("attribute-daemon").path
    if os.path.exists(marker):
        os.utime(marker, (past - 1, past - 1))


def test_notes_are_void_once_the_daemon_was_started_anew(note: Published, daemon: Daemon) -> None:
    other = Published("other")
    assert note.recent(300) is None
    note.replace("10000")
    other.replace("b")
    assert (note.recent(300), other.recent(300)) == ("10000", "b")
    assert 0 <= note.age() < 60
    # Its end makes no difference: nobody can be told then.
    daemon.stop()
    assert note.recent(300) == "10000"
    _let_time_pass(note, other)
    daemon.start(4588)
    assert note.recent(float("inf")) is None
    assert (note.age(), other.age()) == (float("inf"), float("inf"))
    note.replace("10000")
    assert note.recent(300) == "10000"


def test_a_note_from_before_any_daemon_was_seen_is_void(note: Published, daemon: Daemon) -> None:
    note.replace("old")
    _let_time_pass(note)
    assert note.recent(300) is None


def test_a_socket_that_is_a_file(note: Published, daemon: Daemon) -> None:
    daemon.start(1180, "/run/attrd")
    assert note.recent(300) is None
    note.replace("10000")
    _let_time_pass(note)
    assert note.recent(300) == "10000"
    daemon.start(1181, "/run/attrd")
    assert note.recent(300) is None


def test_where_no_socket_can_be_seen_the_time_alone_counts(note: Published, daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "unix").unlink()
    note.replace("10000")
    assert note.recent(300) == "10000"
    os.utime(note.path, (0, 0))
    assert note.recent(300) is None


def test_a_clock_that_is_set_back(note: Published, daemon: Daemon) -> None:
    assert note.recent(300) is None
    note.replace("10000")
    assert note.recent(300) == "10000"
    ahead = time.time() + 3600
    os.utime(Note("attribute-daemon").path, (ahead, ahead))
    os.utime(note.path, (ahead + 1, ahead + 1))
    assert note.recent(300) is None
    note.replace("10000")
    assert note.recent(300) == "10000"
