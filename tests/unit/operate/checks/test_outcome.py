# SPDX-License-Identifier: GPL-2.0-or-later
"""What a simulation has found is kept, found again, and never taken for that of something else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.operate.checks import mutation
from tests.unit.operate.checks.mutation import add, give, live, location, option, remove
from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotInstalled, TooSlow
from twinsan.host import child, command, rundir
from twinsan.operate.checks import chain, cluster, outcome, simulation, situations, times
from twinsan.operate.checks.configuration import Configuration
from twinsan.operate.checks.finding import Finding
from twinsan.operate.checks.report import Report

ORDER = "rsc_order[@id='promote-before-san']"


class Scheduler:
    """Finds one thing in each simulation, or fails; and counts."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.asked = 0
        self.failure: Exception | None = None

    def find(self, *_: object) -> Iterator[Finding]:
        self.asked += 1
        yield chain.MOVES_BACK.at("p_lun1", first="", then="g_san", plan="x", there="atlas", stickiness="1")
        if self.failure:
            raise self.failure


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """One whose program can be updated. What is done in the background is done at once."""
    made = Scheduler(tmp_path / "crm_simulate")
    made.program.write_text("3.0.0")
    monkeypatch.setattr(situations, "find", made.find)
    monkeypatch.setattr(command, "find", lambda _: str(made.program))
    monkeypatch.setattr(outcome, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(child, "run_detached", lambda work: work())
    monkeypatch.setattr(os, "nice", lambda _: 0)
    return made


def look(*changes: mutation.Change, seconds: float = 5) -> Report:
    """A look at a pair with the template and changes."""
    return outcome.of_pair(Configuration.read(mutation.changed("san", *changes), "cib.xml"), Deadline(seconds))


def test_what_was_found_is_found_again(scheduler: Scheduler) -> None:
    first = look().json()
    assert first == look().json()
    assert [each["fault"] for each in first["findings"]] == ["moves-back"]  # type: ignore[attr-defined]
    assert first["unseen"] == []
    assert scheduler.asked == 1


def test_the_agents_are_asked_once(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their import takes longer than a look may."""
    short = give("op[@id='p_lun1-start']", timeout="9s")
    first = look(short).json()
    assert "timeout-short" in [each["fault"] for each in first["findings"]]  # type: ignore[attr-defined]
    monkeypatch.setattr(times, "advised", lambda _: pytest.fail("asked again"))
    assert look(short).json() == first


def test_what_the_agents_advise_needs_no_simulation(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    short = give("op[@id='p_lun1-start']", timeout="9s")
    monkeypatch.setattr(child, "run_detached", lambda work: None)
    told = look(short)
    assert ([each.fault.key for each in told.findings()], len(told.unseen)) == (["timeout-short"], 1)
    monkeypatch.setattr(simulation, "is_due", lambda *_: False)
    assert [each.fault.key for each in look(short).findings()] == ["timeout-short"]


def test_numbers_keep_their_form(notes: Path) -> None:
    report = Report()
    report.add([chain.SERVED_TWICE.at("p_lun1", plan=1.5, first=3)])
    outcome.keep("key", report)
    known = outcome._known("key")
    assert known is not None
    assert known.json() == report.json()
    assert known.findings()[0].values == {"plan": 1.5, "first": 3}


def _standby() -> mutation.Change:
    pair = '<nvpair id="nodes-2-s" name="standby" value="on"/>'
    return add("node[@uname='zeus']", f'<instance_attributes id="nodes-2">{pair}</instance_attributes>')


@pytest.mark.parametrize(
    "change",
    [location("cli-prefer-g_san", "g_san", "zeus", "INFINITY"), option("maintenance-mode", "true"), _standby()],
)
def test_what_is_there_for_a_time_changes_no_outcome(scheduler: Scheduler, change: mutation.Change) -> None:
    look(live())
    look(live(), change)
    assert scheduler.asked == 1


def _another_program(scheduler: Scheduler, _: pytest.MonkeyPatch) -> None:
    scheduler.program.write_text("3.0.1-1")


def _another_library(scheduler: Scheduler, _: pytest.MonkeyPatch) -> None:
    (scheduler.program.parent / "libpe_status.so.56").write_text("3.0.1")


def _another_twinsan(_: Scheduler, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcome, "__version__", "99")


def _another_code(_: Scheduler, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcome, "_code", lambda: "changed")


@pytest.mark.parametrize("update", [_another_program, _another_library, _another_twinsan, _another_code])
def test_another_version_simulates_anew(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, update: Callable[[Scheduler, pytest.MonkeyPatch], None]
) -> None:
    look()
    update(scheduler, monkeypatch)
    look()
    assert scheduler.asked == 2


@pytest.mark.parametrize(
    "change", [remove(ORDER), give("op[@id='p_lun1-monitor']", interval="11s"), option("priority-fencing-delay", "7")]
)
def test_another_configuration_is_simulated_anew(scheduler: Scheduler, change: mutation.Change) -> None:
    look()
    look(change)
    assert scheduler.asked == 2
    look()
    look(change)
    assert scheduler.asked == 2, "both are kept"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 9999,
        lambda text: "null",
        lambda text: text.replace('"form": 1', '"form": 2'),
        lambda text: text.replace("moves-back", "no-such-fault"),
        lambda text: text.replace('"stickiness"', '"other"'),
        lambda text: text.replace('"values": {', '"values": [{').replace('"}}', '"}]}'),
        lambda text: text.replace('"unseen"', '"seen"'),
        lambda text: text.replace('"outcomes": [', '"outcomes": [3, '[:14]),
        lambda text: '{"form": 1, "outcomes": {}}',
        lambda text: '{"form": 1, "outcomes": [[]]}',
    ],
)
def test_a_note_that_is_none_counts_as_none(scheduler: Scheduler, notes: Path, spoil: Callable[[str], str]) -> None:
    first = look()
    note = notes / outcome.NOTE
    spoiled = spoil(note.read_text())
    assert spoiled != note.read_text()
    note.write_text(spoiled)
    assert look().json() == first.json()
    assert scheduler.asked == 2


def test_few_are_kept(scheduler: Scheduler, notes: Path) -> None:
    for seconds in range(9):
        look(option("priority-fencing-delay", f"{seconds}s"))
    assert len(json.loads((notes / outcome.NOTE).read_text())["outcomes"]) == 4
    assert scheduler.asked == 9
    look(option("priority-fencing-delay", "8s"))
    assert scheduler.asked == 9


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (TooSlow("crm_simulate did not end in time"), "crm_simulate did not end in time"),
        (LookupError("a defect"), "LookupError: a defect"),
    ],
)
def test_what_failed_is_told_and_tried_again(scheduler: Scheduler, failure: Exception, told: str) -> None:
    scheduler.failure = failure
    assert look().unseen == [("all that the scheduler would do", told)]
    scheduler.failure = None
    assert look().unseen == []
    assert scheduler.asked == 2


def test_a_simulation_that_is_killed_is_told(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "run_detached", lambda _: None)
    ((what, why),) = look().unseen
    assert what == "all that the scheduler would do"
    assert "left nothing" in why


def test_rules_that_look_at_the_clock_are_asked_anew(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = (
        '<rsc_location id="l" rsc="g_san"><rule id="r" score="1"><date_expression id="d" operation="gt" start="2026"/>'
        "</rule></rsc_location>"
    )
    monkeypatch.setattr(time, "time", lambda: 60.0)
    look(add("constraints", rule))
    look()
    monkeypatch.setattr(time, "time", lambda: 119.0)
    look(add("constraints", rule))
    assert scheduler.asked == 2
    monkeypatch.setattr(time, "time", lambda: 120.0)
    look(add("constraints", rule))
    look()
    assert scheduler.asked == 3


@pytest.mark.parametrize("there", [True, False])
def test_who_may_not_keep_anything_simulates_at_once(
    scheduler: Scheduler, notes: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """A member of haclient; the folder may be there, and is root's."""

    def forbidden(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    if there:
        notes.mkdir()
    monkeypatch.setattr(rundir, "path", forbidden)
    monkeypatch.setattr(child, "run_detached", lambda _: pytest.fail("it is no daemon's work"))
    assert [each.fault.key for each in look().findings()] == ["moves-back"]
    configuration = Configuration.read(mutation.changed("san"), "cib.xml")
    assert "moves-back" in [each.fault.key for each in cluster.check(configuration, Deadline(5)).findings()]
    assert scheduler.asked == 2


def test_without_a_scheduler_that_is_told(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise NotInstalled(f"the program {name} is missing")

    monkeypatch.setattr(command, "find", missing)
    scheduler.failure = NotInstalled("the program crm_simulate is missing")
    assert look().unseen == [("all that the scheduler would do", "the program crm_simulate is missing")]


def test_a_file_is_answered_from_the_note(scheduler: Scheduler, notes: Path) -> None:
    configuration = Configuration.read(mutation.changed("san"), "cib.xml")
    found = cluster.check(configuration, Deadline(5))
    assert not notes.exists(), "a look at a file leaves nothing"
    look()
    assert scheduler.asked == 2
    assert cluster.check(configuration, Deadline(5)).json() == found.json()
    assert scheduler.asked == 2


@pytest.fixture
def gate(tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each simulation adds a line to a file, and ends once the file `gate` is there; in a process of its own."""
    monkeypatch.undo()
    place = tmp_path / "gate"

    def find(*_: object) -> Iterator[Finding]:
        with open(tmp_path / "asked", "a") as file:
            file.write("one\n")
        Deadline(60).wait_until(place.exists, "the gate is open")
        yield from scheduler.find()

    monkeypatch.setattr(situations, "find", find)
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(command, "find", lambda _: str(scheduler.program))
    yield place
    place.touch()
    # A command ends before what it leaves in the background; the tests do not.
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


@pytest.mark.runs_programs
def test_one_that_takes_longer_goes_on(gate: Path, notes: Path) -> None:
    ((what, why),) = look(seconds=0.3).unseen
    assert what == "all that the scheduler would do"
    assert why == "it is still being simulated, and that goes on in the background; type the same again in some seconds"
    assert look(seconds=0).unseen == [(what, why)]
    gate.touch()
    report = look(seconds=60)
    assert report.unseen == []
    assert [each.fault.key for each in report.findings()] == ["moves-back"]
    assert (gate.parent / "asked").read_text() == "one\n"


@pytest.mark.runs_programs
def test_two_at_once_simulate_once(gate: Path) -> None:
    def open_it() -> None:
        Deadline(60).wait_until((gate.parent / "asked").exists, "one simulates")
        gate.touch()

    answers = child.side_by_side(
        {str(number): lambda: [json.dumps(look(seconds=60).json()).encode()] for number in range(2)},
        Deadline(60),
        open_it,
    )
    told = [json.loads(piece) for answer in answers.values() for piece in answer.pieces]
    assert [each["fault"] for one in told for each in one["findings"]] == ["moves-back", "moves-back"]
    assert (gate.parent / "asked").read_text() == "one\n"


def test_a_failure_is_one_line() -> None:
    for reason in (outcome.STILL_RUNNING, outcome.NO_OUTCOME):
        assert isinstance(reason(), Failure)
        assert "\n" not in reason.text()
