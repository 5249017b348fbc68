# SPDX-License-Identifier: GPL-2.0-or-later
"""States of DRBD that one answer does not tell (the others are in tests/states): healing, progress, time-outs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import RESOURCE, Pair
from tests.cluster import hand
from twinsan.drbd import setup

# The data, and the state volume.
_MINORS = (0, 1)
_HEALING = re.compile(r"the victim types '([^']+)', then the survivor '([^']+)'")


@pytest.fixture
def by_hand(recovering: Pair, active: Machine, passive: Machine) -> Iterator[Pair]:
    """The cluster looks away, and DRBD asks no fence handler."""
    active.succeed("crm_attribute --name maintenance-mode --update true")
    # Versions of Pacemaker say it in different words.
    active.wait_until("crm_mon -1 | grep -Eqi 'maintenance|unmanaged|disabled'", "the cluster looks away", 60)
    for server in recovering.servers:
        for minor in _MINORS:
            server.succeed(f"drbdsetup disk-options {minor} --fencing=dont-care")
    try:
        yield recovering
        for server in recovering.servers:
            server.run(f"drbdadm adjust {RESOURCE}")
        for server in recovering.servers:
            # A Primary that lost its data takes its disk again only when it has its peer.
            server.succeed(f"timeout 60 drbdadm wait-connect {RESOURCE} && drbdadm adjust {RESOURCE}")
    finally:
        # A monitor that was degraded would begin again only after failure-timeout. Now nothing is stopped for it.
        active.succeed("crm_resource --cleanup --resource p_drbd")
        active.succeed("crm_attribute --name maintenance-mode --update false")


def monitor(server: Machine, code: int) -> str:
    return hand.reason(server, code, "drbd-vaai", "monitor", drbd_resource=RESOURCE)


def well(server: Machine, code: int) -> None:
    assert hand.expect(server, code, "drbd-vaai", "monitor", drbd_resource=RESOURCE) == ""


def write(server: Machine, blocks: int) -> None:
    server.succeed(f"dd if=/dev/urandom of=/dev/drbd0 bs=4k count={blocks} seek=32000 oflag=direct 2>/dev/null")


def test_a_split_brain_and_its_healing(by_hand: Pair, active: Machine, passive: Machine) -> None:
    """Both write alone; each tells what it did and hears of the other. The printed commands heal it."""
    passive.succeed(f"ip route add blackhole {active.san_address}/32")
    for server in (active, passive):
        server.wait_until(f"drbdadm cstate {RESOURCE} | grep -qx WFConnection", "the peer is lost", 60)
    assert "does not answer" in monitor(active, 191)
    write(active, 6)
    passive.succeed(f"drbdadm primary {RESOURCE}")
    monitor(passive, 191)
    write(passive, 2)
    hand.expect(passive, 0, "drbd-vaai", "demote", drbd_resource=RESOURCE)
    passive.succeed(f"ip route del blackhole {active.san_address}/32")
    for server in (active, passive):
        server.wait_until("test -e /run/twinsan/split-brain.san", "DRBD has called the handler", 60)
        server.wait_until(f"drbdadm cstate {RESOURCE} | grep -qx StandAlone", "DRBD refuses the connection", 30)
    told = monitor(active, 191)
    for server, code in ((passive, 190), (active, 191)):
        told = monitor(server, code)
        assert re.search(r"split brain of san; .* Found \d\d:\d\d:\d\d:", told), told
        assert re.search(rf"{passive} was Primary alone from [\d:]+ to [\d:]+ and changed 8 KiB", told), told
        assert re.search(rf"{active} is Primary alone since [\d:]+ and changed \d+ KiB", told), told
    commands = _HEALING.search(told)
    assert commands is not None, told
    passive.succeed(f"set -e; {commands[1]}")
    active.succeed(commands[2])
    by_hand.wait_until_in_sync(60)
    well(active, 8)
    well(passive, 0)
    for server in (active, passive):
        assert server.run("ls /run/twinsan | grep -E '(split-brain|primary-alone).san'").stdout == ""


def test_a_resync_with_its_progress_and_time(by_hand: Pair, active: Machine, passive: Machine) -> None:
    for server in by_hand.servers:
        for minor in _MINORS:
            server.succeed(f"drbdsetup disk-options {minor} --c-plan-ahead=0 --resync-rate=1M --c-min-rate=0")
    passive.succeed(f"drbdadm invalidate {RESOURCE}")
    passive.wait_until("grep -q finish: /proc/drbd", "the resync tells its time", 30)
    for server, code, behind in ((active, 191, "the peer cannot serve"), (passive, 190, "this node cannot serve")):
        told = monitor(server, code)
        assert re.search(r"resynchronising \(Sync(Source|Target), [\d.]+% done, [\d:]+ (s|min|h) left\)", told), told
        assert behind in told
    passive.succeed(f"drbdadm pause-sync {RESOURCE}")
    assert "is paused (user)" in monitor(passive, 190)
    assert "type on the peer: drbdadm resume-sync san" in monitor(active, 191)
    passive.succeed(f"drbdadm resume-sync {RESOURCE}")
    for server in by_hand.servers:
        for minor in _MINORS:
            server.succeed(f"drbdsetup disk-options {minor} --c-plan-ahead=0 --resync-rate=500M --c-min-rate=0")
    by_hand.wait_until_in_sync(60)
    well(active, 8)


def test_a_constraint_that_was_left_behind(recovering: Pair, active: Machine) -> None:
    """The note that a constraint stands is all that the monitor looks at."""
    active.wait_until("! pgrep -f '[t]winsan unfence-peer'", "the handler of the last resync has ended", 60)
    active.succeed("touch /run/twinsan/fence-constraint.san")
    told = monitor(active, 191)
    active.succeed(told.rpartition("type: ")[2])
    well(active, 8)


@pytest.mark.parametrize("action", ["start", "stop", "monitor", "promote", "demote", "notify"])
def test_an_action_ends_in_time_when_drbd_does_not_answer(pair: Pair, passive: Machine, action: str) -> None:
    passive.copy({"/run/hanging": b"#!/bin/sh\nexec sleep 1000\n"})
    seconds = 3
    # What kills it is far beyond the time that the agent was given.
    killer = f"timeout --signal=KILL {10 * seconds}"
    notified = "OCF_RESKEY_CRM_meta_notify_type=post OCF_RESKEY_CRM_meta_notify_operation=stop"
    line = hand.line("drbd-vaai", action, drbd_resource=RESOURCE, CRM_meta_timeout=str(seconds * 1000))
    programs = f"/sbin/drbdadm /sbin/drbdsetup {setup.PROGRAM_8_4}"
    bind = f"for name in {programs}; do mount --bind /run/hanging $(readlink -f $name); done"
    # In a mount namespace of its own: the cluster's agents go on with the real programs.
    script = f"chmod +x /run/hanging; {bind}; {notified} {killer} {line}"
    result = passive.run(["unshare", "--mount", "sh", "-c", script])
    assert result.status == 1, result.stderr
    assert "did not end in time" in result.stderr
