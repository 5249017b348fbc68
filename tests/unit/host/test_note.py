# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes in /run are replaced at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinsan.errors import Failure
from twinsan.host import rundir
from twinsan.host.note import Note


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Note:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    return Note("n" * 255)


class Killed(BaseException):
    """What no code under test catches."""


@pytest.mark.parametrize("moment", ["open", "rename"])
def test_who_is_killed_while_writing_leaves_the_old_note(
    note: Note, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    note.replace("old")

    def killed(*_: object, **__: object) -> None:
        raise Killed

    if moment == "open":
        monkeypatch.setattr("builtins.open", killed)
    else:
        monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(Killed):
        note.replace("new")
    monkeypatch.undo()
    assert Path(note.path).read_text() == "old"
    assert os.listdir(os.path.dirname(note.path)) == [os.path.basename(note.path)]


def test_a_reader_never_sees_a_part(note: Note) -> None:
    note.replace("old")
    with open(note.path) as reader:
        note.replace("new")
        assert reader.read() == "old"
    assert Path(note.path).read_text() == "new"


def test_the_first_note_stays(note: Note) -> None:
    assert note.create("first")
    assert not note.create("second")
    assert Path(note.path).read_text() == "first"
    assert os.listdir(os.path.dirname(note.path)) == [os.path.basename(note.path)]


def test_what_is_no_ascii_is_replaced(note: Note) -> None:
    note.replace("caf\u00e9")
    assert Path(note.path).read_text() == "caf?"


def test_a_name_that_leaves_the_folder(note: Note) -> None:
    with pytest.raises(Failure, match="cannot be the name"):
        rundir.path("../x")
