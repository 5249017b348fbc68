# SPDX-License-Identifier: GPL-2.0-or-later
"""A drill on a running pair: what it says of the pause is what the initiator notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import load as lab_load
from lab import report
from lab.host import now
from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import peer_shell
from tests.cluster.test_failover import LOG, Load

pytestmark = [pytest.mark.procedure, pytest.mark.usefixtures("nothing_remembered")]


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering, rate=20)
    yield running
    running.judge()


@pytest.fixture(params=["without ssh", "with ssh"])
def ssh(pair: Pair, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the servers reach each other by ssh."""
    if request.param == "without ssh":
        yield False
        return
    for server in pair.servers:
        peer_shell.install(server)
    yield True
    for server in pair.servers:
        peer_shell.remove(server)


def noticed(pair: Pair, begin: float) -> float:
    """The longest time since then in which the initiator got no write acknowledged, in seconds."""
    writes = list(lab_load.parse(pair.esx.succeed(f"cat {LOG}").splitlines(keepends=True)))
    figures = report.figures(writes, report.Phase("", "", begin, now()))
    return figures.stall_ms / 1000


def drill(server: Machine, *words: str) -> dict[str, Any]:
    """Type a drill on a server; returns what it says."""
    command = f"twinsan drill --json --timeout 20 {' '.join(words)}"
    found: dict[str, Any] = json.loads(server.succeed(command, timeout=300))
    return found


def test_a_pair_that_is_well_is_ready(pair: Pair, active: Machine, passive: Machine) -> None:
    for server in (active, passive):
        found = drill(server)
        assert found["safe"], found
        assert (found["from"], found["to"]) == (active.name, passive.name)


@pytest.mark.parametrize("typed_on", ["active", "passive"])
def test_a_switchover(pair: Pair, active: Machine, passive: Machine, load: Load, typed_on: str, *, ssh: bool) -> None:
    """The stall that it reports is within a tenth of what the initiator has measured."""
    begin = time.time()
    found = drill(active if typed_on == "active" else passive, "--go")
    assert pair.serving() is passive
    load.wait_for_writes()
    measured = noticed(pair, begin)
    print(f"a drill typed on the {typed_on} server: {found['stall_seconds']:.2f} s, the initiator {measured:.2f} s")
    assert found["stall_seconds"] == pytest.approx(measured, rel=0.1)
    done = {"active": {"stop", "demote"}, "passive": {"promote", "LUNs", "address"}}
    # Without ssh each server tells only what it has done itself, and says so.
    seen = set.union(*done.values()) if ssh else done[typed_on]
    phases = {phase["name"] for phase in found["phases"]}
    # An initiator may be back before the cluster logs that the address has started.
    optional = {"initiators"} if "address" in seen else set()
    assert phases | optional == seen | {"initiators"}, found
    other = passive if typed_on == "active" else active
    assert [line.startswith(f"what {other} did: ") for line in found["not_seen"]] == ([] if ssh else [True])
    assert "cli-prefer" not in active.succeed("cibadmin --query")


def test_a_power_cut(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    begin = time.time()
    found = drill(passive, "--power-cut", "--fence", active.name)
    load.wait_for_writes()
    measured = noticed(pair, begin)
    print(f"a drill with a fencing: {found['stall_seconds']:.2f} s, the initiator {measured:.2f} s")
    assert found["stall_seconds"] == pytest.approx(measured, rel=0.1)
    assert {phase["name"] for phase in found["phases"]} >= {"fencing", "promote", "LUNs", "address"}, found


def test_a_pair_that_is_not_whole_is_left_alone(recovering: Pair, active: Machine, passive: Machine) -> None:
    active.succeed("drbdadm disconnect san")
    result = active.run("twinsan drill --go --timeout 20")
    assert result.status == 1
    assert "not safe" in result.stderr
    assert recovering.serving() is active
    active.succeed("drbdadm adjust san")
