# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator is told of an event, and what not."""

from __future__ import annotations

import os
import syslog
import time
from pathlib import Path

import pytest

from tests.unit.alert import cluster_status
from tests.unit.alert.cluster_status import MOMENT, action, result, variables
from twinsan.alert import agent, kinds, program, report, status
from twinsan.alert.event import Event
from twinsan.alert.memory import Memory
from twinsan.alert.report import Report
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.drbd import health, split_brain
from twinsan.errors import Failure
from twinsan.host import child, command

SPLIT = "split brain of san; the victim types 'drbdadm secondary san; drbdadm connect --discard-my-data san'"
DISK = health.DISK_GONE_ON_PRIMARY.text(volume="san/0", disk="Diskless", resource="san", number=0)[:120]


class World:
    """What a handled event did: the reports, the lines in syslog, the calls of the command."""

    def __init__(self, folder: Path) -> None:
        self.memory = Memory(str(folder / "twinsan"))
        self.sent: list[Report] = []
        self.logged: list[tuple[int, str]] = []
        self.calls: list[tuple[tuple[str, ...], dict[str, str]]] = []
        self.waiting: list[object] = []
        self.cib = cluster_status.cib()
        self.failing = False

    def handle(self, facts: dict[str, str], words: str = "") -> list[str]:
        """The lines that an event brings."""
        before = len(self.logged)
        program.handle({**facts, "command": words}, self.memory)
        return [line for _, line in self.logged[before:]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)

    def run(*argv: str, environment: dict[str, str], **_: object) -> None:
        found.calls.append((argv, environment))
        if found.failing:
            raise Failure("no")

    monkeypatch.setattr(status, "read", lambda _: status.Status(found.cib))
    monkeypatch.setattr(status, "_SECONDS_UNTIL_WRITTEN", 0.0)
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: found.logged.append((priority, line)))
    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(child, "run_detached", found.waiting.append)
    return found


def degraded(reason: str, *, interval: int = 10000, at: float = MOMENT) -> tuple[dict[str, str], str]:
    """The event of a degraded monitor of the Primary, and the status that has its reason."""
    facts = action("monitor", 191, expected=8, interval=interval, at=at)
    entry = result("p_drbd", "monitor", 191, reason=reason, at=at, interval=interval)
    return facts, cluster_status.cib({"zeus": [entry]})


@pytest.mark.parametrize(
    ("reason", "kind", "priority"),
    [
        (SPLIT, "split-brain", syslog.LOG_CRIT),
        (DISK, "disk-lost", syslog.LOG_WARNING),
        ("atlas's disk of san/0 is Diskless, so there is one copy only; replace it", "disk-lost", syslog.LOG_WARNING),
        ("replication of san to atlas is cut (StandAlone); on each node", "standby-not-ready", syslog.LOG_WARNING),
        ("atlas could not take 10.0.5.50 over: no carrier", "standby-not-ready", syslog.LOG_WARNING),
        ("atlas would not serve it: block_size is 4096", "standby-not-ready", syslog.LOG_WARNING),
        ("something else; type: x", "degraded", syslog.LOG_WARNING),
    ],
)
def test_a_degraded_monitor_is_told_in_the_words_of_crm_mon(
    world: World, reason: str, kind: str, priority: int
) -> None:
    facts, world.cib = degraded(reason)
    (line,) = world.handle(facts)
    assert line == f"{kind}: p_drbd on zeus: {reason}"
    assert world.logged[0][0] == priority


def test_the_kinds_know_the_reasons_that_the_monitors_give() -> None:
    assert kinds.of(split_brain.SPLIT_BRAIN_8_4.text(resource="san", when="now", parts="x")) == "split-brain"
    assert kinds.of(health.DISK_GONE.text(volume="san/0", disk="Failed", resource="san", number=0)) == "disk-lost"
    resync = health.RESYNC.text(volume="san/0", progress="SyncSource, 5% done", node="atlas", resource="san")
    assert kinds.of(resync) == "standby-not-ready"


def test_what_is_repeated_is_told_once_until_a_day_has_passed(world: World) -> None:
    for reason in ("resync, 5% done; watch", "resync, 17% done; watch"):
        facts, world.cib = degraded(reason)
        world.handle(facts)
    assert len(world.logged) == 1
    facts, world.cib = degraded("another thing")
    assert len(world.handle(facts)) == 1
    note = Path(world.memory.path("problem", "p_drbd"))
    told, _, rest = note.read_text().partition(" ")
    note.write_text(f"{int(told) - 86401} {rest}")
    assert len(world.handle(facts)) == 1


def test_a_reason_that_was_cut_says_where_all_of_it_is(world: World) -> None:
    facts, world.cib = degraded("x" * 128)
    assert world.handle(facts)[0].endswith("x... (all of it: journalctl -t 'drbd-vaai(p_drbd)')")


def test_a_recovery_is_told_when_it_lasts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    facts, world.cib = degraded("a thing")
    world.handle(facts)
    well = action("monitor", 8, expected=8, interval=10000)
    # The monitor answers "well" once, and is degraded again: nothing is told.
    assert world.handle(well) == []
    os.utime(world.memory.path("problem", "p_drbd"), (1, 1))
    world.waiting.pop()()  # type: ignore[operator]
    assert len(world.logged) == 1
    # It stays well.
    assert world.handle(well) == []
    world.waiting.pop()()  # type: ignore[operator]
    assert world.logged[-1] == (syslog.LOG_NOTICE, "well: p_drbd on zeus is well again")
    assert world.handle(well) == []
    assert world.waiting == []


def test_a_recovery_of_another_role_is_no_news(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    facts, world.cib = degraded("a thing")
    world.handle(facts)
    world.handle(action("monitor", 0, interval=20000))
    world.waiting.pop()()  # type: ignore[operator]
    assert len(world.logged) == 1
    assert world.memory.read("problem", "p_drbd") is None


QUIET = [
    action("monitor", 0, interval=10000),
    action("monitor", 8, expected=8, interval=10000),
    action("monitor", 7, expected=7, interval=7000, resource="p_portal"),
    action("monitor", 0, expected=7),
    action("monitor", 191, expected=7),
    action("start", resource="p_lun1"),
    action("stop", resource="p_portal"),
    action("promote"),
    action("demote"),
    action("monitor", 1, interval=10000, status=1),
    variables("attribute", "zeus", attribute_name="master-p_drbd", attribute_value="10000"),
    variables("node", "zeus", desc="member", nodeid=2),
    {},
    {"CRM_alert_kind": "resource", "CRM_alert_rc": "--", "CRM_alert_status": "\u0663", "CRM_alert_interval": "x"},
]


@pytest.mark.parametrize("facts", QUIET)
def test_what_nobody_wants_to_know_is_not_told(world: World, facts: dict[str, str]) -> None:
    assert world.handle(facts, "/bin/page") == []
    assert world.calls == []


def test_a_failure_is_told_with_its_reason(world: World) -> None:
    world.cib = cluster_status.cib({"zeus": [result("p_lun1", "start", 1, reason="device is missing; plug it in")]})
    (line,) = world.handle(action("start", 1, resource="p_lun1"))
    assert line == "failed: p_lun1 on zeus: start failed (device is missing; plug it in); see: crm_mon -1rf"
    assert world.logged[0][0] == syslog.LOG_CRIT
    assert world.handle(action("start", 1, resource="p_lun1")) == []


def test_a_fence_device_that_fails_makes_the_standby_unready(world: World) -> None:
    (line,) = world.handle(action("monitor", 1, resource="fence_zeus", interval=60000))
    assert line.startswith("standby-not-ready: the fence device fence_zeus does not work on zeus (Not in the reason)")


def test_an_old_result_is_not_taken_for_the_new_one(world: World) -> None:
    facts, new = degraded("new")
    old = cluster_status.cib({"zeus": [result("p_drbd", "monitor", 191, reason="old", at=MOMENT - 600)]})
    assert [status.Status(each).reason(Event(facts)) for each in (old, new)] == [None, "new"]
    # Better than nothing, where the new one does not come in time.
    world.cib = old
    assert world.handle(facts) == ["degraded: p_drbd on zeus: old"]


def test_fencing(world: World) -> None:
    said = "Operation reboot of atlas by zeus for pacemaker-controld.1042@zeus: OK (ref=8f2)"
    (line,) = world.handle(variables("fencing", "atlas", task="st_notify_fence", rc=0, desc=said))
    assert line == (
        "fencing: atlas was fenced: Operation reboot of atlas by zeus for pacemaker-controld.1042@zeus: OK; "
        "see why: journalctl -t pacemaker-fenced"
    )


def test_fencing_that_fails_is_told_once(world: World) -> None:
    for number in range(3):
        said = f"Operation reboot of atlas by <no-one> for x.{number}@zeus: No route to host (ref={number})"
        world.handle(variables("fencing", "atlas", task="st_notify_fence", rc=-113, desc=said))
    ((priority, line),) = world.logged
    assert priority == syslog.LOG_CRIT
    assert "stonith_admin --confirm=atlas" in line
    world.handle(variables("fencing", "atlas", task="st_notify_fence", rc=0, desc="OK"))
    assert len(world.handle(variables("fencing", "atlas", task="st_notify_fence", rc=-113, desc="again"))) == 1


def test_a_node_that_is_lost_and_comes_back(world: World) -> None:
    assert world.handle(variables("node", "atlas", desc="lost", nodeid=1))[0].startswith("node-lost: the cluster has")
    assert world.handle(variables("node", "atlas", desc="member", nodeid=1))[0].startswith("node-back: atlas is back")
    assert world.handle(variables("node", "atlas", desc="member", nodeid=1)) == []


def test_a_node_that_is_shut_down_is_not_lost(world: World) -> None:
    world.cib = cluster_status.cib(expected={"atlas": "down"})
    assert world.handle(variables("node", "atlas", desc="lost"))[0].startswith("node-left: atlas was shut down")


def test_the_command_gets_the_line_and_the_facts(world: World) -> None:
    facts, world.cib = degraded("a\nthing")
    world.handle(facts, "/bin/page --to 'the ops'")
    ((argv, environment),) = world.calls
    assert argv == ("/bin/page", "--to", "the ops", "p_drbd on zeus: a thing")
    assert (
        environment.items()
        >= {
            "TWINSAN_KIND": "degraded",
            "TWINSAN_SEVERITY": "warning",
            "TWINSAN_LINE": "p_drbd on zeus: a thing",
            "TWINSAN_NODE": "zeus",
            "TWINSAN_RESOURCE": "p_drbd",
            "CRM_alert_rc": "191",
        }.items()
    )


@pytest.mark.parametrize("words", ["/bin/page", "'unbalanced"])
def test_a_command_that_fails_is_noted_and_nothing_else(world: World, words: str) -> None:
    facts, world.cib = degraded("a thing")
    world.failing = True
    lines = world.handle(facts, words)
    assert lines[0] == "degraded: p_drbd on zeus: a thing"
    assert lines[1].startswith("the alert's command did not take the line: ")
    assert len(lines) == 2


def test_a_memory_that_cannot_be_written_loses_no_report(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    world.memory.folder = str(tmp_path / "file" / "twinsan")
    facts, world.cib = degraded("a thing")
    assert len(world.handle(facts)) == len(world.handle(facts)) == 1


def test_a_defect_is_logged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "reports", lambda *_: 1 // 0)
    assert world.handle(action("start")) == ["an event of the cluster was not reported: ZeroDivisionError: "
                                             "integer division or modulo by zero"]  # fmt: skip


def test_the_test(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.test("/bin/page") == 0
    assert world.logged[0][1].startswith("test: this is a test of the alert on ")
    assert "/bin/page has taken it" in capsys.readouterr().out
    world.failing = True
    assert program.test("/bin/page") == 1


def test_a_report_is_one_line() -> None:
    assert Report("x", report.NOTICE, "a\n b\t\tc").line == "a b c"


def test_a_report_has_no_character_that_syslog_or_a_terminal_trips_over(world: World) -> None:
    """The words of a fence agent, cut within a character, as Python has them of the environment."""
    facts = variables("fencing", "atlas", desc="no answer from Z\udcc3\x1b[2J", task="off", rc=1)
    (line,) = world.handle(facts)
    assert "no answer from Z??[2J" in line
    assert line.encode()


@pytest.mark.parametrize("words", [" ", "\t\n"])
def test_a_command_of_blanks_is_none(world: World, words: str) -> None:
    """The line would be what is run."""
    facts, world.cib = degraded("a thing")
    assert world.handle(facts, words) == ["degraded: p_drbd on zeus: a thing"]
    assert world.calls == []


@pytest.mark.runs_programs
def test_the_words_of_a_command_that_fails_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, line: logged.append(line))
    words = "/bin/sh -c 'echo no such host >&2; exit 7' --token 53cr3t"
    assert not report.send(Report("x", report.NOTICE, "a line"), words, {}, Deadline(10))
    assert logged[1].endswith("did not take the line: /bin/sh: no such host (exit status 7)")


def test_a_cluster_that_does_not_answer_leaves_the_command_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def query(deadline: Deadline) -> str:
        given.append(deadline.remaining())
        raise Failure("no answer")

    monkeypatch.setattr(cib, "query", query)
    status.read(Deadline(25))
    assert given[0] <= 5


def test_two_events_make_the_folder_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, known, answers = Memory(str(tmp_path)), os.path.isdir, [False]
    monkeypatch.setattr(os.path, "isdir", lambda path: answers.pop() if answers else known(path))
    memory.write("word", "name", "text")
    assert memory.read("word", "name") == "text"


@pytest.mark.parametrize(("user", "told"), [(0, True), (189, False)])
def test_a_test_by_root_names_the_user_of_the_cluster(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: int, told: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert program.test("/bin/page --to 'the ops'") == 0
    typed = "runuser -u hacluster -- twinsan alert --test --command "
    assert (typed in capsys.readouterr().out) == told
