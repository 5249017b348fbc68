# SPDX-License-Identifier: GPL-2.0-or-later
"""A third vote decides: whoever has it fences at once, and whoever has not waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import third_vote
from lab.host import now
from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import fence_answer, links
from tests.cluster.test_failover import Load

# Longer than corosync needs to give a node up, by examples/corosync-qnetd.conf.
_SECONDS = 10

# What a server says of a fencing that waits.
_DELAYED = "Delaying 'reboot' action targeting"
# A command for a server that succeeds if it may not fence; the words differ between versions of Pacemaker.
_CANNOT_FENCE = "journalctl --since=@{since} --identifier=pacemaker-schedulerd | grep -qi 'cannot .*fence'"


@pytest.fixture(scope="module", autouse=True)
def third_machine(whole_pair: Pair) -> Iterator[None]:
    """A third machine votes; afterwards the pair is as before."""
    whole_pair.recover()
    third_vote.give(whole_pair)
    yield
    whole_pair.recover()
    third_vote.take_back(whole_pair)


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    """Writes all the time; at the end none may have failed or be lost."""
    running = Load(recovering)
    yield running
    running.judge()


@pytest.fixture
def cut(recovering: Pair, passive: Machine) -> Iterator[links.Cut]:
    """What the passive server sends to nobody; it sends it again afterwards."""
    with links.cutting(passive) as made:
        yield made


@pytest.fixture
def gone(recovering: Pair) -> Iterator[None]:
    """The third machine is gone; it is back afterwards."""
    third_vote.stop(recovering)
    third_vote.wait_for_votes(recovering, 2)
    yield
    third_vote.start(recovering)


def _fenced(pair: Pair, since: float) -> set[str]:
    return {name for when, name, _ in pair.power_events if when >= since}


def _said(server: Machine, since: float, identifier: str) -> str:
    return server.journal(f"--since=@{int(since)} --identifier={identifier}")


def _on_the_higher_number(pair: Pair) -> tuple[Machine, Machine]:
    """Have zeus serve: without a look at who serves, the vote would go to the lower number."""
    if pair.wait_until_serving() is pair.atlas:
        pair.move(pair.zeus)
        pair.wait_until_settled()
    return pair.zeus, pair.atlas


def test_the_servers_lose_all_links(recovering: Pair, load: Load) -> None:
    """Both see the third machine. It votes for the server that serves, which fences the other at once and goes on."""
    serving, other = _on_the_higher_number(recovering)
    begin = now()
    with links.cutting(other) as cut:
        cut.make(*links.addresses(serving))
        load.wait_for_writes()
    assert _fenced(recovering, begin) == {other.name}
    assert _DELAYED not in _said(serving, begin, "pacemaker-fenced")
    recovering.recover()
    assert recovering.wait_until_serving() is serving


def test_a_power_cut_of_the_server_that_serves(recovering: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """The other one has the vote by then, and fences without a delay."""
    begin, since = now(), passive.journal_cursor()
    active.power_off()
    recovering.wait_until_serving(on=passive)
    load.wait_for_writes()
    assert _fenced(recovering, begin) == {active.name}
    assert _DELAYED not in _said(passive, begin, "pacemaker-fenced")
    fence_answer.wait_for(passive, fence_answer.PEER_FENCED, since)


@pytest.mark.soak
def test_a_kernel_crash_of_the_server_that_serves(
    recovering: Pair, active: Machine, passive: Machine, load: Load
) -> None:
    begin = now()
    active.crash()
    recovering.wait_until_serving(on=passive)
    load.wait_for_writes()
    assert _fenced(recovering, begin) == {active.name}


@pytest.mark.soak
def test_the_servers_lose_one_link(recovering: Pair, active: Machine, cut: links.Cut, load: Load) -> None:
    """Nothing happens."""
    begin = now()
    cut.make(links.addresses(active)[1])
    active.wait_until(f"test $({links.CONNECTED}) = 1", "corosync has one link", _SECONDS)
    active.succeed(f"sleep {_SECONDS}")
    cut.mend()
    active.wait_until(f"test $({links.CONNECTED}) = 2", "corosync has both links", 60)
    load.wait_for_writes()
    assert _fenced(recovering, begin) == set()
    assert "lost" not in _said(active, begin, "pacemaker-controld")


@pytest.mark.soak
def test_the_third_machine_is_gone(recovering: Pair, active: Machine, load: Load, gone: None) -> None:
    """Nothing happens, and both servers say so where an administrator looks for votes."""
    load.wait_for_writes()
    for server in recovering.servers:
        assert "Quorate:          Yes" in server.succeed("corosync-quorumtool -s")
        assert "Connect failed" in server.run("corosync-qdevice-tool -s").stdout
        assert "Can't connect to qnetd host" in server.journal("--boot --identifier=corosync-qdevice")
    third_vote.start(recovering)
    third_vote.wait_for_votes(recovering, 3)
    assert recovering.wait_until_serving() is active


@pytest.mark.soak
def test_a_power_cut_of_the_server_that_serves_while_the_third_machine_is_gone(
    recovering: Pair, active: Machine, passive: Machine, load: Load, gone: None
) -> None:
    """Nobody serves, because the survivor cannot know that it is one. It goes on by itself when the third is back."""
    begin = now()
    active.power_off()
    passive.wait_until(_CANNOT_FENCE.format(since=int(begin)), "it has no quorum", 60)
    assert _fenced(recovering, begin) == set()
    assert recovering.serving() is None
    third_vote.start(recovering)
    recovering.wait_until_serving(on=passive)
    load.wait_for_writes()
    assert _fenced(recovering, begin) == {active.name}


@pytest.mark.soak
def test_a_power_cut_of_the_other_server_while_the_third_machine_is_gone(
    recovering: Pair, active: Machine, passive: Machine, load: Load, gone: None
) -> None:
    """The server that serves stays as it is, with its I/O frozen, and says why; it thaws when the third is back."""
    begin = now()
    passive.power_off()
    active.wait_until("crm_mon -1 | grep -q 'no quorum'", "the cluster shows why I/O is frozen", 60)
    assert recovering.serving() is active
    assert _fenced(recovering, begin) == set()
    third_vote.start(recovering)
    load.wait_for_writes()
    assert _fenced(recovering, begin) == {passive.name}
    assert recovering.wait_until_serving() is active
