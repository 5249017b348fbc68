# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a failure counts, and which reason the cluster shows of a monitor that goes on to say "degraded"."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import agents
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed
from twinsan.host import child, command, lock, rundir
from twinsan.host.note import Note
from twinsan.ocf import codes, failures, parameter
from twinsan.ocf.agent import Agent, action
from twinsan.ocf.environment import Environment

pytestmark = pytest.mark.remembers


class World:
    """What was run, and when: sleeping takes no time, and things happen meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.ran: list[tuple[float, str]] = []
        self.background: list[Callable[[], None]] = []
        self.now = 1000.0
        self.events: list[tuple[float, Callable[[], object]]] = []
        monkeypatch.setattr(rundir, "DIRECTORY", str(folder))
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(child, "run_detached", self.background.append)
        monkeypatch.setattr(command, "run", self.run)
        real = Note.replace

        def replace(note: Note, text: str) -> None:
            real(note, text)
            os.utime(note.path, (self.now, self.now))

        monkeypatch.setattr(Note, "replace", replace)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for event in [event for event in self.events if event[0] <= self.now]:
            self.events.remove(event)
            event[1]()

    def run(self, *argv: str, deadline: Deadline, check: bool) -> command.Result:
        assert not check
        if not 0 < deadline.remaining() < 60:
            raise DeadlinePassed("it takes too long")
        self.ran.append((self.now, " ".join(argv)))
        return command.Result(argv, 0, "", "")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


class Thing(Agent):
    """An agent that does as it is told."""

    name = "thing"
    size = parameter.Integer("Size", "How large.", least=1, most=9, default="1")
    code = codes.SUCCESS
    reason = ""

    @action("start", timeout=30)
    def start(self) -> int:
        return self.code

    @action("stop", timeout=30)
    def stop(self) -> int:
        return self.code

    @action("monitor", timeout=30, interval=10)
    def monitor(self) -> int:
        return self.degraded(self.reason) if self.reason else self.code


CLUSTER = {
    "OCF_RESKEY_crm_feature_set": "3.20.0",
    "OCF_RESKEY_CRM_meta_on_node": "atlas",
    "OCF_RESOURCE_INSTANCE": "p_thing:1",
    "OCF_RESKEY_CRM_meta_interval": "10000",
    "PCMK_logfacility": "none",
}


def act(name: str, code: int = codes.SUCCESS, reason: str = "", **variables: str) -> int:
    thing = Thing(Environment({**CLUSTER, **variables}), name)
    thing.code, thing.reason = code, reason
    return thing.run()


FORGET = "crm_resource --cleanup --resource p_thing --node atlas"


def test_a_failure_is_forgotten_some_seconds_after_the_stop(world: World) -> None:
    act("start", codes.ERR_GENERIC)
    act("stop")
    world.background.pop()()
    assert [line for _, line in world.ran] == [FORGET]
    assert failures.SECONDS_UNTIL_FORGOTTEN <= world.ran[0][0] - 1000 <= failures.SECONDS_UNTIL_FORGOTTEN + 1


def test_failures_in_a_row_add_up(world: World) -> None:
    act("stop")
    world.events = [(1002.0, lambda: act("start", codes.ERR_GENERIC)), (1010.0, lambda: act("stop"))]
    world.background.pop()()
    assert [line for _, line in world.ran] == [FORGET]
    assert world.ran[0][0] >= 1010 + failures.SECONDS_UNTIL_FORGOTTEN


def test_nothing_is_forgotten_during_a_start(world: World) -> None:
    act("stop")
    note = f"{rundir.DIRECTORY}/forget.p_thing"
    world.events = [
        (1002.0, lambda: failures.note_start("p_thing")),
        (1060.0, lambda: failures.note_end_of_start("p_thing", success=False)),
    ]
    world.background.pop()()
    assert world.ran[0][0] >= 1060 + failures.SECONDS_UNTIL_FORGOTTEN
    assert not Path(note).exists()


def test_one_process_forgets_for_all(world: World) -> None:
    act("stop")
    act("stop", OCF_RESOURCE_INSTANCE="p_other")
    first, second = world.background
    with lock.Held("failures", Deadline(1)):
        second()
    assert world.ran == []
    first()
    assert sorted(line.split()[3] for _, line in world.ran) == ["p_other", "p_thing"]


def test_nothing_is_kept_by_hand_or_where_nothing_was_stopped(world: World, tmp_path: Path) -> None:
    values = {"PCMK_logfacility": "none"}
    for name in ("start", "stop"):
        Thing(Environment(values), name).run()
    act("start")
    assert world.background == []
    assert not [name for name in os.listdir(tmp_path) if name.startswith("forget")]


def test_another_reason_is_told_by_being_well_once(world: World) -> None:
    link, ban = "replication of san is down (Connecting); check the network", "san is banned here since 12:03: only"
    reasons = (link, link.replace("Connecting", "Unconnected"), ban, ban.replace("12:03", "12:04"))
    assert [act("monitor", reason=reason) for reason in reasons] == [190, 190, 0, 190]


def test_a_stop_that_failed_is_a_matter_of_fencing(world: World) -> None:
    """To forget it would have the cluster think again about the fencing that it needs."""
    act("stop", codes.ERR_GENERIC)
    assert world.background == []


def test_a_start_that_succeeds_leaves_what_runs_alone(world: World) -> None:
    """The cluster would take it for stopped until it has looked."""
    act("stop")
    world.events = [(1005.0, lambda: act("start"))]
    world.background.pop()()
    assert world.ran == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "resynchronising (SyncTarget, 2% done, 3:02 min left), this",
            "resynchronising (SyncTarget, 97% done, 3 s left), this",
        ),
        ("it has grown to 2 bytes; type: a", "it has grown to 3 bytes; type: b"),
    ],
)
def test_how_far_it_is_makes_no_other_reason(world: World, before: str, after: str) -> None:
    act("monitor", reason=before)
    act("monitor", reason=after)
    assert world.background == []


@pytest.mark.parametrize("interval", [10, 20, 60])
def test_what_stays_is_told_again_before_the_cluster_hides_it(world: World, interval: int) -> None:
    """What counts for the cluster is when the code has changed last."""
    shown, last, longest = world.now, 0, 0.0
    for _ in range(1200 // interval):
        code = act("monitor", reason="one copy only", OCF_RESKEY_CRM_meta_interval=f"{interval}000")
        if code == 190 and last == 0:
            shown = world.now
        longest = max(longest, world.now + interval - shown)
        last = code
        world.now += interval
    template = (agents.ROOT / "cib-templates" / "san.xml").read_text()
    assert set(re.findall(r'name="failure-timeout" value="(\d+)s"', template)) == {"60", "150"}
    assert longest <= 150


def test_two_monitors_of_a_resource(world: World) -> None:
    for _ in range(2):
        assert act("monitor", reason="this") == 190
        assert act("monitor", reason="that", OCF_RESKEY_CRM_meta_interval="60000") == 190


def test_a_note_that_cannot_be_written_changes_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Note, "replace", refuse)
    assert act("monitor", reason="this") == 190
    assert act("stop") == 0
