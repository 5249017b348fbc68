# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes in /run are replaced at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinsan.errors import Failure
from twinsan.system import rundir


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


def test_what_is_no_ascii_is_replaced(note: str) -> None:
    rundir.write(note, "caf\u00e9")
    assert Path(note).read_text() == "caf?"


def test_a_name_that_leaves_the_folder(note: str) -> None:
    with pytest.raises(Failure, match="cannot be the name"):
        rundir.path("../x")
