# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers lose one of the links between them, or all: one serves on, and never two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import Pair, now

# Longer than corosync needs to give a node up, by examples/corosync.conf.
_SECONDS = 10

_WRITE = "dd if=/dev/zero of={disk} bs=4096 count=1 seek=30002 oflag=direct 2>&1"
_LINKS = "corosync-cfgtool -n | grep -c 'LINK: .* connected'"


def _addresses(server: Machine) -> list[str]:
    """The server's addresses on both links, by corosync.conf."""
    name = f"name: {server}$"
    found = server.succeed(f"sed -n '/{name}/,/}}/s/.*ring._addr: //p' /etc/corosync/corosync.conf").split()
    assert len(found) == 2
    return found


@pytest.fixture
def cut(recovering: Pair, passive: Machine) -> Iterator[list[str]]:
    """Have the passive server send nothing to these addresses; it can again afterwards."""
    addresses: list[str] = []
    yield addresses
    for address in addresses:
        if passive.is_on:
            passive.run(f"ip route del blackhole {address}/32")


def _blackhole(server: Machine, *addresses: str) -> None:
    server.succeed(" && ".join(f"ip route add blackhole {address}/32" for address in addresses))


def test_the_servers_lose_one_link(recovering: Pair, active: Machine, passive: Machine, cut: list[str]) -> None:
    """The management network: nothing happens but that corosync says so."""
    begin = now()
    cut.append(_addresses(active)[1])
    _blackhole(passive, *cut)
    active.wait_until(f"test $({_LINKS}) = 1", "corosync has one link", _SECONDS)
    passive.succeed(f"sleep {_SECONDS}")
    passive.run(f"ip route del blackhole {cut.pop()}/32")
    active.wait_until(f"test $({_LINKS}) = 2", "corosync has both links", 60)
    assert [event for event in recovering.power_events if event[0] >= begin] == []
    assert "lost" not in active.journal(f"--since=@{int(begin)} --identifier=pacemaker-controld")


def test_the_servers_lose_all_links(recovering: Pair, active: Machine, passive: Machine, cut: list[str]) -> None:
    """The server that serves fences the other, goes on, and is not fenced itself; a write waits for that."""
    begin = now()
    cut += _addresses(active)
    _blackhole(passive, *cut)
    written = recovering.esx.succeed(_WRITE.format(disk=recovering.disk), timeout=60)
    assert "1+0 records out" in written
    fenced = [(name, what) for when, name, what in recovering.power_events if when >= begin]
    assert {name for name, _ in fenced} == {passive.name}, fenced
    cut.clear()
    recovering.recover()
    assert recovering.wait_until_serving() is active
