# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD freezes its I/O under load, and the node has to give up serving: all stops end, nothing is lost, the initiator
sees a pause.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import RESOURCE, Pair
from tests.cluster import hand
from tests.cluster.test_failover import Load

_FROZEN = "drbdsetup events2 --now san | grep -q suspended:{}"
_HANDLER = "/etc/drbd.d/san.res"


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering)
    yield running
    running.judge()


@pytest.fixture
def replication_cut(recovering: Pair, active: Machine, passive: Machine) -> Iterator[None]:
    """For a test that cuts it with `cut`; afterwards both ways are open."""
    yield
    for server, peer in ((active, passive), (passive, active)):
        if server.is_on:
            server.run(f"ip route del blackhole {peer.san_address}/32")


def cut(server: Machine, peer: Machine) -> None:
    """Take the way to the peer's replication away; corosync's second link and the initiator's way stay."""
    server.succeed(f"ip route add blackhole {peer.san_address}/32")


def undecided_handler(server: Machine) -> None:
    """Let DRBD on this server have a fence handler that is sure of nothing, until the next `adjust`."""
    server.succeed(f'sed \'s#"/usr/sbin/twinsan fence-peer"#"/bin/false"#\' {_HANDLER} >/run/san.res')
    server.succeed(f"mount --bind /run/san.res {_HANDLER}")


def move_and_judge(pair: Pair, load: Load, active: Machine, passive: Machine) -> None:
    """Move the SAN by putting the active node to standby; all within the time-outs, and nobody is shot."""
    boots = {server.name: server.boots for server in pair.servers}
    since = f"@{time.time():.0f}"
    pair.standby(active)
    try:
        pair.wait_until_serving(on=passive, timeout=120)
        load.wait_for_writes()
    finally:
        pair.standby(active, False)
    assert {server.name: server.boots for server in pair.servers} == boots, "a server was shot"
    journal = active.journal(f"--since={since} -u pacemaker")
    assert "Timed Out" not in journal
    assert "timed out" not in journal


@pytest.mark.soak
def test_by_hand(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """The peer is there, so what is frozen goes on and is written on both nodes."""
    active.succeed("drbdsetup suspend-io 0")
    active.wait_until(_FROZEN.format("user"), "I/O is frozen", 10)
    move_and_judge(pair, load, active, passive)
    pair.wait_until_settled()
    assert "suspended:no" in active.succeed(f"drbdsetup events2 --now {RESOURCE}")


def test_for_fencing(pair: Pair, active: Machine, passive: Machine, load: Load, replication_cut: None) -> None:
    """Nobody knows what became of the peer: what is frozen fails, unheard, and this node begins no data generation."""
    since = active.journal_cursor()
    undecided_handler(active)
    # Nor do the monitors decide, which ask the cluster where the handler could not.
    active.succeed("setsid flock -o /run/twinsan/fence.san.lock sleep 300 >/dev/null 2>&1 </dev/null &")
    try:
        before = generation(active)
        cut(active, passive)
        active.wait_until(_FROZEN.format("fencing"), "I/O is frozen", 60)
        # While initiators could hear of it, no stop lets I/O fail.
        lun = {"target_iqn": "iqn.2003-01.org.example:san", "lun": "1", "path": "/dev/drbd0"}
        assert "stop its portal-ip" in hand.reason(active, 1, "lio-lun", "stop", **lun)
        assert "stop its portal-ip" in hand.reason(active, 1, "lio-iscsi-target", "stop", iqn=lun["target_iqn"])
        assert pair.wait_until_serving() is active
        move_and_judge(pair, load, active, passive)
        # It is back in the cluster, and knows that it may lack something.
        active.wait_until(f"drbdadm dstate {RESOURCE} | grep -q ^Consistent/", "the disk is attached again", 60)
        assert generation(active) == before
    finally:
        active.succeed(f"umount {_HANDLER}; pkill -x flock")
    active.succeed(f"ip route del blackhole {passive.san_address}/32")
    pair.wait_until_in_sync()
    told = active.kernel_log(since)
    assert f"drbd {RESOURCE}: " in told
    assert "Split-Brain" not in told


@pytest.mark.soak
def test_without_data(pair: Pair, active: Machine, passive: Machine, load: Load, replication_cut: None) -> None:
    active.succeed(f"drbdadm detach {RESOURCE}")
    load.wait_for_writes()
    cut(active, passive)
    active.wait_until(_FROZEN.format("no-data"), "I/O is frozen", 60)
    # No node asked for it: a Primary without data has failed, and the cluster moves the SAN by itself.
    pair.wait_until_serving(on=passive, timeout=180)
    load.wait_for_writes()
    active.succeed(f"ip route del blackhole {passive.san_address}/32")
    pair.wait_until_in_sync()


def test_replicas_are_equal_at_the_end(pair: Pair) -> None:
    pair.wait_until_in_sync()
    assert pair.verify_replicas() == 0


def generation(server: Machine) -> str:
    """The data generation of this server's replica, without the bit that says Primary."""
    current = server.succeed(f"drbdadm get-gi {RESOURCE}").split(":")[0]
    return f"{int(current, 16) & ~1:016X}"
