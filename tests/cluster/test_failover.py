# SPDX-License-Identifier: GPL-2.0-or-later
"""The SAN moves, is shot and crashes under a verifying load; the initiator sees a pause and nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from lab import load as writing
from lab.machine import Machine, wait_until
from lab.pair import IQN, Pair
from tests.cluster import fence_answer, initiator, state_volume

_LOAD = "/usr/local/lib/lab/load"
LOG = "/run/test-load.csv"


class Load:
    """A verifying write load on the initiator, on its disk or on another one, each with a log of its own."""

    def __init__(self, pair: Pair, seconds: int = 600, rate: int = 10, disk: str = "", log: str = LOG) -> None:
        self._esx = pair.esx
        self._seconds, self._rate = seconds, rate
        self._disk = disk or pair.disk
        self._log, self._stop = log, f"{log}.stop"
        self._outcome = ""
        # One that a test has left behind, as it failed, would overwrite what this one has written.
        left = f"pkill --full '^[^ ]*python3 {_LOAD} run --disk {self._disk} '"
        self._esx.succeed(f"while {left}; do sleep 0.1; done; rm -f {self._log} {self._stop}")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.wait_for_writes()

    def _run(self) -> None:
        where = f"--disk {self._disk} --log {self._log} --stop-file {self._stop}"
        command = f"{_LOAD} run {where} --rate {self._rate} --blocks 4096 --seconds {self._seconds}"
        self._outcome = self._esx.run(command, timeout=self._seconds + 60).stdout

    def wait_for_writes(self) -> None:
        """Wait until more writes are acknowledged than are now."""
        before = int(self._esx.succeed(f"cat {self._log} 2>/dev/null | wc -l"))
        self._esx.wait_until(f"test $(wc -l <{self._log}) -gt {before + 8}", "writes are acknowledged", 200)

    def writes(self) -> list[writing.Write]:
        """The writes so far."""
        return list(writing.parse(self._esx.read(self._log).splitlines(keepends=True)))

    def judge(self) -> None:
        """End the load; every acknowledged write must be there, and none may have failed."""
        self._esx.succeed(f"touch {self._stop}")
        self._thread.join()
        outcome = json.loads(self._outcome)
        assert outcome["io_errors"] == 0, outcome
        verdict = json.loads(self._esx.run(f"{_LOAD} verify --disk {self._disk} --log {self._log}").stdout)
        assert verdict["lost_writes"] == 0, verdict
        assert verdict["acknowledged_writes"] == outcome["acknowledged_writes"] > 0


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering)
    yield running
    running.judge()


def test_the_disk_is_the_same_after_a_switchover(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """And the state volume is where the replica is promoted, and nowhere else."""
    before = initiator.identity(pair.esx, pair.disk)
    assert (state_volume.is_mounted(active), state_volume.is_mounted(passive)) == (True, False)
    pair.move(passive)
    load.wait_for_writes()
    assert initiator.identity(pair.esx, pair.disk) == before
    assert pair.esx.succeed("iscsiadm -m session").count(IQN) == 1
    assert state_volume.is_mounted(passive)
    wait_until(lambda: not state_volume.is_mounted(active), f"{active} has unmounted the state volume", 60)
    assert "is not mounted" not in passive.succeed("crm_mon -1")


def test_a_power_cut_of_the_active_server(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """What was written to the state volume before an answer is there afterwards, whenever that comes."""
    state_volume.leave_a_file_half_written(active)
    since = passive.journal_cursor()
    active.power_off()
    pair.wait_until_serving(on=passive)
    load.wait_for_writes()
    assert state_volume.take_the_files(passive) == ("newer", "old")
    # DRBD asked, and was told that the peer has been shot: nothing else lets I/O go on.
    fence_answer.wait_for(passive, fence_answer.PEER_FENCED, since)
    pair.recover()
    assert pair.wait_until_serving() is passive, "the SAN moved back by itself"
    assert "drbd-fence-by-handler" not in passive.succeed("cibadmin --query")


@pytest.mark.soak
def test_a_kernel_crash_of_the_active_server(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    active.crash()
    pair.wait_until_serving(on=passive)
    load.wait_for_writes()


@pytest.mark.soak
def test_a_disk_dies_and_then_its_server(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """The worst case for the cluster's bookkeeping: the coordinator dies when the survivor has seen that all is not
    well (agents/drbd-vaai, _next_to_serve).
    """
    if f"Current DC: {passive} " in active.succeed("crm_mon -1"):
        pair.move(passive)
        active, passive = passive, active
    journal = f"journalctl --since=@{time.time():.0f}"
    active.succeed("drbdadm detach san")
    load.wait_for_writes()
    passive.wait_until(f"{journal} -t 'drbd-vaai(p_drbd)' | grep -q 'one copy only'", "the monitor has seen it", 60)
    active.power_off()
    pair.wait_until_serving(on=passive)
    load.wait_for_writes()
    assert "did not send cancel result" not in passive.succeed(journal)


@pytest.mark.soak
def test_a_server_dies_as_a_resync_to_the_other_ends(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """The coordinator dies before the next monitor of the survivor, whose last one saw the resync (agents/drbd-vaai,
    _next_to_serve).
    """
    if f"Current DC: {passive} " in active.succeed("crm_mon -1"):
        pair.move(passive)
        active, passive = passive, active
    journal = f"journalctl --since=@{time.time():.0f}"
    for server in (active, passive):
        server.succeed("drbdsetup disk-options 0 --c-plan-ahead=0 --resync-rate=200K --c-min-rate=0")
    passive.succeed("drbdadm invalidate san/0")
    passive.wait_until(f"{journal} -t 'drbd-vaai(p_drbd)' | grep -q resynchronising", "the monitor has seen it", 60)
    for server in (active, passive):
        server.succeed("drbdadm adjust san")
    pair.wait_until_in_sync()
    active.power_off()
    pair.wait_until_serving(on=passive, timeout=60)
    load.wait_for_writes()
    assert "did not send cancel result" not in passive.succeed(journal)


@pytest.mark.soak
def test_a_power_cut_of_the_passive_server(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    passive.power_off()
    load.wait_for_writes()
    wait_until(lambda: passive.is_on, f"{passive} has been fenced and powered on", 120)
    load.wait_for_writes()
    assert pair.wait_until_serving() is active


def test_replicas_are_equal_at_the_end(pair: Pair) -> None:
    assert pair.verify_replicas() == 0
