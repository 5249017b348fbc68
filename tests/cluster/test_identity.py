# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk is the same disk, byte for byte: on both servers, and on one that has just booted without the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, RESOURCE, Pair
from tests.cluster import hand, initiator

# The chain of cib-templates/san.xml from its start to its end.
_DRBD = {"drbd_resource": RESOURCE}
_SAN: tuple[tuple[str, dict[str, str]], ...] = (
    ("lio-iscsi-target", {"iqn": IQN, "portals": f"{PORTAL}:3260", "allowed_initiators": INITIATOR}),
    ("lio-lun", {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}),
    ("portal-ip", {"ip": PORTAL, "cidr_netmask": "24"}),
)
# Without it a server of the lab boots without its cluster.
_CLUSTERED = "/etc/lab/cluster"


@pytest.fixture
def known(pair: Pair) -> dict[str, str]:
    """What the initiator knows of the disk before anything happens to it."""
    return initiator.identity(pair.esx, pair.disk)


@pytest.fixture
def alone(recovering: Pair, active: Machine, passive: Machine) -> Iterator[Machine]:
    """The server that served, booted again while the other has no power. It has no quorum before it has met its peer
    (wait_for_all in votequorum(5)), so there is no cluster on it, and nobody who would fence the other.
    """
    # As for maintenance: its replica is known to be outdated, so that the one that stays may be promoted without it.
    passive.succeed("systemctl stop pacemaker corosync")
    passive.power_off()
    active.succeed(f"rm {_CLUSTERED} && sync")
    active.power_off()
    active.start()
    active.wait_for_boot()
    yield active
    active.succeed(f"touch {_CLUSTERED} && sync")
    active.power_off()
    for server in recovering.servers:
        server.start()


def _serve(server: Machine) -> None:
    hand.expect(server, 0, "drbd-vaai", "start", **_DRBD)
    hand.expect(server, 0, "drbd-vaai", "promote", **_DRBD)
    for agent, parameters in _SAN:
        hand.expect(server, 0, agent, "start", **parameters)


def test_it_is_the_same_on_both_servers(pair: Pair, passive: Machine, known: dict[str, str]) -> None:
    pair.move(passive)
    assert initiator.identity(pair.esx, pair.disk) == known


def test_it_is_the_same_when_a_server_serves_that_booted_alone(
    pair: Pair, known: dict[str, str], alone: Machine
) -> None:
    _serve(alone)
    pair.esx.wait_until(f"sg_turs {pair.disk}", "the disk answers", 120)
    assert initiator.identity(pair.esx, pair.disk) == known
