# SPDX-License-Identifier: GPL-2.0-or-later
"""An initiator with dm-multipath, set up as `twinsan render` tells Linux hosts, has a path to the disk in each of two
networks. It loses either, and the server that serves, and its programs have no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import report
from lab.host import now
from lab.machine import Machine, wait_until
from lab.pair import Pair
from lab.report import Phase
from lab.site_pair import SitePair
from tests.cluster import initiator, links, multipath
from tests.cluster.test_failover import Load

pytestmark = [pytest.mark.soak, pytest.mark.parametrize("whole_pair", ["two-portals.toml"], indirect=True)]

_PAGE = "hosts/linux.txt"

# How long a lost path may hold I/O up, by that page: the initiator asks every 5 s and waits 5 s for an answer; then the
# path may come back for 5 s. As much again is for guests on a machine that others share.
_ONE_PATH_LOST_S = 2 * (5 + 5 + 5)
# DRBD notices within 3 s, and asks the cluster.
_NETWORK_DOWN_S = _ONE_PATH_LOST_S + 30
# The SAN's own time, then the next look at a path, which is made every 2 s.
_SWITCHOVER_S, _POWER_CUT_S = 60, 120


@pytest.fixture(scope="module")
def whole_load(whole_pair: SitePair) -> Iterator[Load]:
    """A load on the disk that dm-multipath makes of both paths, from the first test to the last."""
    esx = whole_pair.esx
    whole_pair.wait_until_settled()
    whole_pair.log_out()
    multipath.turn_on(esx)
    esx.copy({"/root/linux.txt": whole_pair.site.files[_PAGE].encode()})
    esx.succeed("sh -e /root/linux.txt")
    wait_until(lambda: multipath.all_well(esx, 2), "the initiator has two paths", 60)
    whole_pair.disk = multipath.disk(esx)
    load = Load(whole_pair, 3600, rate=5)
    yield load
    load.judge()
    print(f"{len(load.writes())} writes acknowledged, none lost, no error")
    # A lost path says so of itself: that is not what a program sees.
    assert not re.search(r"I/O error.* dev dm-", esx.succeed("dmesg"))


@pytest.fixture
def load(recovering: Pair, whole_load: Load) -> Iterator[Load]:
    """The load; both paths are well before the test, and after it."""
    _wait_until_both_paths_are_well(recovering)
    yield whole_load
    _wait_until_both_paths_are_well(recovering)


def _wait_until_both_paths_are_well(pair: Pair) -> None:
    wait_until(lambda: multipath.all_well(pair.esx, 2), "the initiator has both paths", 90)


def _path(pair: SitePair, portal: str) -> str:
    """The disk that the initiator has through an address."""
    return pair.disk_of(pair.served[0], portal)


@contextmanager
def _measured(load: Load, what: str, at_most: float) -> Iterator[None]:
    """Writes go on at the end of the body, and none waits longer than that many seconds."""
    begin = now()
    yield
    load.wait_for_writes()
    figures = report.figures(load.writes(), Phase(what, "", begin, now()))
    print(f"{what}: longest stall {figures.stall_ms / 1000:.1f} s, {figures.io_errors} errors")
    assert figures.io_errors == 0
    assert figures.stall_ms <= at_most * 1000


def _wait_until_lost(pair: Pair, path: str) -> None:
    name = path.rpartition("/")[2]
    wait_until(lambda: multipath.paths(pair.esx)[name][0] == "failed", f"{path} is given up", 60)


def test_both_paths_lead_to_one_disk(site_pair: SitePair, load: Load) -> None:
    """The same name, and all else that it is known by. Both carry I/O."""
    esx = site_pair.esx
    paths = [_path(site_pair, portal) for portal in site_pair.served[0].portals]
    assert len(set(paths)) == 2
    one, other = (initiator.identity(esx, path) for path in paths)
    assert one == other
    assert (
        re.sub("^.*(6001405[0-9a-f]{25}).*$", r"/dev/mapper/3\1", one["0x83 device identification"]) == site_pair.disk
    )
    before = [_written(esx, path) for path in paths]
    load.wait_for_writes()
    assert all(_written(esx, path) > then for path, then in zip(paths, before))
    assert _given_up_after(esx) == ["5", "5"]


def _given_up_after(esx: Machine) -> list[str]:
    """The seconds after which each session is given up: multipathd's, in place of what open-iscsi is told."""
    return esx.succeed("cat /sys/class/iscsi_session/*/recovery_tmo").split()


def _written(esx: Machine, path: str) -> int:
    """How many writes a disk has done."""
    return int(esx.read(f"/sys/class/block/{path.rpartition('/')[2]}/stat").split()[4])


def test_the_initiator_loses_the_first_network(site_pair: SitePair, load: Load) -> None:
    with _measured(load, "cable of the first network pulled", _ONE_PATH_LOST_S):
        site_pair.esx.unplug("san")
        _wait_until_lost(site_pair, _path(site_pair, site_pair.served[0].portals[0]))
    site_pair.esx.plug("san")


def test_the_initiator_loses_the_second_network(site_pair: SitePair, load: Load) -> None:
    """The commands of the lab take the same wire, so it only sends nothing more to the portal address."""
    portal = site_pair.served[0].portals[1]
    with links.cutting(site_pair.esx) as cut, _measured(load, "second network lost", _ONE_PATH_LOST_S):
        cut.make(portal)
        _wait_until_lost(site_pair, _path(site_pair, portal))


def test_the_first_network_goes_down(site_pair: SitePair, load: Load, active: Machine) -> None:
    """For the servers as well: DRBD loses its peer, the address stays, and nobody is fenced."""
    boots = [server.boots for server in site_pair.servers]
    try:
        with _measured(load, "first network down", _NETWORK_DOWN_S):
            for guest in site_pair.guests:
                guest.unplug("san")
            _wait_until_lost(site_pair, _path(site_pair, site_pair.served[0].portals[0]))
    finally:
        for guest in site_pair.guests:
            guest.plug("san")
    site_pair.recover()
    assert site_pair.wait_until_serving() is active
    assert [server.boots for server in site_pair.servers] == boots


def test_a_switchover(site_pair: SitePair, load: Load, passive: Machine) -> None:
    before = initiator.identity(site_pair.esx, _path(site_pair, site_pair.served[0].portals[0]))
    with _measured(load, "switchover", _SWITCHOVER_S):
        site_pair.move(passive)
    _wait_until_both_paths_are_well(site_pair)
    assert _given_up_after(site_pair.esx) == ["5", "5"], "a login brought the time of open-iscsi back"
    for portal in site_pair.served[0].portals:
        assert initiator.identity(site_pair.esx, _path(site_pair, portal)) == before


def test_a_power_cut_of_the_server_that_serves(
    site_pair: SitePair, load: Load, active: Machine, passive: Machine
) -> None:
    with _measured(load, "power cut", _POWER_CUT_S):
        active.power_off()
        site_pair.wait_until_serving(passive)


def test_the_replicas_are_equal_at_the_end(site_pair: SitePair, load: Load) -> None:
    load.wait_for_writes()
    assert site_pair.verify_replicas() == 0
