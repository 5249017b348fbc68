# SPDX-License-Identifier: GPL-2.0-or-later
"""What DRBD is told about a lost peer, and what stands in the CIB afterwards."""

from __future__ import annotations

import syslog
import time
from pathlib import Path

import pytest

from tests.unit import fake_cluster
from tests.unit.fake_cluster import FakeCluster
from tests.unit.fake_drbd import FakeHost
from twinsan import cli, fence
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.drbd import setup as drbd_setup
from twinsan.drbd.events2 import Resource
from twinsan.errors import DeadlinePassed
from twinsan.fence import handler, lifting, patience, watch
from twinsan.fence.decision import Call
from twinsan.fence.view import View
from twinsan.host import child, command, lock

CALL = Call("san", "zeus")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost(tmp_path, monkeypatch)
    fake.bring_up(role="Primary", suspended="fencing")
    fake.lose_peer()
    return fake


@pytest.fixture(autouse=True)
def cluster(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    monkeypatch.setattr(patience, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    return FakeCluster(host, monkeypatch)


PEER = "exists peer-device name:san peer-node-id:{} conn-name:{} volume:0 replication:{} peer-disk:{} peer-client:{}\n"
CONNECTION = "exists connection name:san peer-node-id:{} conn-name:{} connection:{} role:Secondary\n"


def add_peer(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, name: str, *, connected: bool, disk: str, client: str = "no"
) -> None:
    """Another peer of DRBD 9 beside zeus."""
    plain, number = host.events2, len(name)
    state, replication = ("Connected", "Established") if connected else ("Connecting", "Off")
    lines = CONNECTION.format(number, name, state) + PEER.format(number, name, replication, disk, client)
    monkeypatch.setattr(host, "events2", lambda: plain().replace("exists -\n", f"{lines}exists -\n"))


def fence_peer(seconds: float = 0.1, call: Call = CALL) -> int:
    return handler.fence_peer(call, seconds)


@pytest.mark.parametrize("state", [fake_cluster.MEMBER, fake_cluster.MEMBER_OLD])
def test_a_living_peer_is_banned_and_has_to_answer_before_and_after(
    cluster: FakeCluster, state: dict[str, str]
) -> None:
    cluster.peer = state
    assert fence_peer() == 4
    assert cluster.allowed == ["atlas"]
    assert cluster.calls == ["cibadmin --query", "crmadmin --timeout", "cibadmin --create", "crmadmin --timeout"]
    assert Path(fence.constraint_note("san").path).exists()


def test_a_second_call_finds_the_constraint_and_asks_for_life_again(cluster: FakeCluster) -> None:
    fence_peer()
    cluster.calls.clear()
    assert fence_peer() == 4
    assert "cibadmin --create" not in cluster.calls
    assert cluster.calls.count("crmadmin --timeout") == 2


def test_a_member_that_does_not_answer_leaves_no_constraint(cluster: FakeCluster) -> None:
    cluster.answers = [False]
    assert fence_peer() == 1
    assert cluster.constraints == []


def test_a_member_that_stops_answering_leaves_no_constraint(cluster: FakeCluster) -> None:
    cluster.answers = [True, False]
    assert fence_peer() == 1
    assert cluster.constraints == []
    assert not Path(fence.constraint_note("san").path).exists()
    assert "cibadmin --create" in cluster.calls


@pytest.mark.parametrize("state", [fake_cluster.DOWN, fake_cluster.DOWN_OLD])
def test_a_fenced_peer_is_banned_until_its_replica_is_complete(cluster: FakeCluster, state: dict[str, str]) -> None:
    cluster.peer = state
    assert fence_peer() == 7
    assert cluster.allowed == ["atlas"]


@pytest.mark.parametrize("state", [fake_cluster.LOST, fake_cluster.LOST_OLD, fake_cluster.JOINING, {}])
def test_a_peer_of_which_nothing_is_certain_keeps_io_frozen(
    cluster: FakeCluster, state: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.peer = state
    assert fence_peer() == 1
    assert cluster.constraints == []
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "stonith_admin --confirm=zeus" in printed


def test_it_waits_for_the_fencing(cluster: FakeCluster) -> None:
    cluster.future = [fake_cluster.MEMBER, fake_cluster.LOST, fake_cluster.LOST, fake_cluster.DOWN]
    cluster.answers = [False]
    assert fence_peer(5) == 7
    assert cluster.allowed == ["atlas"]


@pytest.mark.parametrize(("role", "seconds"), [("Primary", 580), ("Secondary", 60)])
def test_it_gives_up_in_time(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, role: str, seconds: int
) -> None:
    """A Primary has the time that drbdadm leaves its handler, 600 s; a promotion waits for the answer."""
    now = [time.monotonic()]
    began = now[0]

    def sleep(pause: float) -> None:
        now[0] += pause

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(patience, "_POLL_SECONDS", 2.0)
    host.role, host.suspended = role, "fencing" if role == "Primary" else "no"
    cluster.peer = fake_cluster.LOST
    assert handler.fence_peer(CALL) == 1
    assert now[0] - began == pytest.approx(seconds, abs=0.1)


def test_without_quorum_nothing_is_decided(cluster: FakeCluster) -> None:
    cluster.quorum = False
    cluster.peer = fake_cluster.DOWN
    assert fence_peer() == 1
    assert cluster.constraints == []


def test_without_a_cluster_nothing_is_decided(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.running = False
    assert fence_peer() == 1
    assert "Transport endpoint is not connected" in capsys.readouterr().err


def test_without_tools_nothing_is_waited_for(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.missing = {"drbdsetup"}
    assert fence_peer(600) == 1
    assert "drbdsetup is missing" in capsys.readouterr().err


@pytest.mark.parametrize("answers", [[True], [False]])
def test_a_peer_that_went_on_alone_makes_this_node_outdated(
    cluster: FakeCluster, host: FakeHost, answers: list[bool]
) -> None:
    host.role, host.suspended = "Secondary", "no"
    cluster.answers = answers
    cluster.constraints = [cluster.constraint("zeus", role="Master")]
    assert fence_peer() == 6
    assert cluster.allowed == ["zeus"]


@pytest.mark.parametrize("state", [fake_cluster.MEMBER, fake_cluster.DOWN])
def test_a_primary_stays_frozen_where_the_peer_has_gone_on(cluster: FakeCluster, state: dict[str, str]) -> None:
    cluster.peer = state
    cluster.constraints = [cluster.constraint("zeus")]
    assert fence_peer() == 1
    assert cluster.allowed == ["zeus"]


@pytest.mark.parametrize("state", [fake_cluster.MEMBER, fake_cluster.DOWN])
@pytest.mark.parametrize("disk", ["Consistent", "Outdated"])
def test_data_that_may_be_old_is_not_promoted(
    cluster: FakeCluster, host: FakeHost, disk: str, state: dict[str, str]
) -> None:
    host.role, host.suspended, host.disk = "Secondary", "no", disk
    cluster.peer = state
    assert fence_peer() == 1
    assert cluster.constraints == []


def test_data_that_is_known_to_be_the_newest_is_promoted(cluster: FakeCluster, host: FakeHost) -> None:
    host.role, host.suspended, host.disk = "Secondary", "no", "Consistent"
    cluster.constraints = [cluster.constraint("atlas")]
    assert fence_peer() == 4


def test_a_peer_that_is_connected_again_needs_nothing(cluster: FakeCluster, host: FakeHost) -> None:
    host.connection = "Connected"
    assert fence_peer() == 0
    assert cluster.calls == []


def test_the_first_look_is_as_patient_as_all_others(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One drbdsetup that was too slow froze I/O for ever."""
    plain, looks = host.run, []

    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] == "drbdsetup":
            looks.append(argv)
            if len(looks) == 1:
                raise DeadlinePassed("drbdsetup events2 did not end in time")
        return plain(*argv, deadline=deadline, input=input, check=check)

    monkeypatch.setattr(host, "run", run)
    assert fence_peer(5) == 4
    assert cluster.allowed == ["atlas"]


def test_a_resource_that_goes_away_ends_the_wait(cluster: FakeCluster, host: FakeHost) -> None:
    cluster.peer = fake_cluster.LOST
    original = cluster.cib

    def last_look() -> str:
        host.up = False
        return original()

    cluster.cib = last_look  # type: ignore[method-assign]
    assert fence_peer(600) == 1


def test_a_constraint_that_bans_nobody_is_replaced(cluster: FakeCluster) -> None:
    cluster.constraints = ['<rsc_location id="drbd-fence-by-handler-san-ms_drbd" rsc="ms_drbd"/>']
    assert fence_peer() == 4
    assert cluster.allowed == ["atlas"]


def test_a_peer_that_creates_its_constraint_first_wins(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.role, host.suspended = "Secondary", "no"
    original = cib.answers

    def answers(node: str, deadline: Deadline) -> bool:
        if not cluster.constraints:
            cluster.constraints.append(cluster.constraint("zeus"))
        return original(node, deadline)

    monkeypatch.setattr(cib, "answers", answers)
    assert fence_peer() == 6
    assert cluster.allowed == ["zeus"]


def test_a_resource_without_a_clone_cannot_be_kept_from_promotion(cluster: FakeCluster) -> None:
    cluster.resources = ""
    assert fence_peer() == 1
    cluster.peer = fake_cluster.DOWN
    assert fence_peer() == 7
    assert cluster.constraints == []


@pytest.mark.parametrize(
    ("schema", "role"), [("pacemaker-3.6", "Master"), ("pacemaker-3.10", "Promoted"), ("pacemaker-4.0", "Promoted")]
)
def test_the_role_has_the_name_that_the_schema_knows(cluster: FakeCluster, schema: str, role: str) -> None:
    cluster.schema = schema
    fence_peer()
    assert f'role="{role}"' in cluster.constraints[0]


def test_the_clone_is_found_in_a_group_through_a_template_and_by_its_old_name(cluster: FakeCluster) -> None:
    pair = '<instance_attributes id="a"><nvpair id="b" name="drbd_resource" value="san"/></instance_attributes>'
    for resources in (
        f'<master id="ms"><primitive id="p">{pair}</primitive></master>',
        f'<clone id="ms"><group id="g"><primitive id="q"/><primitive id="p">{pair}</primitive></group></clone>',
        f'<template id="t">{pair}</template><clone id="ms"><primitive id="p" template="t"/></clone>',
    ):
        cluster.resources = resources
        assert View(cluster.cib()).clone_of("san") == "ms"
        assert View(cluster.cib()).clone_of("nas") == ""


def test_names_of_nodes_may_carry_a_domain(cluster: FakeCluster) -> None:
    view = View(cluster.cib())
    assert view.node_name("zeus.example.org") == "zeus"
    assert view.node_name("ZEUS") == "zeus"
    assert view.node_name("hera") == ""


@pytest.mark.parametrize(
    ("variables", "peer"),
    [
        ({"DRBD_PEER": "zeus", "DRBD_PEERS": "zeus"}, "zeus"),
        ({"DRBD_PEER_NODE_ID": "1", "DRBD_NODE_ID_0": "atlas", "DRBD_NODE_ID_1": "zeus"}, "zeus"),
        ({"DRBD_PEERS": "atlas zeus"}, "zeus"),
        ({}, ""),
    ],
)
def test_the_peer_is_read_from_what_drbd_says(variables: dict[str, str], peer: str) -> None:
    assert Call.of("san", variables).peer == peer


def test_a_peer_that_drbd_does_not_name_is_the_other_node(cluster: FakeCluster) -> None:
    assert fence_peer(call=Call("san", "")) == 4
    assert cluster.allowed == ["atlas"]


# unfence-peer


def reconnect(host: FakeHost) -> None:
    host.bring_up(role="Primary", suspended="no", connection="Connected", peer_role="Secondary")
    host.peer_disk, host.replication = "UpToDate", "Established"


def test_unfence_removes_what_fence_has_created(cluster: FakeCluster, host: FakeHost) -> None:
    fence_peer()
    reconnect(host)
    assert lifting.unfence_peer("san") == 0
    assert cluster.constraints == []
    assert not Path(fence.constraint_note("san").path).exists()


def test_unfence_without_a_constraint_changes_nothing(cluster: FakeCluster, host: FakeHost) -> None:
    reconnect(host)
    assert lifting.unfence_peer("san") == 0
    assert cluster.calls == ["cibadmin --query"]


def test_unfence_leaves_the_constraints_of_others(cluster: FakeCluster, host: FakeHost) -> None:
    reconnect(host)
    other = '<rsc_location id="drbd-fence-by-handler-nas-ms_drbd" rsc="ms_nas"/>'
    cluster.constraints = [other, cluster.constraint("atlas")]
    assert lifting.unfence_peer("san") == 0
    assert cluster.constraints == [other]


def test_unfence_waits_for_the_peers_replica(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    host.peer_disk, host.replication = "Inconsistent", "SyncSource"
    assert lifting.unfence_peer("san", seconds=0.1) == 1
    assert cluster.allowed == ["atlas"]
    assert "resynchronising" in capsys.readouterr().err
    assert lifting.unfence_peer("san", force=True) == 0
    assert cluster.constraints == []


def test_unfence_waits_for_a_cib_that_does_not_answer(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    cluster.running = False
    assert lifting.unfence_peer("san", seconds=0.1) == 1
    assert cluster.allowed == ["atlas"]

    def election_ends(_seconds: float) -> None:
        cluster.running = True

    monkeypatch.setattr(time, "sleep", election_ends)
    assert lifting.unfence_peer("san", seconds=lifting.SECONDS_FOR_DRBD) == 0
    assert cluster.constraints == []


def test_called_by_drbd_it_tries_for_minutes(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def unfence_peer(_name: str, *, force: bool, seconds: float = 10) -> int:
        assert not force
        asked.append(seconds)
        return 0

    monkeypatch.setenv("DRBD_RESOURCE", "san")
    monkeypatch.setattr(child, "continue_in_background", lambda: True)
    monkeypatch.setattr(lifting, "unfence_peer", unfence_peer)
    monkeypatch.setattr(lifting, "publish_score", lambda _name: None)
    assert cli.main(["unfence-peer"]) == 0
    assert cli.main(["unfence-peer", "san"]) == 0
    assert asked == [600, 10]


def test_a_replica_can_be_promoted_from_the_moment_its_resync_ends(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only from its next monitor on: DRBD calls the handler where the resync has ended."""
    monkeypatch.setenv("DRBD_RESOURCE", "san")
    monkeypatch.setattr(child, "continue_in_background", lambda: True)
    reconnect(host)
    host.role = "Secondary"
    assert cli.main(["unfence-peer"]) == 0
    assert host.attributes == {"master-p_drbd": "10000"}


@pytest.mark.parametrize(("role", "disk"), [("Primary", "UpToDate"), ("Secondary", "Inconsistent")])
def test_the_handler_tells_no_other_score(cluster: FakeCluster, host: FakeHost, role: str, disk: str) -> None:
    reconnect(host)
    host.role, host.disk = role, disk
    lifting.publish_score("san")
    assert host.attributes == {}


def test_a_score_that_cannot_be_told_is_left_to_the_monitor(cluster: FakeCluster, host: FakeHost) -> None:
    reconnect(host)
    host.role, cluster.running = "Secondary", False
    lifting.publish_score("san")
    assert host.attributes == {}


def test_a_secondary_does_not_lift_what_its_peer_relies_on(cluster: FakeCluster, host: FakeHost) -> None:
    """It may see for seconds a connection that the Primary knows to be lost."""
    cluster.constraints = [cluster.constraint("zeus")]
    reconnect(host)
    host.role, host.peer_role = "Secondary", "Primary"
    assert lifting.unfence_peer("san", seconds=0.1) == 1
    lifting.review("san")
    assert cluster.allowed == ["zeus"]
    host.role, host.peer_role = "Primary", "Secondary"
    assert lifting.unfence_peer("san", seconds=0.1) == 0


# More than two nodes


def test_a_healthy_third_replica_may_be_promoted(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_peer(host, monkeypatch, "hera", connected=True, disk="UpToDate")
    cluster.others = ["hera"]
    assert fence_peer() == 4
    assert cluster.allowed_nodes == {"atlas", "hera"}
    assert fence_peer() == 4


@pytest.mark.parametrize(("allowed", "status"), [(("hera", "zeus"), 6), (("atlas", "hera"), 4)], ids=str)
def test_one_constraint_may_allow_several(
    cluster: FakeCluster,
    host: FakeHost,
    capsys: pytest.CaptureFixture[str],
    allowed: tuple[str, str],
    status: int,
) -> None:
    """It does not ban one of them, and names them all to who is banned."""
    host.role, host.suspended = "Secondary", "no"
    cluster.others = ["hera"]
    first, second = (cluster.constraint(node) for node in allowed)
    expression = second[second.index("<expression") : second.index("</rule>")].replace("-expr-1-", "-expr-2-")
    cluster.constraints = [first.replace("</rule>", f"{expression}</rule>")]
    assert cluster.allowed_nodes == set(allowed)
    assert fence_peer() == status
    assert cluster.allowed_nodes == set(allowed)
    named = "hera or zeus has gone on without this node" in capsys.readouterr().err
    assert named == (status == 6)


def test_a_third_replica_that_is_lost_later_is_banned_as_well(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.others = ["hera"]
    with monkeypatch.context() as patch:
        add_peer(host, patch, "hera", connected=True, disk="UpToDate")
        assert fence_peer() == 4
    add_peer(host, monkeypatch, "hera", connected=False, disk="DUnknown")
    cluster.calls.clear()
    assert fence_peer(call=Call("san", "hera")) == 4
    assert cluster.allowed_nodes == {"atlas"}
    # Never a moment without a constraint.
    assert [call for call in cluster.calls if "--delete" in call or "--create" in call] == ["cibadmin --delete"]


def test_a_lost_tie_breaker_freezes_and_bans_nobody(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_peer(host, monkeypatch, "hera", connected=False, disk="DUnknown", client="yes")
    cluster.others = ["hera"]
    assert fence_peer(call=Call("san", "hera")) == 4
    assert cluster.constraints == []


@pytest.mark.parametrize(
    ("disk", "client", "others"),
    [("Diskless", "yes", ["hera"]), ("DUnknown", "yes", ["hera"]), ("Inconsistent", "no", [])],
    ids=["tie-breaker", "lost tie-breaker", "off-site replica"],
)
def test_who_has_no_data_or_is_elsewhere_keeps_no_constraint(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, disk: str, client: str, others: list[str]
) -> None:
    add_peer(host, monkeypatch, "hera", connected=disk != "DUnknown", disk=disk, client=client)
    cluster.others = others
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    assert lifting.unfence_peer("san", seconds=0.1) == 0
    assert cluster.constraints == []


def test_who_is_complete_again_may_be_promoted_although_another_is_not(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_peer(host, monkeypatch, "hera", connected=False, disk="DUnknown")
    cluster.others = ["hera"]
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    assert lifting.unfence_peer("san", seconds=0.1) == 0
    assert cluster.allowed_nodes == {"atlas", "zeus"}


# What the monitors do


def look(host: FakeHost) -> Resource:
    resource = drbd_setup.query("san", Deadline(1))
    assert resource is not None
    return resource


def test_the_end_of_its_time_is_no_reason(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last look is cut short: what was missing before stays the verdict."""
    cluster.peer = fake_cluster.LOST
    plain = host.run

    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] == "drbdsetup" and deadline.remaining() < 0.05:
            time.sleep(deadline.remaining())
            raise DeadlinePassed("drbdsetup did not end in time")
        return plain(*argv, deadline=deadline, input=input, check=check)

    monkeypatch.setattr(host, "run", run)
    assert fence_peer(0.2) == 1
    assert "zeus is lost and not yet fenced" in capsys.readouterr().err
    assert "zeus is lost and not yet fenced" in watch.freeze_ailment(look(host))


def test_before_the_handler_has_looked_the_peer_is_named_already(cluster: FakeCluster, host: FakeHost) -> None:
    """Nobody has asked the cluster yet, so it is not said that the peer has to be fenced."""
    cluster.peer = fake_cluster.LOST
    fence_peer(0.01)
    Path(fence.undecided_note("san").path).unlink()
    told = watch.freeze_ailment(look(host))
    assert told == (
        "I/O of san is frozen: zeus is lost, and not yet fenced or found alive; "
        "once it is off for sure: stonith_admin --confirm=zeus"
    )
    assert len(told) <= 128


@pytest.mark.parametrize("version", [8, 9])
def test_a_late_fencing_lets_io_go_on(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(handler, "_SECONDS_FOR_MONITOR", 0.1)
    host.version = version
    cluster.peer = fake_cluster.LOST
    assert fence_peer() == 1
    watch.start_background_work(look(host))
    host.background.pop()()
    assert host.suspended == "fencing"
    said = watch.freeze_ailment(look(host))
    assert said == (
        "I/O of san is frozen: zeus is lost and not yet fenced; once it is off for sure: stonith_admin --confirm=zeus"
    )
    assert len(said) <= 128
    cluster.peer = fake_cluster.DOWN
    watch.start_background_work(look(host))
    host.background.pop()()
    assert host.suspended == "no"
    assert host.released == ["UpToDate suspend-io"]
    assert cluster.allowed == ["atlas"]
    assert watch.freeze_ailment(look(host)) == ""


@pytest.mark.parametrize("state", [{"suspended": "user,fencing"}, {"disk": "Diskless"}, {"role": "Secondary"}], ids=str)
def test_what_is_frozen_for_more_than_fencing_stays_frozen(
    cluster: FakeCluster, host: FakeHost, state: dict[str, str]
) -> None:
    cluster.peer = fake_cluster.DOWN
    cluster.constraints = [cluster.constraint("atlas")]
    for name, value in state.items():
        setattr(host, name, value)
    handler.decide_again("san")
    assert host.released == []


def test_a_decision_is_not_repeated_beside_a_handler_or_an_action(cluster: FakeCluster, host: FakeHost) -> None:
    cluster.peer = fake_cluster.DOWN
    for name in ("fence.san", "drbd.san"):
        with lock.Held(name, Deadline(1)):
            handler.decide_again("san")
        assert host.released == []
    handler.decide_again("san")
    assert host.released == ["UpToDate suspend-io"]


def test_a_constraint_that_was_left_behind_is_lifted_by_a_monitor(cluster: FakeCluster, host: FakeHost) -> None:
    """Its maker has booted since: nothing in /run tells of it."""
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    watch.start_background_work(look(host))
    host.background.pop()()
    assert cluster.constraints == []
    assert watch.leftover_ailment(look(host)) == ""
    watch.start_background_work(look(host))
    assert host.background == [], "the CIB is asked every few minutes"
    host.role = "Secondary"
    watch.start_background_work(look(host))
    host.role = "Primary"
    watch.start_background_work(look(host))
    watch.start_background_work(look(host))
    assert len(host.background) == 2, "and after each change of the role"


@pytest.mark.parametrize("tie_breaker", [False, True])
def test_after_a_link_that_was_down_for_a_moment_the_next_monitor_lifts_the_constraint(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch, tie_breaker: bool
) -> None:
    """Whether or not a monitor has met the lost link: both replicas are complete, and one is banned. A third node may
    have no disk.
    """
    if tie_breaker:
        host.version = 9
        add_peer(host, monkeypatch, "hera", connected=True, disk="Diskless", client="yes")
    reconnect(host)
    watch.start_background_work(look(host))
    host.background.pop()()
    for met in (False, True):
        cluster.constraints = [cluster.constraint("atlas")]
        fence.constraint_note("san").create("")
        if met:
            host.lose_peer()
            watch.start_background_work(look(host))
            host.background.clear()
            reconnect(host)
        watch.start_background_work(look(host))
        host.background.pop()()
        assert cluster.constraints == [], met


def test_a_ban_that_comes_after_the_first_look_is_seen_by_the_next_but_one(
    cluster: FakeCluster, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer makes its constraint some seconds after the link is lost, and DRBD's state stays as it is."""
    host.role, host.suspended = "Secondary", "no"
    watch.start_background_work(look(host))
    host.background.pop()()
    cluster.constraints = [cluster.constraint("zeus")]
    watch.start_background_work(look(host))
    assert host.background == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 21)
    watch.start_background_work(look(host))
    host.background.pop()()
    assert "only zeus has all data" in watch.ban_ailment(look(host))


def test_a_look_keeps_no_promotion_waiting(cluster: FakeCluster, host: FakeHost) -> None:
    """The look needs no lock, and gives way to who has it where there is something to lift."""
    cluster.constraints = [cluster.constraint("atlas")]
    reconnect(host)
    with lock.Held("fence.san", Deadline(1)):
        lifting.review("san")
    assert cluster.allowed == ["atlas"]
    assert Path(fence.constraint_note("san").path).exists()
    lifting.review("san")
    assert cluster.constraints == []


def test_a_banned_node_says_who_has_the_data(cluster: FakeCluster, host: FakeHost) -> None:
    """DRBD 9 calls such a replica UpToDate: nothing but the constraint keeps it from being promoted."""
    host.role, host.suspended = "Secondary", "no"
    cluster.constraints = [cluster.constraint("zeus")]
    watch.start_background_work(look(host))
    host.background.pop()()
    said = watch.ban_ailment(look(host))
    assert "only zeus has all data; bring zeus back; gone for good: twinsan unfence-peer --force san" in said
    assert len(said) <= 128
    assert lifting.unfence_peer("san", force=True) == 0
    assert watch.ban_ailment(look(host)) == ""
