# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD's handlers and reasons: what they could not settle at once is settled later, and each command that a reason
prints heals the state in which it is printed. Every test ends with the SAN serving.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import CONNECTED, RESOURCE, UP_TO_DATE, Pair
from tests.cluster import fence_answer
from tests.cluster.test_drbd_states import by_hand, monitor, well, write  # noqa: F401  the first one is a fixture
from twinsan.drbd import setup

CONSTRAINT = "drbd-fence-by-handler-san-ms_drbd"
STANDS = f"cibadmin --query --xpath \"//rsc_location[@id='{CONSTRAINT}']\" 2>/dev/null"
FROZEN = "drbdsetup events2 --now san | grep -q suspended:fencing"
RES = "/etc/drbd.d/san.res"
# Once, and only for the handler.
SLOW = """#!/bin/sh
if grep -q fence-peer /proc/$PPID/cmdline && mkdir /run/slow-once 2>/dev/null; then sleep 12; fi
exec /run/real-drbdsetup "$@"
"""


class Write:
    """A write of the initiator that goes on beside the test."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        command = f"dd if=/dev/zero of={self._pair.disk} bs=4096 count=1 seek=30001 oflag=direct 2>&1"
        self._words = self._pair.esx.run(command, timeout=1000).stdout
        self.ended.set()

    def judge(self, seconds: float) -> None:
        """It has to succeed within a time."""
        assert self.ended.wait(seconds), f"the write did not end within {seconds} s"
        self._thread.join()
        assert "1+0 records out" in self._words, self._words


@pytest.fixture
def cut(recovering: Pair, active: Machine, passive: Machine) -> Iterator[None]:
    """The replication network is cut, and mended at the end of the test at the latest."""
    passive.succeed(f"ip route add blackhole {active.san_address}/32")
    yield
    if passive.is_on:
        passive.run(f"ip route del blackhole {active.san_address}/32")


def shown(server: Machine, words: str, timeout: float = 60) -> str:
    """What crm_mon shows, once it shows `words`."""
    server.wait_until(f"crm_mon -1 | grep -q -- '{words}'", f"crm_mon shows: {words}", timeout)
    return server.succeed("crm_mon -1")


def said(server: Machine, words: str, timeout: float = 60) -> str:
    """What the replica's agent wrote to the log, once it has written `words`."""
    log = "journalctl --boot --identifier='drbd-vaai(p_drbd)' --since=-2min"
    server.wait_until(f"{log} | grep -q -- '{words}'", f"the log says: {words}", timeout)
    return server.succeed(log)


@pytest.fixture
def slow_once(recovering: Pair, active: Machine) -> Iterator[None]:
    active.copy({"/run/slow-drbdsetup": SLOW.encode()})
    active.succeed(
        f"cp {setup.PROGRAM_8_4} /run/real-drbdsetup; chmod +x /run/slow-drbdsetup;"
        f"mount --bind /run/slow-drbdsetup {setup.PROGRAM_8_4}"
    )
    yield
    active.succeed(f"umount {setup.PROGRAM_8_4}; rm -r /run/slow-once")


def test_drbdsetup_is_slow_once(recovering: Pair, active: Machine, slow_once: None, cut: None) -> None:
    """The handler's first look takes longer than a look may: I/O goes on within 40 s."""
    since = active.journal_cursor()
    Write(recovering).judge(40)
    active.succeed("test -e /run/slow-once")
    fence_answer.wait_for(active, fence_answer.PEER_OUTDATED, since)
    assert recovering.wait_until_serving(timeout=10) is active


@pytest.mark.soak
@pytest.mark.parametrize(
    ("options", "seconds"),
    [("--timeout 15", 25), ("", 700)],
    ids=["a handler of 15 s", "as shipped"],
)
def test_fencing_is_confirmed_late(
    recovering: Pair, active: Machine, passive: Machine, options: str, seconds: float
) -> None:
    """The handler has given up; what crm_mon says is typed, and I/O goes on within 30 s. A host whose own patience has
    ended is back within 60 s: LIO answers no NOP-Out while DRBD has frozen a write of that connection, so that
    open-iscsi gives it up after 25 s, and the write 120 s later.
    """
    active.succeed(f"sed 's#twinsan fence-peer#twinsan fence-peer {options}#' {RES} >/run/san.res")
    active.succeed(f"mount --bind /run/san.res {RES}")
    active.succeed("crm_resource --resource fence_" + passive.name + " --meta -p target-role -v Stopped")
    try:
        active.wait_until(f"crm_mon -1r | grep fence_{passive} | grep -q Stopped", "nobody can be fenced", 30)
        passive.power_off()
        active.wait_until(FROZEN, "I/O is frozen", 60)
        write = Write(recovering)
        active.wait_until("! pgrep -f '[t]winsan fence-peer'", "the handler has given up", seconds, interval=1)
        told = shown(active, "stonith_admin --confirm=")
        patient = seconds < 100
        assert write.ended.is_set() != patient
        assert f"I/O of san is frozen: {passive} " in told, told
        command = re.search(r"stonith_admin --confirm=\w+", told)
        assert command is not None
        active.succeed(command[0])
        if patient:
            write.judge(30)
        else:
            active.wait_until(f"! {FROZEN}", "I/O goes on", 30)
            again = f"dd if=/dev/zero of={recovering.disk} bs=4096 count=1 seek=30001 oflag=direct"
            recovering.esx.wait_until(again, "the host writes again", 60)
        assert recovering.wait_until_serving(timeout=10) is active
        active.succeed(STANDS)
        # The cluster takes it for fenced now, and leaves it off.
        passive.start()
    finally:
        active.succeed(f"umount {RES}")
        active.succeed("crm_resource --resource fence_" + passive.name + " --meta -d target-role")
    passive.wait_for_boot()
    recovering.wait_until_settled()
    recovering.wait_until_in_sync()
    active.wait_until(f"! {STANDS}", "the constraint is gone", 60)


def leave_behind(server: Machine) -> None:
    """A constraint as `server` would make it, which nobody takes away."""
    rule = (
        f'<rsc_location id="{CONSTRAINT}" rsc="ms_drbd"><rule id="drbd-fence-by-handler-san-rule-ms_drbd"'
        ' score="-INFINITY" role="Promoted"><expression id="drbd-fence-by-handler-san-expr-1-ms_drbd"'
        f' attribute="#uname" operation="ne" value="{server}"/></rule></rsc_location>'
    )
    server.succeed(f"cibadmin --create --scope constraints --xml-text '{rule}'")


@pytest.mark.soak
def test_a_constraint_is_left_behind_and_its_maker_boots(recovering: Pair, active: Machine, passive: Machine) -> None:
    """The SAN serves within 180 s, nothing bans anybody within another 60 s, and then the other node can serve."""
    leave_behind(active)
    active.power_off()
    recovering.wait_until_serving(timeout=180)
    active.wait_for_boot()
    recovering.wait_until_in_sync()
    passive.wait_until(f"! {STANDS}", "the constraint is gone", 60)
    recovering.wait_until_settled()
    recovering.move(passive)


def test_a_constraint_that_nobody_in_run_knows_of_is_lifted_by_the_monitor(recovering: Pair, active: Machine) -> None:
    """Within 40 s of the next look, which comes every few minutes."""
    leave_behind(active)
    active.succeed("rm -f /run/twinsan/fence-look.san /run/twinsan/fence-constraint.san")
    active.wait_until(f"! {STANDS}", "the constraint is gone", 40)
    assert recovering.wait_until_serving(timeout=10) is active


def primary_is_well(active: Machine) -> None:
    """The last result of the Primary's monitor is no "degraded", which crm_mon shows until failure-timeout."""
    last = f"//node_state[@uname='{active}']//lrm_rsc_op[@id='p_drbd_monitor_10000']"
    active.wait_until(f'cibadmin --query --xpath "{last}" | grep -q \'rc-code="8"\'', "the monitor is well", 60)


def test_a_node_says_that_it_is_banned(recovering: Pair, active: Machine, passive: Machine, cut: None) -> None:
    """Link down: the other node could not serve, and crm_mon says who has the data, whatever it said at first; the
    monitor is well again within 60 s of the link.
    """
    Write(recovering).judge(40)
    shown(active, "replication of san is down")
    shown(active, "san is banned here since")
    told = said(passive, "san is banned here since")
    assert f"only {active} has all data; bring {active} back" in told
    assert "twinsan unfence-peer --force san" in told
    passive.succeed(f"ip route del blackhole {active.san_address}/32")
    recovering.wait_until_in_sync(60)
    primary_is_well(active)
    assert recovering.wait_until_serving(timeout=10) is active


@pytest.mark.soak
def test_crm_mon_says_that_a_node_cannot_serve_during_its_resync(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """The monitor of the Primary does, and is well again within 60 s of the resync's end. The other replica logs it,
    for its node may have to serve next (agents/drbd-vaai, _next_to_serve).
    """
    journal = f"journalctl --since=@{time.time():.0f} -t 'drbd-vaai(p_drbd)'"
    for server in recovering.servers:
        server.succeed("drbdsetup disk-options 0 --c-plan-ahead=0 --resync-rate=200K --c-min-rate=0")
    passive.succeed(f"drbdadm invalidate {RESOURCE}/0")
    shown(active, "the peer cannot serve until then")
    passive.wait_until(f"{journal} | grep -q 'this node cannot serve until then'", "the other node logs it", 60)
    assert "this node cannot serve" not in active.succeed("crm_mon -1")
    for server in recovering.servers:
        server.succeed(f"drbdadm adjust {RESOURCE}")
    recovering.wait_until_in_sync(120)
    primary_is_well(active)
    assert recovering.wait_until_serving(timeout=10) is active


ACTIVE, PASSIVE, BOTH = "active", "passive", "both"

# A Primary without a disk refuses later to connect to a peer whose new UUIDs have not reached it ("Can only connect to
# data with current UUID"). They have, once the peer has answered a read.
_LOSE_DISKS = (
    "drbdadm detach san && for minor in 0 1; do dd if=/dev/drbd$minor of=/dev/null bs=4k count=1 iflag=direct; done"
)

# Not here are what to type where a node is gone for good, which needs one that is, and what 8.4 never says (quorum).
# A state: who types what; who tells of it, with the exit code; the command that is printed, and on whom it is typed.
STATES = {
    "disconnected on the active": (ACTIVE, "drbdadm disconnect san", ACTIVE, 191, "drbdadm connect san", ACTIVE),
    "disconnected on the active, the passive tells": (
        ACTIVE, "drbdadm disconnect san", PASSIVE, 190, "there: drbdadm adjust san", ACTIVE,
    ),
    "disconnected on the passive": (
        PASSIVE, "drbdadm disconnect san", PASSIVE, 190, "type: drbdadm adjust san", PASSIVE,
    ),
    "disconnected on the passive, the active tells": (
        PASSIVE, "drbdadm disconnect san", ACTIVE, 191, "there: drbdadm adjust san", PASSIVE,
    ),
    "first disk of the active": (ACTIVE, "drbdadm detach san/0", ACTIVE, 191, "then: drbdadm adjust san", ACTIVE),
    "second disk of the active": (ACTIVE, "drbdadm detach san/1", ACTIVE, 191, "then: drbdadm adjust san", ACTIVE),
    "second disk of the passive": (PASSIVE, "drbdadm detach san/1", PASSIVE, 190, "then: drbdadm adjust san", PASSIVE),
    "disks of the passive, the active tells": (
        PASSIVE, "drbdadm detach san", ACTIVE, 191, "there: drbdadm adjust san", PASSIVE,
    ),
    "frozen by hand": (ACTIVE, "drbdsetup suspend-io 0", ACTIVE, 191, "drbdadm resume-io san", ACTIVE),
    "without data": (
        ACTIVE, f"{_LOSE_DISKS} && drbdadm disconnect --force san",
        ACTIVE, 9, "drbdadm connect san; drbdadm wait-connect san && drbdadm adjust san", ACTIVE,
    ),
    "a paused resync": (
        PASSIVE, "drbdadm pause-sync san && drbdadm invalidate san", PASSIVE, 190, "drbdadm resume-sync san", PASSIVE,
    ),
}  # fmt: skip


@pytest.mark.soak
def test_each_printed_command_heals(by_hand: Pair, active: Machine, passive: Machine) -> None:  # noqa: F811
    """On two volumes, in every state of the table; each is healed within 60 s."""
    servers = {ACTIVE: [active], PASSIVE: [passive], BOTH: [passive, active]}
    for server in servers[BOTH]:
        # The monitors that would see that a ban is over have ended with the maintenance mode.
        server.succeed(f"rm -f /run/twinsan/fence-banned.{RESOURCE}")
    for name, (maker, made, teller, code, printed, typist) in STATES.items():
        servers[maker][0].succeed(made)
        told = monitor(servers[teller][0], code)
        assert printed in told[:128], f"{name}: {told}"
        command = printed[printed.index("drbdadm") :].replace("then: ", "")
        for server in servers[typist]:
            server.succeed(command, timeout=100)
        for server in servers[BOTH]:
            server.wait_until(f"{CONNECTED} && {UP_TO_DATE}", f"{name}: healed by {command}", 60)
        well(active, 8)
        well(passive, 0)
    write(active, 2)
    assert by_hand.wait_until_serving(timeout=10) is active
