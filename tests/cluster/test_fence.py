# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence handler with a peer that lives: replication is cut, the cluster is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import PORTAL, Pair
from tests.cluster import fence_answer

_CONSTRAINT = "cibadmin --query --xpath \"//rsc_location[@id='drbd-fence-by-handler-san-ms_drbd']\""


@pytest.fixture
def cut(recovering: Pair, active: Machine, passive: Machine) -> Iterator[None]:
    """Replication between the servers goes nowhere; their second corosync link and the initiator's way stay."""
    passive.succeed(f"ip route add blackhole {active.san_address}/32")
    yield
    passive.succeed(f"ip route del blackhole {active.san_address}/32")


def test_io_goes_on_when_the_peer_lives(pair: Pair, active: Machine, passive: Machine, cut: None) -> None:
    since = active.journal_cursor()
    # The write waits until DRBD has noticed (3 s) and the handler or the monitor has decided.
    write = f"dd if=/dev/zero of={pair.disk} bs=4096 count=1 seek=30000 oflag=direct 2>&1"
    written = pair.esx.succeed(write, timeout=60)
    assert "1+0 records out" in written
    active.wait_until(_CONSTRAINT, "the constraint keeps the peer from being promoted", 30)
    fence_answer.wait_for(active, fence_answer.PEER_OUTDATED, since)
    assert pair.wait_until_serving() is active
    assert passive.is_on, "a peer that lives must not be shot"
    # A peer whose replica is stale is never promoted.
    assert passive.run("drbdadm primary san").status != 0
    assert PORTAL not in passive.succeed("ip address")


def test_the_constraint_goes_when_the_replicas_are_equal_again(pair: Pair, active: Machine) -> None:
    pair.wait_until_in_sync()
    active.wait_until(f"! {_CONSTRAINT} 2>/dev/null", "the constraint is gone", 60)
