# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan stop``: in which order, what speaks against it, and what it asks."""

from __future__ import annotations

import io
import json
import os
from types import SimpleNamespace

import pytest

from tests.unit.operate import pair_facts
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host.command import CommandFailed, Result
from twinsan.operate import remote
from twinsan.operate.facts.fact import as_json, replace
from twinsan.operate.facts.shape import Facts, NotSeen
from twinsan.operate.facts.storage_shape import Session, Target

ESX = Session("iqn.1998-01.com.vmware:esx", True, "LOGGED_IN", "10.0.5.4", {}, 128, 1, 0, 0, 0, 0, ())
AWAY = replace(ESX, logged_in=False, address=None)


def target(*sessions: Session) -> tuple[Target, ...]:
    """The target of the pair, with these initiators."""
    return (Target("iqn.2003-01.org.example:san", True, (), sessions, 0),)


class FakeNode:
    """A node that tells its facts, and keeps what is done to it in `done`, that of both in one list."""

    def __init__(self, name: str, facts: Facts, done: list[str]) -> None:
        self.name = name
        self.facts = facts
        self.done = done
        self.fails = False

    def require_name(self) -> None:
        """It has its name."""

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> Result:
        """Tell what it serves, or do what is typed."""
        if argv[:2] == ("twinsan", "status"):
            return Result(argv, 3, json.dumps({"facts": as_json(self.facts)}), "")
        self.done.append(f"{self.name}: {' '.join(argv)}")
        if self.fails:
            raise CommandFailed(Result(argv, 1, "", "Job for pacemaker.service failed."))
        return Result(argv, 0, "", "")


class FakePair:
    """Both nodes; atlas serves, and the command is typed on `here`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.nodes = {name: FakeNode(name, self.facts(name), self.done) for name in ("atlas", "zeus")}
        self.here = "atlas"
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=self.here))
        monkeypatch.setattr(remote, "Node", self.nodes.get)
        monkeypatch.setattr(remote, "pair", lambda _: (self.nodes[self.here], self.other))

    @property
    def other(self) -> FakeNode:
        """The node that it is not typed on."""
        return self.nodes["zeus" if self.here == "atlas" else "atlas"]

    @staticmethod
    def facts(name: str) -> Facts:
        """What a node sees where all is well, and no host is logged in."""
        return replace(pair_facts.make(node=name), targets=target(AWAY))

    def change(self, node: str, **values: object) -> None:
        """Let a node see something else."""
        self.nodes[node].facts = replace(self.nodes[node].facts, **values)

    def change_cluster(self, **values: object) -> None:
        """Let both see another cluster."""
        for node in self.nodes.values():
            assert node.facts.cluster is not None
            node.facts = replace(node.facts, cluster=replace(node.facts.cluster, **values))


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> FakePair:
    return FakePair(monkeypatch)


STOP = "systemctl stop pacemaker corosync"


@pytest.mark.parametrize("here", ["atlas", "zeus"])
def test_the_one_that_serves_is_the_last(pair: FakePair, here: str, capsys: pytest.CaptureFixture[str]) -> None:
    pair.here = here
    assert cli.main(["stop", "--yes"]) == 0
    assert pair.done == [f"zeus: {STOP}", f"atlas: {STOP}"]
    told = capsys.readouterr().out
    assert "This stops zeus, then atlas, which serves san. Nobody is served from then on." in told
    assert "only atlas has all data" in told


def test_the_node_that_it_is_typed_on_powers_off_last(pair: FakePair) -> None:
    assert cli.main(["stop", "--yes", "--power-off"]) == 0
    assert pair.done[2:] == ["zeus: systemctl --no-block poweroff", "atlas: systemctl --no-block poweroff"]


def test_if_both_serve_this_one_is_the_last(pair: FakePair) -> None:
    (service,) = pair.nodes["atlas"].facts.services
    second = replace(service, drbd="data1", promoted="zeus", node="zeus")
    for name in pair.nodes:
        pair.change(name, services=(service, second))
    pair.here = "zeus"
    assert cli.main(["stop", "--yes", "--even-so"]) == 0
    assert pair.done == [f"atlas: {STOP}", f"zeus: {STOP}"]


def test_a_host_that_is_logged_in_keeps_it(pair: FakePair, capsys: pytest.CaptureFixture[str]) -> None:
    """On either node, and until the operator says so."""
    pair.change("atlas", targets=target(ESX))
    pair.here = "zeus"
    assert cli.main(["stop", "--yes"]) == 1
    shown = capsys.readouterr().err
    assert "logged in on atlas: iqn.1998-01.com.vmware:esx (10.0.5.4); they would get no answer" in shown
    assert "nothing was stopped" in shown
    assert pair.done == []
    assert cli.main(["stop", "--yes", "--even-so"]) == 0
    assert "Even so: logged in on atlas" in capsys.readouterr().out
    assert len(pair.done) == 2


@pytest.mark.parametrize(
    "drbd",
    [
        [("minor:0 disk:UpToDate", "minor:0 disk:Inconsistent")],
        [
            (
                "volume:1 replication:Established peer-disk:UpToDate",
                "volume:1 replication:Established peer-disk:Outdated",
            )
        ],
        [("connection:Connected role:Secondary", "connection:Connecting role:Unknown")],
    ],
)
def test_a_replica_that_is_not_complete_keeps_it(
    pair: FakePair, drbd: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    pair.nodes["atlas"].facts = replace(pair_facts.make(drbd=drbd), targets=target(AWAY))
    assert cli.main(["stop", "--yes"]) == 1
    assert "not both replicas of san are complete and connected" in capsys.readouterr().err
    assert cli.main(["stop", "--yes", "--even-so"]) == 0


def test_what_is_not_seen_keeps_it(pair: FakePair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.change("zeus", not_seen=(NotSeen("LIO on this node", "it hangs"),))
    pair.change("atlas", replication=None)
    assert cli.main(["stop", "--yes"]) == 1
    shown = capsys.readouterr().err
    assert "who is logged in on zeus is not known (it hangs)" in shown
    assert "DRBD does not have it here" in shown


def test_some_things_keep_it_whatever_is_said(
    pair: FakePair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.change_cluster(maintenance=True)
    assert cli.main(["stop", "--yes", "--even-so"]) == 1
    assert "maintenance mode" in capsys.readouterr().err
    pair.change_cluster(maintenance=False)

    def refuse() -> None:
        raise Failure("ssh to zeus does not work: no; mend it")

    monkeypatch.setattr(pair.nodes["zeus"], "require_name", refuse)
    assert cli.main(["stop", "--yes", "--even-so"]) == 1
    assert "ssh to zeus does not work" in capsys.readouterr().err
    assert pair.done == []


@pytest.mark.parametrize(("state", "status", "stopped"), [("offline", 0, ["atlas"]), ("unclean", 1, [])])
def test_the_other_one_is_stopped_already_or_lost(
    pair: FakePair, state: str, status: int, stopped: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = pair.nodes["atlas"].facts.cluster
    assert cluster is not None
    states = [replace(node, state=state if node.name == "zeus" else "online") for node in cluster.nodes]
    pair.change_cluster(nodes=tuple(states))
    assert cli.main(["stop", "--yes", "--even-so"]) == status
    assert pair.done == [f"{name}: {STOP}" for name in stopped]
    assert ("zeus is unclean" in capsys.readouterr().err) == (status == 1)


def test_the_one_that_serves_goes_on_if_the_other_one_does_not_stop(
    pair: FakePair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.nodes["zeus"].fails = True
    assert cli.main(["stop", "--yes"]) == 1
    assert pair.done == [f"zeus: {STOP}"]
    assert "zeus did not stop" in capsys.readouterr().err


def test_without_a_cluster_here_the_other_node_is_named(pair: FakePair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.change("atlas", cluster=None)
    assert cli.main(["stop", "--yes"]) == 1
    assert (
        "the cluster of atlas does not run, or cannot be seen; type this on the other node" in capsys.readouterr().err
    )


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(("answer", "count"), [("yes\n", 2), ("no\n", 0)])
def test_it_asks(pair: FakePair, monkeypatch: pytest.MonkeyPatch, answer: str, count: int) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert cli.main(["stop"]) == (0 if count else 1)
    assert len(pair.done) == count


def test_without_a_terminal_it_needs_to_be_told(pair: FakePair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert cli.main(["stop"]) == 2
    assert pair.done == []
