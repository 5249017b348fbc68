# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk is the same disk, byte for byte, on a server that has just booted without the other, and whatever a replica
has been through. (test_failover: on both servers.)
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, RESOURCE, Pair
from tests.cluster import hand, initiator, second_lun

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


@pytest.mark.soak
def test_it_is_the_same_when_a_server_serves_that_booted_alone(
    pair: Pair, known: dict[str, str], alone: Machine
) -> None:
    _serve(alone)
    initiator.wait_until_ready(pair.esx, pair.disk)
    assert initiator.identity(pair.esx, pair.disk) == known


def _second(pair: Pair, active: Machine) -> dict[str, str]:
    with second_lun.served(pair, active) as disk:
        return initiator.identity(pair.esx, disk)


def _most_blocks(pages: dict[str, str]) -> int:
    """MAXIMUM TRANSFER LENGTH (SBC-4, 6.6.4)."""
    return int(pages["0xB0 block limits"][16:24], 16)


@pytest.mark.soak
def test_what_a_replica_has_been_through_changes_its_limits_but_once(recovering: Pair, active: Machine) -> None:
    """LIO takes the most that a device takes at once from it as the LUN starts, and cannot be told another figure. DRBD
    8.4 that never met its peer says 4 KiB. One that did has it in its meta data, for ever: with no peer, with no disk.
    """
    peer = recovering.zeus if active is recovering.atlas else recovering.atlas
    name = second_lun.RESOURCE
    with second_lun.replicas(recovering):
        active.succeed(f"drbdadm up {name} && drbdadm primary --force {name}")
        with second_lun.served(recovering, active) as disk:
            new = initiator.identity(recovering.esx, disk)
            assert _most_blocks(new) == 4096 // 512
            assert "takes 4 KiB at once" in active.journal("--boot --identifier='lio-lun(by-test)'")
            # What it learns now comes too late.
            peer.succeed(f"drbdadm up {name}")
            second_lun.wait_until_is(active, "dstate", "UpToDate/UpToDate")
            assert initiator.identity(recovering.esx, disk) == new
            deep = {**second_lun.PARAMETERS, "OCF_CHECK_LEVEL": "10"}
            assert "hosts were told" in hand.reason(active, 190, "lio-lun", "monitor", **deep)
        usual = _second(recovering, active)
        assert _most_blocks(usual) > _most_blocks(new)
        differing = {page for page in usual if usual[page] != new[page]}
        assert differing == {"0xB0 block limits"}

        for server in (active, peer):
            server.succeed(f"drbdadm down {name}")
        active.succeed(f"drbdadm up {name} && drbdadm primary {name}")
        assert _second(recovering, active) == usual, "alone"
        peer.succeed(f"drbdadm up {name}")
        second_lun.wait_until_is(active, "dstate", "UpToDate/UpToDate")
        active.succeed(f"drbdadm detach {name}")
        assert _second(recovering, active) == usual, "diskless"


@pytest.mark.soak
def test_zeros_that_a_disk_has_refused_since_its_server_booted_are_no_difference(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """The disks are alike, and of one server alone it is known that its disk writes no zeros by itself."""
    limit = "cat /sys/block/ubdb/queue/write_zeroes_max_bytes"
    initiator.wait_until_ready(recovering.esx, recovering.disk)
    recovering.esx.succeed(f"sg_write_same --16 --in=/dev/zero --lba=204800 --num=64 --xferlen=512 {recovering.disk}")
    active.wait_until(f"test $({limit}) = 0", "the disk has refused to write zeros", 30)
    passive.power_off()
    recovering.recover()
    assert passive.succeed(limit).strip() != "0"
    told = f"attrd_updater --query --node {passive} --name twinsan-device-limits-{RESOURCE}"
    published = f"{told} | grep -q '\"0:[^ ]*write_zeroes_max_bytes=[1-9]'"
    active.wait_until(published, f"{passive} has published its limits", 60)
    # The monitor asks for them every few minutes. When the second one has, the cluster has the result of the first.
    known = f"/run/twinsan/device-limits.{RESOURCE}"
    for _ in range(2):
        active.succeed(f"rm -f {known}")
        active.wait_until(f"grep -q '^{passive} ' {known}", "a monitor knows the limits of both", 60)
    assert "zeroes" not in active.succeed("crm_mon -1 --inactive")
