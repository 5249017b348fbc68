# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers lose one of the links between them, or all: one serves on, and never two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.host import now
from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import links

# Longer than corosync needs to give a node up, by examples/corosync.conf.
_SECONDS = 10

_WRITE = "dd if=/dev/zero of={disk} bs=4096 count=1 seek=30002 oflag=direct 2>&1"


@pytest.fixture
def cut(recovering: Pair, passive: Machine) -> Iterator[links.Cut]:
    """What the passive server sends to nobody; it sends it again afterwards."""
    with links.cutting(passive) as made:
        yield made


def test_the_servers_lose_one_link(recovering: Pair, active: Machine, passive: Machine, cut: links.Cut) -> None:
    """The management network: nothing happens but that corosync says so."""
    begin = now()
    cut.make(links.addresses(active)[1])
    active.wait_until(f"test $({links.CONNECTED}) = 1", "corosync has one link", _SECONDS)
    passive.succeed(f"sleep {_SECONDS}")
    cut.mend()
    active.wait_until(f"test $({links.CONNECTED}) = 2", "corosync has both links", 60)
    assert [event for event in recovering.power_events if event[0] >= begin] == []
    assert "lost" not in active.journal(f"--since=@{int(begin)} --identifier=pacemaker-controld")


def test_the_servers_lose_all_links(recovering: Pair, active: Machine, passive: Machine, cut: links.Cut) -> None:
    """The server that serves fences the other, goes on, and is not fenced itself; a write waits for that."""
    begin = now()
    cut.make(*links.addresses(active))
    written = recovering.esx.succeed(_WRITE.format(disk=recovering.disk), timeout=60)
    assert "1+0 records out" in written
    fenced = [(name, what) for when, name, what in recovering.power_events if when >= begin]
    assert {name for name, _ in fenced} == {passive.name}, fenced
    recovering.recover()
    assert recovering.wait_until_serving() is active
