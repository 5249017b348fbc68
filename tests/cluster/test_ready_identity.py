# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that differ serve the same disk all the same, and it is said before a failover; what would be another disk is
refused. What the kernel of a guest cannot show is put where another kernel would have put it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine, wait_until
from lab.pair import IQN, RESOURCE, UP_TO_DATE, Pair
from tests.cluster import hand, initiator

_LUN = "attrd_updater --query --all --name twinsan-lun-p_lun1"
_LIMITS = "twinsan-device-limits-san"
_TIMEOUT = 60


class Parameters:
    """Parameters of the cluster's resources that a test changes."""

    def __init__(self, pair: Pair, server: Machine) -> None:
        self._pair = pair
        self._server = server
        self._changed: dict[tuple[str, str], str] = {}

    def set(self, resource: str, name: str, value: str) -> None:
        self._changed[resource, name] = value
        self._server.succeed(f"crm_resource -r {resource} -p {name} -v '{value}'")

    def type(self, told: str) -> None:
        """Type what a reason says."""
        command = re.search(r"crm_resource -r (\S+) -p (\S+) -v '([^']*)'", told)
        assert command is not None, told
        self.set(*command.groups())

    def restore(self) -> None:
        """Take all of them away, but what the template has."""
        for resource, name in self._changed:
            self._server.run(f"crm_resource -r {resource} -d {name}")

    def check_lun(self, server: Machine) -> None:
        """The monitor of the LUN, as the cluster runs it, is well; and crm_mon has nothing to say of it."""
        values = {name: value for (resource, name), value in self._changed.items() if resource == "p_lun1"}
        usual = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0", "crm_feature_set": "3.20.0"}
        line = hand.line(
            "lio-lun", "monitor", **usual, **values, CRM_meta_on_node=server.name, CRM_meta_interval="10000"
        )
        result = server.run(line.replace("by-test", "p_lun1"))
        assert (result.status, result.stderr) == (0, "")
        server.succeed("crm_resource --cleanup -r p_lun1")
        self._pair.wait_until_settled()
        assert "p_lun1_monitor" not in server.succeed("crm_mon -1")


@pytest.fixture
def parameters(recovering: Pair, passive: Machine) -> Iterator[Parameters]:
    made = Parameters(recovering, passive)
    yield made
    made.restore()
    recovering.wait_until_serving().run("crm_resource --cleanup -r p_lun1")


def _said(server: Machine, words: str, timeout: float = _TIMEOUT) -> str:
    """Wait until crm_mon says it; the reason as the agent gave it, which crm_mon cuts off."""
    server.wait_until(f"crm_mon -1 | grep -q '{words}'", f"crm_mon says {words!r}", timeout, interval=1.0)
    log = server.succeed(f"journalctl --output=cat -t 'lio-lun(p_lun1)' --grep='{words}' | tail -1")
    return log.strip()


# A disk of its own for a LUN that a test makes by hand, as the cluster would.
_FILES = "/run/identity"
_CLUSTERED = {
    "target_iqn": IQN,
    "lun": "2",
    "crm_feature_set": "3.20.0",
    "CRM_meta_on_node": "by-hand",
    "vaai": "ats xcopy write_same",
}


def _loop(server: Machine, megabytes: int, block: int = 512) -> str:
    return server.succeed(
        f"modprobe loop && mkdir -p {_FILES} && truncate -s {megabytes}M {_FILES}/{megabytes}-{block} && "
        f"losetup --find --show --sector-size {block} {_FILES}/{megabytes}-{block}"
    ).strip()


def test_another_disk_is_refused(active: Machine) -> None:
    """By a real kernel: another serial, larger blocks, a smaller device; a larger one is served."""
    usual, coarse, small, large = (_loop(active, *shape) for shape in ((16,), (16, 4096), (8,), (32,)))
    start = {**_CLUSTERED, "path": usual}
    try:
        hand.expect(active, 0, "lio-lun", "start", **start)
        hand.expect(active, 0, "lio-lun", "stop", **start)
        for changes, words in (
            ({"scsi_sn": "0123456789abcdef0123456789abcdef"}, "vpd_unit_serial is 0123456789abcdef"),
            ({"path": coarse}, "block_size is 4096 instead of 512"),
            ({"path": small}, "capacity is 8388608 instead of 16777216"),
        ):
            reason = hand.reason(active, 2, "lio-lun", "start", **{**start, **changes})
            assert words in reason
            assert "would serve another disk than by-hand served last" in reason
            assert not active.run(f"ls -d {hand.CONFIGFS}/core/iblock_*/*-lun2-*").stdout
        hand.expect(active, 0, "lio-lun", "start", **{**start, "path": large})
        hand.expect(active, 0, "lio-lun", "stop", **start)
        reason = hand.reason(active, 2, "lio-lun", "start", **start)
        assert "capacity is 16777216 instead of 33554432" in reason
        hand.expect(active, 0, "lio-lun", "start", **start, accepted_differences="capacity=16777216")
        hand.expect(active, 0, "lio-lun", "stop", **start)
    finally:
        hand.run(active, "lio-lun", "stop", **start)
        active.run(
            f"losetup -d {usual} {coarse} {small} {large}; rm -r {_FILES}; rm -f /run/twinsan/fingerprint*.by-test; "
            "for node in atlas zeus; do attrd_updater --name twinsan-lun-by-test --delete --node $node --private; done;"
            " rm -f /run/twinsan/state.san/fingerprint.by-test"
        )


def _ask_peer(active: Machine) -> None:
    """What is done every few minutes: what was told is looked up again."""
    active.succeed("rm -f /run/twinsan/device-limits.san")


@pytest.fixture
def thick(recovering: Pair, passive: Machine) -> Iterator[Machine]:
    """The server that does not serve, with a disk below volume 0 that cannot discard, which DRBD has seen.

    In a user-mode kernel 6.1 the first to open a disk gives it its limits anew, so it is held open meanwhile. Later
    ones refuse any other limit once it is 0 (7.2, block/blk-sysfs.c: no number is a multiple of a granularity of 0), so
    the server boots at the end.
    """
    passive.succeed(
        f"""set -e; exec 9</dev/ubdb; echo 0 >/sys/block/ubdb/queue/discard_max_bytes
        drbdadm detach {RESOURCE}/0
        until drbdadm dstate {RESOURCE}/0 | grep -q ^Diskless; do sleep 0.1; done
        drbdadm attach {RESOURCE}/0"""
    )
    passive.wait_until(UP_TO_DATE, "the disk is there again", 60)
    yield passive
    passive.power_off(counted_as="")
    recovering.recover()
    _ask_peer(recovering.wait_until_serving())


def _serves_unmap(server: Machine) -> str:
    return server.succeed(f"cat {hand.CONFIGFS}/core/iblock_*/san-lun1-*/attrib/emulate_tpu").strip()


@pytest.mark.parametrize(
    "preferred", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["preferred", "required"]
)
def test_a_node_that_cannot_discard(
    pair: Pair, active: Machine, thick: Machine, parameters: Parameters, preferred: bool
) -> None:
    """It is said while both are up, within a minute of a look; the other node serves within 30 s of the move, without
    UNMAP; and after what was said to type is typed both ways are well.
    """
    told = f"attrd_updater --query --all --name {_LIMITS} | grep host=.{thick.name}. | grep -q emulate_tpu=0,"
    if preferred:
        parameters.set("p_lun1", "vaai", "ats xcopy write_same")
        parameters.set("p_lun1", "vaai_preferred", "unmap")
    thick.wait_until(told, f"{thick} tells that it cannot discard", 90)
    _ask_peer(active)
    said = _said(active, f"{thick.name} would serve emulate_tpu=0 emulate_tpws=0; accept: crm_resource -r p_lun1 -p")
    thick.succeed(f"crm_resource --resource g_san --move --node {thick}")
    pair.wait_until_serving(on=thick, timeout=30)
    thick.succeed("crm_resource --resource g_san --clear")
    assert _serves_unmap(thick) == "0"
    _said(thick, f"{thick.name} serves emulate_tpu=0 emulate_tpws=0; accept: crm_resource -r p_lun1 -p accepted_diff")
    parameters.type(said)
    parameters.check_lun(thick)
    pair.move(active)
    assert _serves_unmap(active) == "1"
    parameters.check_lun(active)


@pytest.mark.soak
def test_a_disk_that_rotates_and_one_that_does_not(
    pair: Pair, active: Machine, passive: Machine, parameters: Parameters
) -> None:
    """The kernel takes it from DRBD's queue, in later kernels by itself: hosts see the same disk, and the other node
    serves within 30 s of the move.
    """
    before = initiator.identity(pair.esx, pair.disk)
    rotational = "/sys/block/drbd0/queue/rotational"
    passive.succeed(f"echo $((1 - $(cat {rotational}))) >{rotational}")
    try:
        passive.succeed(f"crm_resource --resource g_san --move --node {passive}")
        pair.wait_until_serving(on=passive, timeout=30)
        passive.succeed("crm_resource --resource g_san --clear")
        assert initiator.identity(pair.esx, pair.disk) == before
        parameters.check_lun(passive)
        # It is the configuration that says which.
        parameters.set("p_lun1", "is_nonrot", "yes")
        passive.wait_until(
            f"grep -qx 1 {hand.CONFIGFS}/core/iblock_*/san-lun1-*/attrib/is_nonrot", "hosts are told so", 30
        )
    finally:
        passive.succeed(f"echo $((1 - $(cat {rotational}))) >{rotational}")


def _record(server: Machine) -> str:
    """The record that `server` served the LUN last, once all nodes have the same: they get it one after the other."""
    found: set[str] = set()

    def published() -> bool:
        found.clear()
        found.update(re.findall(r' value="([^"]*)"', server.run(_LUN).stdout))
        return len(found) == 1 and next(iter(found)).startswith(f"{server.name} count:")

    wait_until(published, f"all nodes have the record of {server}", 60, interval=1.0)
    return found.pop()


def _serve_otherwise(pair: Pair, active: Machine, **fields: str) -> None:
    """Have all nodes know the LUN by other values than this kernel has, in a later record than that of the volume."""
    # A reload publishes a record as well.
    pair.wait_until_settled()
    active.succeed("rm -f /run/twinsan/fingerprint.p_lun1")
    # The note has the time of the publication once all nodes have the record, and an old one before (Ledger.publish).
    dated = "test $(stat --format=%Y /run/twinsan/fingerprint.p_lun1 || echo 0) -gt 0"
    active.wait_until(dated, "it is published anew", 60)
    node, count, *words = _record(active).split()
    known = {**dict(word.partition("=")[::2] for word in words), **fields}
    value = " ".join((node, f"count:{int(count[6:]) + 1}", *(f"{name}={value}" for name, value in known.items())))
    for server in pair.servers:
        active.succeed(f"attrd_updater --name twinsan-lun-p_lun1 --update '{value}' --node {server} --private")


@pytest.mark.soak
def test_another_kernel(pair: Pair, active: Machine, passive: Machine, parameters: Parameters) -> None:
    """Another kernel served, older or later: what this one does otherwise is served within 30 s of the move, said,
    accepted, and then well in both directions.
    """
    # What another kernel on the other node tells beforehand. Those from 6.3 on have REPORT SUPPORTED OPCODES.
    told = active.succeed(f"attrd_updater --query --all --name {_LIMITS} | grep host=.{passive.name}.")
    value = told.partition(' value="')[2].rpartition('"')[0]
    own, other = ("1", "0") if "emulate_rsoc=1" in value else ("0", "1")
    assert f"emulate_rsoc={own}" in value
    value = value.replace(f"emulate_rsoc={own}", f"emulate_rsoc={other}")
    active.succeed(f"attrd_updater --name {_LIMITS} --update '{value}' --node {passive} --private")
    _ask_peer(active)
    _said(active, f"{passive.name} would serve emulate_rsoc={other}; accept: crm_resource -r p_lun1 -p accepted_diff")
    passive.succeed("rm -f /run/twinsan/device-limits.san")
    passive.wait_until(
        f"attrd_updater --query --all --name {_LIMITS} | grep -c emulate_rsoc={own} | grep -qx 2", "as is", 60
    )
    _ask_peer(active)

    _serve_otherwise(pair, active, rtpi="4711", emulate_rsoc=other)
    passive.succeed(f"crm_resource --resource g_san --move --node {passive}")
    pair.wait_until_serving(on=passive, timeout=30)
    passive.succeed("crm_resource --resource g_san --clear")
    said = _said(passive, f"{passive.name} serves emulate_rsoc={own} rtpi=1; accept: crm_resource -r p_lun1 -p acc")
    parameters.type(said)
    parameters.check_lun(passive)
    # A reload does not make it void, and what is accepted is so for the way back.
    parameters.set("p_lun1", "max_unmap_lba_count", "8192")
    _serve_otherwise(pair, passive, rtpi="4711", emulate_rsoc=other)
    pair.move(active)
    parameters.check_lun(active)


def test_the_configuration_is_changed_while_nobody_serves(
    pair: Pair, active: Machine, passive: Machine, parameters: Parameters
) -> None:
    """The node that served is dead, and an initiator is added, a limit and the product are others: the other node
    serves within 60 s of being allowed to.
    """
    since = passive.journal_cursor()
    passive.succeed("crm_resource -r g_san --meta -p target-role -v Stopped")
    pair.wait_until_idle()
    active.power_off()
    usual = passive.succeed("crm_resource -r p_target -g allowed_initiators").strip()
    try:
        passive.succeed(f"crm_resource -r p_target -p allowed_initiators -v '{usual} iqn.1998-01.com.vmware:new'")
        parameters.set("p_lun1", "max_unmap_lba_count", "8192")
        parameters.set("p_lun1", "product_id", "changed")
        passive.succeed("crm_resource -r g_san --meta -d target-role")
        # Fencing and DRBD's promotion come first, once.
        pair.wait_until_serving(on=passive, timeout=120)
        said = passive.journal(f"--after-cursor='{since}' --identifier='lio-lun(p_lun1)'")
        assert "another disk than" not in said
        active.wait_for_boot()
        pair.wait_until_settled()
        parameters.check_lun(passive)
    finally:
        passive.succeed(f"crm_resource -r p_target -p allowed_initiators -v '{usual}'")
