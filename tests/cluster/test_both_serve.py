# SPDX-License-Identifier: GPL-2.0-or-later
"""Both servers serve a disk each, and each takes over the other's when that loses its power: nothing of the disk that
the survivor served is touched, and none of the two has an error. The way back is by hand, or by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from lab import operations, report, site
from lab.host import now
from lab.machine import Machine
from lab.pair import Pair
from lab.report import Phase
from lab.served import Served
from lab.site_pair import SitePair
from tests.cluster.test_failover import Load

_SITE = "two-resources.toml"

pytestmark = [pytest.mark.soak, pytest.mark.parametrize("whole_pair", [_SITE], indirect=True)]

_FAILBACK = [(f'preferred = "{node}"', f'preferred = "{node}"\nfailback = true') for node in ("atlas", "zeus")]

# What the cluster does with a resource, but to look at it.
_ACTION = r"pacemaker-controld\[\d+\]: .*Result of (?!monitor)(\w+) operation for (\w+) on (\w+):"

# A write on the survivor waits until DRBD knows that the lost server is off, and no longer. After Pacemaker says so
# there are the answer of the handler, which looks every second, and the start of a few programs, which takes a guest of
# one processor that starts the other server's disk meanwhile many seconds.
_AFTER_FENCING_S = 20


@dataclass(frozen=True)
class Disk:
    """What is served, where it is at home, and the load on it."""

    served: Served
    home: Machine
    load: Load


@pytest.fixture(scope="module")
def whole_loads(whole_pair: SitePair) -> Iterator[tuple[Disk, Disk]]:
    """A load on each disk, from the first test to the last."""
    whole_pair.wait_until_settled()
    first, second = (
        Disk(served, home, Load(whole_pair, 3600, disk=whole_pair.disk_of(served), log=f"/run/{served.name}.csv"))
        for served, home in zip(whole_pair.served, whole_pair.servers)
    )
    yield first, second
    for disk in (first, second):
        disk.load.judge()
        print(f"{disk.served.name}: {len(disk.load.writes())} writes acknowledged, none lost, no error")
    assert "I/O error" not in whole_pair.esx.succeed("dmesg")


@pytest.fixture
def loads(site_pair: SitePair, whole_loads: tuple[Disk, Disk]) -> tuple[Disk, Disk]:
    """A load on each disk, and each disk is at home."""
    for disk in whole_loads:
        site_pair.wait_until_serving(disk.home, served=disk.served)
    site_pair.wait_until_settled()
    return whole_loads


def _portal_group(served: Served) -> str:
    return f"/sys/kernel/config/target/iscsi/{served.iqn}/tpgt_1"


def _wait_for_writes(disks: Sequence[Disk]) -> None:
    for disk in disks:
        disk.load.wait_for_writes()


def _actions(server: Machine, since: float, served: Served) -> list[str]:
    """What the cluster has done on a server with a resource's parts, as `action part`."""
    journal = server.succeed(f"journalctl --no-pager --since=@{since:.0f} --identifier=pacemaker-controld")
    return [
        f"{action} {part}"
        for action, part, where in re.findall(_ACTION, journal)
        if part.endswith(served.suffix) and where == server.name
    ]


def _cut(pair: SitePair, lost: Disk, kept: Disk) -> None:
    """Cut the power of the server where `lost` is at home; both are on the other one then, and it is whole again."""
    survivor = kept.home
    begin = now()
    lost.home.power_off()
    pair.wait_until_serving(survivor, served=lost.served)
    _wait_for_writes((lost, kept))
    fenced = operations.fenced(survivor, begin)
    assert fenced is not None
    assert pair.wait_until_serving(served=kept.served) is survivor
    taken_over = now()
    pair.recover()
    phase = Phase("power cut", "", begin, taken_over)
    stalls = [report.figures(disk.load.writes(), phase).stall_ms / 1000 for disk in (lost, kept)]
    print(
        f"power cut of {lost.home}: fenced after {fenced - begin:.1f} s; longest stall of {lost.served.name}, which"
        f" moved, {stalls[0]:.1f} s, of {kept.served.name}, which stayed, {stalls[1]:.1f} s"
    )
    assert stalls[1] <= fenced - begin + _AFTER_FENCING_S
    # Also while the other server came back.
    assert _actions(survivor, begin, kept.served) == []
    assert any(action.startswith("promote") for action in _actions(survivor, begin, lost.served))


def _check_addresses(pair: SitePair, disks: Sequence[Disk]) -> None:
    """Each address leads to its own disk and to no other, and the targets have the ports of the site file."""
    names, ports = set(), []
    for disk in disks:
        iqn, address = disk.served.iqn, disk.served.portals[0]
        found = pair.esx.succeed(f"iscsiadm -m discovery -t sendtargets -o nonpersistent -p {address}")
        assert re.findall(rf"^{re.escape(address)}:3260,1 (\S+)$", found, re.MULTILINE) == [iqn]
        path = pair.disk_of(disk.served)
        listed = pair.esx.succeed(f"sg_luns {path}")
        assert re.findall(r"^ +([0-9a-f]{16})$", listed, re.MULTILINE) == ["0001000000000000"], listed
        page = pair.esx.succeed(f"sg_vpd --page=di {path}")
        ports.append(int(re.findall(r"Relative target port: (\S+)", page)[0], 0))
        names |= set(re.findall(r"0x6001405[0-9a-f]{25}", page))
    assert len(names) == 2
    # Before 6.4 the kernel numbers the ports of each disk by itself.
    numbered = pair.atlas.run(f"test -e {_portal_group(disks[0].served)}/rtpi").status == 0
    assert ports == ([1, 2] if numbered else [1, 1])


def _check_refusals(pair: SitePair, disks: Sequence[Disk]) -> None:
    """Nobody can log in to a target through the other's address."""
    for disk, other in (disks, disks[::-1]):
        node = f"iscsiadm -m node -T {other.served.iqn} -p {disk.served.portals[0]}"
        pair.esx.succeed(f"{node} -o new && {node} -o update -n node.session.initial_login_retry_max -v 1")
        pair.esx.fail(f"{node} --login")
        pair.esx.succeed(f"{node} -o delete")


def test_each_address_leads_to_its_disk_alone(site_pair: SitePair, loads: tuple[Disk, Disk]) -> None:
    _check_addresses(site_pair, loads)


def test_a_power_cut_and_the_way_back_by_hand(site_pair: SitePair, loads: tuple[Disk, Disk]) -> None:
    first, second = loads
    _cut(site_pair, first, second)
    assert site_pair.wait_until_serving(served=first.served) is second.home, "it went back by itself"
    # Both on one server: still each address leads to its own disk.
    _check_addresses(site_pair, loads)
    _check_refusals(site_pair, loads)
    begin = now()
    second.home.succeed(f"crm resource move {first.served.moved} {first.home}")
    site_pair.wait_until_serving(first.home, served=first.served)
    second.home.succeed(f"crm resource clear {first.served.moved}")
    _wait_for_writes(loads)
    site_pair.wait_until_settled()
    assert _actions(second.home, begin, second.served) == []
    stalls = [report.figures(disk.load.writes(), Phase("move", "", begin, now())).stall_ms / 1000 for disk in loads]
    print(
        f"way back by hand: stall of {first.served.name} {stalls[0]:.1f} s, of {second.served.name} {stalls[1]:.1f} s"
    )


def test_a_power_cut_and_the_way_back_by_itself(site_pair: SitePair, loads: tuple[Disk, Disk]) -> None:
    """With failback, which a site file may say later: nothing moves when it is loaded."""
    first, second = loads
    begin = now()
    site_pair.load(site.load(_SITE, *_FAILBACK))
    site_pair.wait_until_settled()
    for disk in loads:
        assert site_pair.wait_until_serving(served=disk.served) is disk.home
        assert _actions(disk.home, begin, disk.served) == []
    begin = now()
    _cut(site_pair, second, first)
    site_pair.wait_until_serving(second.home, served=second.served)
    _wait_for_writes(loads)
    site_pair.wait_until_settled()
    assert _actions(first.home, begin, first.served) == []


def test_the_replicas_are_equal_at_the_end(pair: Pair, whole_loads: tuple[Disk, Disk]) -> None:
    _wait_for_writes(whole_loads)
    assert pair.verify_replicas() == 0
