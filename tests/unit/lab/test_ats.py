# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge of a lock finds two holders and every lost change; a contender knows what became of each command."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Union

import pytest

from lab import ats, scsi
from lab.ats import FREE, Change, Contender, Record, Sector

Answer = dict[str, Union[int, str]]

GOOD: Answer = {"status": 0, "host": 0, "sense": "", "data": ""}
MISCOMPARE = {**GOOD, "status": 2, "sense": "0e/1d/00"}
ATTENTION = {**GOOD, "status": 2, "sense": "06/29/07"}
BUSY = {**GOOD, "status": 8}
LOST = {**GOOD, "host": 14}


class Disk:
    """A disk of one sector. `trouble` has what comes instead of the next answers to COMPARE AND WRITE, and whether the
    command is carried out all the same. `before` and `after` a command somebody else may do something.
    """

    def __init__(self) -> None:
        self.sector = Record().pack()
        self.trouble: list[tuple[Answer, bool]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def send(self, _descriptor: int, cdb: bytes, out: bytes = b"", _wanted: int = 0) -> Answer:
        if cdb[0] == 0x88:
            return {**GOOD, "data": self.sector.hex()}
        if cdb[0] == 0x8A:
            self.sector = out
            return GOOD
        assert (cdb[0], cdb[13], len(out)) == (0x89, 1, 1024)
        self.before()
        answer, carried_out = self.trouble.pop(0) if self.trouble else (GOOD, True)
        if carried_out and self.sector == out[:512]:
            self.sector = out[512:]
        elif carried_out:
            answer = MISCOMPARE
        self.after()
        return answer

    @property
    def record(self) -> Record:
        return Record.unpack(self.sector)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(scsi, "send", made.send)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return made


class Stop(type(Path())):  # type: ignore[misc]
    """A file that is there after so many looks."""

    looks = 1

    def exists(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def contend(tmp_path: Path, number: int = 1) -> tuple[Contender, list[Change]]:
    """One turn of a contender, and its log."""
    disk = tmp_path / "disk"
    disk.touch()
    log = io.StringIO()
    contender = Contender(Sector(str(disk), 7), number, log)
    contender.run(Stop("stop"))
    return contender, list(ats.parse(log.getvalue().splitlines()))


def history(*steps: tuple[int, int, float, float]) -> list[Change]:
    """Changes that follow from one another: writer, holder, start, end."""
    record, changes = Record(), []
    for writer, holder, start, end in steps:
        record = record.then(writer, holder)
        changes.append(Change(start, end, record, "acknowledged"))
    return changes


# -- the judge ---------------------------------------------------------------------------------------------------

TURNS = ((1, 1, 0, 1), (1, FREE, 2, 4), (2, 2, 1, 3), (2, FREE, 5, 6))


def test_one_after_the_other_is_right() -> None:
    """Also where one knows that the lock is his before the other knows that he has freed it."""
    changes = history(*TURNS)
    assert ats.faults(changes, changes[-1].record) == []


def test_two_holders_at_once_are_found() -> None:
    changes = history((1, 1, 0, 1), (1, FREE, 4, 5), (2, 2, 2, 3), (2, FREE, 6, 7))
    (fault,) = ats.faults(changes, changes[-1].record)
    assert fault == "1 held the lock from 1.000000 to 4.000000, and 2 from 3.000000"


def test_a_holder_who_never_freed_it_is_found() -> None:
    changes = history((1, 1, 0, 1), (2, 2, 2, 3))
    assert any("1 held the lock from 1.000000 to inf, and 2" in fault for fault in ats.faults(changes, Record()))


@pytest.mark.parametrize("lost", range(len(TURNS)))
def test_a_change_that_is_lost_on_the_disk_is_found(lost: int) -> None:
    """A server that took over with old data: the disk goes on from what was before the change."""
    changes = history(*TURNS)
    before = changes[lost - 1].record if lost else Record()
    assert ats.faults(changes, before)


def test_a_change_that_was_lost_and_made_again_by_another_is_found() -> None:
    first = history((1, 1, 0, 1))
    others = history((2, 2, 2, 3), (2, FREE, 4, 5))
    faults = ats.faults([*first, *others], others[-1].record)
    assert any("generation 1 follows generation 1" in fault for fault in faults)


def test_a_change_that_is_in_no_log_is_found() -> None:
    changes = history(*TURNS)
    assert "generation 3 follows generation 1" in ats.faults([*changes[:1], *changes[2:]], changes[-1].record)


def test_another_past_is_found() -> None:
    """The disk went on from a state that the logs do not know, generation by generation."""
    changes = history(*TURNS)
    other = history((2, 2, 0, 1), (2, FREE, 2, 4))
    assert any("does not go on from" in fault for fault in ats.faults([*other, *changes[2:]], changes[-1].record))


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (((1, 1, 0, 1), (2, FREE, 2, 3)), "2 freed what 1 held"),
        (((1, 1, 0, 1), (1, 1, 2, 3)), "1 gave to 1 what 1 held"),
        (((1, 2, 0, 1),), "1 gave to 2 what 0 held"),
    ],
)
def test_a_change_against_the_rules_is_found(steps: tuple[tuple[int, int, float, float], ...], words: str) -> None:
    changes = history(*steps)
    assert any(words in fault for fault in ats.faults(changes, changes[-1].record))


# -- the contender -----------------------------------------------------------------------------------------------


def test_a_turn(disk: Disk, tmp_path: Path) -> None:
    contender, changes = contend(tmp_path)
    assert [(change.record.generation, change.record.holder, change.how) for change in changes] == [
        (1, 1, "acknowledged"),
        (2, FREE, "acknowledged"),
    ]
    assert ats.faults(changes, disk.record) == []
    assert contender.contradictions == []


@pytest.mark.parametrize("trouble", [ATTENTION, BUSY, LOST], ids=["unit attention", "busy", "lost"])
def test_a_command_that_was_not_carried_out_is_sent_again(disk: Disk, tmp_path: Path, trouble: Answer) -> None:
    disk.trouble = [(trouble, False)]
    contender, changes = contend(tmp_path)
    assert [change.how for change in changes] == ["acknowledged", "acknowledged"]
    assert ats.faults(changes, disk.record) == contender.contradictions == []


@pytest.mark.parametrize("answer", [LOST, MISCOMPARE], ids=["lost", "lost and sent again"])
@pytest.mark.parametrize("turn", [0, 1], ids=["taking", "freeing"])
def test_a_change_whose_answer_was_lost_is_found_on_the_disk(
    disk: Disk, tmp_path: Path, answer: Answer, turn: int
) -> None:
    disk.trouble = [(GOOD, True)] * turn + [(answer, True)]
    contender, changes = contend(tmp_path)
    assert changes[turn].how == "found"
    assert ats.faults(changes, disk.record) == contender.contradictions == []


def test_freed_and_taken_by_another_before_the_answer_was_missed(disk: Disk, tmp_path: Path) -> None:
    """Who held the lock alone could free it: a later generation proves that he did."""

    def take_what_is_free() -> None:
        if disk.record.generation == 2:
            disk.sector = disk.record.then(2, 2).pack()

    disk.trouble = [(GOOD, True), (LOST, True)]
    disk.after = take_what_is_free
    contender, changes = contend(tmp_path)
    assert [change.how for change in changes] == ["acknowledged", "found"]
    assert contender.contradictions == []


def test_somebody_else_was_quicker(disk: Disk, tmp_path: Path) -> None:
    def take_it() -> None:
        disk.sector = Record().then(2, 2).pack()

    disk.before = take_it
    contender, changes = contend(tmp_path)
    assert (changes, contender.contradictions) == ([], [])


def test_a_held_lock_is_left_alone(disk: Disk, tmp_path: Path) -> None:
    disk.sector = Record().then(2, 2).pack()
    assert contend(tmp_path)[1] == []


def test_a_lock_that_was_held_and_is_lost(disk: Disk, tmp_path: Path) -> None:
    def forget() -> None:
        disk.sector = Record().pack()

    disk.after = forget
    contender, _ = contend(tmp_path)
    assert contender.contradictions == ["generation 1 was lost"]


def test_a_miscompare_with_what_is_there(disk: Disk, tmp_path: Path) -> None:
    disk.trouble = [(MISCOMPARE, False)]
    contender, _ = contend(tmp_path)
    assert contender.contradictions == ["generation 0 is there, and yet there was a miscompare"]


def test_a_sector_without_a_lock_is_none(disk: Disk, tmp_path: Path) -> None:
    disk.sector = bytes(512)
    with pytest.raises(ValueError, match="holds no lock"):
        contend(tmp_path)


def test_prepared_contended_and_judged_by_command(
    disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device, log, stop = tmp_path / "disk", tmp_path / "log", tmp_path / "stop"
    for file in (device, stop, log):
        file.touch()
    where = ["--disk", str(device), "--lba", "7"]
    disk.sector = bytes(512)
    assert ats.main(["prepare", *where]) == 0
    assert disk.record == Record()
    assert ats.main(["contend", *where, "--number", "1", "--log", str(log), "--stop-file", str(stop)]) == 0
    assert json.loads(capsys.readouterr().out) == {"answers": {}, "contradictions": []}
    log.write_text("".join(change.line() for change in history(*TURNS)))
    assert ats.main(["judge", *where, "--log", str(log)]) == 1
    disk.sector = history(*TURNS)[-1].record.pack()
    assert ats.main(["judge", *where, "--log", str(log)]) == 0
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(bad["faults"]) == 1
    assert good == {"acquired": [2], "acknowledged": 4, "found": 0, "faults": []}
