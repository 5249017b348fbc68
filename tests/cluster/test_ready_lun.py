# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes by itself, and what does not matter, keep no LUN and no target from being served."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, IQN, Pair
from tests.cluster import hand

_OTHER = "iqn.1998-01.com.example:forgotten"
_TEST_IQN = "iqn.2003-01.org.example:ready"
# The tags around the element of a resource.
_HOLDERS = {"p_target": ('<clone id="c_target">', "</clone>"), "p_lun1": ('<group id="g_san">', "</group>")}
_HOLDER = "/run/holder"
_UNTIL_TOLD = f"[time.sleep(0.05) for _ in iter(lambda: os.path.exists('{_HOLDER}'), False)]"
_HOLDS = f"{_HOLDER}.holds"
# It says itself that it has the device: who tries that by opening it may be the first, and keep it from the holder.
_CLAIM = (
    "import os, time; fd = os.open('/dev/drbd0', os.O_RDONLY | os.O_EXCL); "
    f"open('{_HOLDS}', 'w').close(); {_UNTIL_TOLD}"
)
# 15 is IP_FREEBIND: the address is not here yet; 1 and 2 are SOL_SOCKET and SO_REUSEADDR: it was, with connections.
_LISTEN = (
    "import os, socket, time; s = socket.socket(); s.setsockopt(0, 15, 1); s.setsockopt(1, 2, 1); "
    f"s.bind(('10.0.5.50', 3260)); s.listen(); {_UNTIL_TOLD}"
)


def _session(pair: Pair) -> str:
    return next(line for line in pair.esx.succeed("iscsiadm -m session").splitlines() if f" {IQN} " in line)


def _shown(server: Machine, words: str) -> None:
    server.wait_until(f"crm_mon -1 | grep -qF {words!r}", f"crm_mon shows {words!r}", 60)


def _set(server: Machine, values: dict[tuple[str, str], str]) -> None:
    """Change parameters of several resources in one commit."""
    changes = "".join(
        f'{begin}<primitive id="{resource}"><instance_attributes id="{resource}-parameters"><nvpair '
        f'id="{resource}-{name}" name="{name}" value="{value}"/></instance_attributes></primitive>{end}'
        for (resource, name), value in values.items()
        for begin, end in [_HOLDERS[resource]]
    )
    server.succeed(f"cibadmin --modify --allow-create --xml-text '<resources>{changes}</resources>'")


def _forget(server: Machine, *names: str) -> None:
    for name in names:
        server.run(f"crm_resource --resource p_lun1 --delete-parameter {name}")


def _clean(pair: Pair, server: Machine) -> None:
    """The cluster shows no failure of the LUN, and that it is not degraded, also after the next monitors. It keeps the
    reason of a monitor that is well by now, until it is told to forget; so it may still have one of DRBD, from an
    earlier test.
    """
    server.succeed("crm_resource --cleanup --resource p_lun1")
    pair.wait_until_settled()
    server.wait_until("! crm_mon -1 | grep -q 'p_lun1 .*-interval monitor'", "all is well", 60)


def _starts(server: Machine, resource: str, since: str) -> list[str]:
    """How the starts of a resource ended on a server, in their order: OK, or what failed."""
    journal = server.journal(f"--since=@{since} --identifier=pacemaker-controld")
    result = f"Result of start operation for {resource} on {server}: "
    return [line.partition(result)[2] for line in journal.splitlines() if result in line]


def _now(server: Machine) -> str:
    return server.succeed("date +%s.%N").strip()


@pytest.fixture
def disk(passive: Machine) -> Iterator[str]:
    device = passive.succeed("modprobe loop; truncate -s 16M /run/ready; losetup --find --show /run/ready").strip()
    yield device
    passive.run(f"losetup --detach {device}; rm -f /run/ready")


def _hold(server: Machine, script: str) -> None:
    """Run something in the background that is in the way until it is let go."""
    server.succeed(f'touch {_HOLDER}; setsid python3 -c "{script}" >/dev/null 2>&1 </dev/null &')


def _let_go_once_waited_for(server: Machine, agent: str, since: str) -> None:
    waits = f"journalctl --since=@{since} --identifier='{agent}' | grep -q 'waiting, for this may pass'"
    server.wait_until(waits, f"{agent} waits for what is in its way", 60)
    server.succeed(f"rm {_HOLDER}")


def test_a_forgotten_initiator_and_a_grown_device_are_shown_and_served(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """Both are shown within a monitor's interval; the SAN moves all the same, and serves within 60 s. What the reasons
    say to type makes all well.
    """
    pair, size = recovering, active.succeed("blockdev --getsize64 /dev/drbd0").strip()
    command = "crm_resource --resource p_lun1 --set-parameter"
    try:
        _set(active, {("p_lun1", "allowed_initiators"): f"{INITIATOR} {_OTHER}", ("p_lun1", "size"): "4096"})
        _shown(active, f"/dev/drbd0 has grown to {size} bytes from 4096; type: {command} size")
        pair.esx.succeed(f"dd if={pair.disk} of=/dev/null bs=4k count=1 iflag=direct")
        pair.move(passive)
        pair.wait_until_serving(on=passive, timeout=60)
        pair.esx.succeed(f"dd if={pair.disk} of=/dev/null bs=4k count=1 iflag=direct")
        _shown(passive, f"/dev/drbd0 has grown to {size} bytes from 4096; type: {command} size")
        passive.succeed(f"{command} size --parameter-value {size}")
        _shown(passive, f"its target does not admit {_OTHER}; take it out: {command}")
        passive.succeed(f"{command} allowed_initiators --parameter-value '{INITIATOR}'")
        _clean(pair, passive)
    finally:
        _forget(active, "allowed_initiators", "size")


def test_an_initiator_comes_to_target_and_lun_in_one_commit(started: Pair, active: Machine) -> None:
    """Both are applied, nothing restarts, and the session lives: the SAN serves all the time."""
    pair, session = started, _session(started)
    listed = active.succeed("crm_resource --resource p_target --get-parameter allowed_initiators").strip()
    seen = f"{hand.CONFIGFS}/iscsi/{IQN}/tpgt_1/acls/{_OTHER}/lun_1"
    _set(active, {("p_lun1", "allowed_initiators"): INITIATOR})
    pair.wait_until_settled()
    since = _now(active)
    try:
        lun = {("p_lun1", "allowed_initiators"): f"{INITIATOR} {_OTHER}"}
        _set(active, {("p_target", "allowed_initiators"): f"{listed} {_OTHER}", **lun})
        active.wait_until(f"grep -qx 0 {seen}/write_protect", "the new initiator is shown the LUN", 30)
        pair.wait_until_settled()
        # What a monitor has met between the two reloads is gone with the next one.
        _clean(pair, active)
        told = active.journal(f"--since=@{since} --identifier=pacemaker-controld")
        assert "reload" in told
        assert not (changed := re.findall("Result of (start|stop) operation for (p_.*)", told)), changed
        assert _session(pair) == session
    finally:
        active.run(f"crm_resource --resource p_target --set-parameter allowed_initiators --parameter-value '{listed}'")
        _forget(active, "allowed_initiators")
        pair.wait_until_settled()


@pytest.mark.parametrize("order", [("lio-lun", "lio-iscsi-target"), ("lio-iscsi-target", "lio-lun")])
def test_the_order_of_the_two_reloads_does_not_matter(passive: Machine, disk: str, order: tuple[str, str]) -> None:
    """Whichever comes first: after both the new initiator sees the LUN."""
    before, after = {"allowed_initiators": INITIATOR}, {"allowed_initiators": f"{INITIATOR} {_OTHER}"}
    common = {
        "lio-iscsi-target": {"iqn": _TEST_IQN, "portals": passive.san_address},
        "lio-lun": {"target_iqn": _TEST_IQN, "lun": "1", "path": disk},
    }
    try:
        for agent, values in common.items():
            hand.expect(passive, 0, agent, "start", **values, **before)
        for agent in order:
            hand.expect(passive, 0, agent, "reload-agent", **common[agent], **after)
        for agent, values in common.items():
            hand.expect(passive, 0, agent, "monitor", **values, **after, OCF_CHECK_LEVEL="10")
        passive.succeed(f"test -e {hand.CONFIGFS}/iscsi/{_TEST_IQN}/tpgt_1/acls/{_OTHER}/lun_1")
    finally:
        for agent in reversed(common):
            hand.expect(passive, 0, agent, "stop", **common[agent])


def test_a_device_that_somebody_holds_at_the_start_of_the_lun(recovering: Pair, active: Machine) -> None:
    """The start waits, and fails not once; the SAN serves within 30 s of the moment that the device is let go."""
    pair, role = recovering, "crm_resource --resource p_lun1 --meta"
    since = _now(active)
    active.succeed(f"{role} --set-parameter target-role --parameter-value Stopped")
    active.wait_until("crm_mon -1 --inactive | grep -q 'p_lun1.*Stopped'", "the LUN is stopped", 60)
    try:
        _hold(active, _CLAIM)
        active.wait_until(f"test -e {_HOLDS}", "it is held", 20)
        active.succeed(f"{role} --delete-parameter target-role")
        _let_go_once_waited_for(active, "lio-lun(p_lun1)", since)
        pair.wait_until_serving(on=active, timeout=30)
        assert _starts(active, "p_lun1", since) == ["OK"]
    finally:
        active.run(f"rm -f {_HOLDER} {_HOLDS}; {role} --delete-parameter target-role")


def test_a_portal_that_somebody_has_at_the_start_of_the_target(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """The start waits, and fails not once, while the other node serves."""
    pair, since = recovering, _now(passive)
    session = _session(pair)
    pair.standby(passive)
    try:
        passive.wait_until(f"! test -e {hand.CONFIGFS}/iscsi/{IQN}", "the target is stopped", 60)
        _hold(passive, _LISTEN)
        passive.wait_until("ss -Hltn | grep -q 10.0.5.50:3260", "somebody listens", 20)
        pair.standby(passive, False)
        _let_go_once_waited_for(passive, "lio-iscsi-target(p_target)", since)
        pair.wait_until_settled()
        assert _starts(passive, "p_target", since) == ["OK"]
        assert _session(pair) == session
    finally:
        passive.run(f"rm -f {_HOLDER}")
        pair.standby(passive, False)
