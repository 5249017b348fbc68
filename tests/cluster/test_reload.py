# SPDX-License-Identifier: GPL-2.0-or-later
"""What changes while hosts use the SAN: parameters, by hand and through the cluster, a device that grows, and CHAP."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, Pair
from tests.cluster import hand

_IQN = "iqn.2003-01.org.example:reload"
_MIB = 1 << 20
_SECRETS = {"incoming_password": "correcthorse12", "outgoing_password": "batterystaple34"}
_NAMES = {"incoming_username": "esxone", "outgoing_username": "sanone"}
# What ps(1) would show, over and over: each command line once. As a program that goes on it sees more than ps started
# again and again, and leaves the guest more of its processor.
_WATCH = """
import os, time
seen = set()
with open("/run/ps.log", "wb", buffering=0) as log:
    while os.path.exists("/run/watching"):
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
                    words = file.read().replace(b"\\0", b" ")
            except OSError:
                continue
            if words not in seen:
                seen.add(words)
                log.write(words + b"\\n")
        time.sleep(0.01)
"""
_CIB_SECRETS = "/var/lib/pacemaker/lrm/secrets"


@pytest.fixture
def grown(passive: Machine) -> Iterator[str]:
    """A device of 64 MiB that can grow."""
    device = passive.succeed("modprobe loop; truncate -s 64M /run/growing; losetup --find --show /run/growing").strip()
    yield device
    passive.run(f"losetup --detach {device}; rm -f /run/growing")


def _session(pair: Pair, iqn: str) -> str:
    """The number of the initiator's session: another one after each login."""
    listed = pair.esx.succeed("iscsiadm -m session")
    return next(line.split()[1] for line in listed.splitlines() if f" {iqn} " in line)


def _login(pair: Pair, iqn: str, portal: str, settings: dict[str, str]) -> int:
    """Log in with these settings of CHAP alone; returns iscsiadm's status."""
    node = f"iscsiadm -m node -T {iqn} -p {portal}"
    names = ("authmethod", "username", "password", "username_in", "password_in")
    method = "CHAP" if settings else "None"
    for name, value in {**dict.fromkeys(names, ""), "authmethod": method, **settings}.items():
        pair.esx.succeed(f"{node} -o update -n node.session.auth.{name} -v '{value}'")
    return pair.esx.run(f"{node} --login").status


def test_all_that_can_change_changes_under_a_session(pair: Pair, passive: Machine, grown: str) -> None:
    target = {"iqn": _IQN, "portals": passive.san_address, "allowed_initiators": INITIATOR}
    chap = {**_NAMES, **_SECRETS}
    lun = {"target_iqn": _IQN, "lun": "1", "path": grown}
    deep = {"OCF_CHECK_LEVEL": "20"}
    hand.expect(passive, 0, "lio-iscsi-target", "start", **target)
    hand.expect(passive, 0, "lio-lun", "start", **lun)
    pair.esx.succeed(f"iscsiadm -m discovery -t sendtargets -p {passive.san_address}")
    assert _login(pair, _IQN, passive.san_address, {}) == 0
    session = _session(pair, _IQN)
    disk = f"/dev/disk/by-path/ip-{passive.san_address}:3260-iscsi-{_IQN}-lun-1"
    try:
        for change in (
            {"portals": f"{passive.san_address} 10.0.5.61"},
            {"allowed_initiators": f"{INITIATOR} {INITIATOR}2"},
            {"additional_parameters": "MaxBurstLength=65536", "queue_depth": "32"},
            chap,
        ):
            hand.expect(passive, 0, "lio-iscsi-target", "reload-agent", **{**target, **change})
            hand.expect(passive, 0, "lio-iscsi-target", "monitor", **{**target, **change}, **deep)
            hand.expect(passive, 0, "lio-lun", "monitor", **lun, **deep)
        passive.succeed(f"truncate -s 96M /run/growing && losetup --set-capacity {grown}")
        told = hand.reason(passive, 190, "lio-lun", "monitor", **lun, **deep)
        assert f"has grown to {96 * _MIB} bytes from {64 * _MIB}" in told
        assert f"--set-parameter size --parameter-value {96 * _MIB}; and have each host look again" in told
        lun.update(size=str(96 * _MIB), emulate_tpu="no", emulate_tpws="no", max_write_same_len="128")
        hand.expect(passive, 0, "lio-lun", "reload-agent", **lun)
        hand.expect(passive, 0, "lio-lun", "monitor", **lun, **deep)
        assert _session(pair, _IQN) == session, "a session that need not die has died"
        pair.esx.succeed("iscsiadm -m session --rescan")
        sizes = pair.esx.succeed("cat /sys/class/block/sd*/size").split()
        assert str(96 * _MIB // 512) in sizes, disk
        # New logins meet what was changed.
        pair.esx.succeed(f"iscsiadm -m node -T {_IQN} -p {passive.san_address} --logout")
        assert _login(pair, _IQN, passive.san_address, {}) == 24, "iscsiadm(8): authorization failure"
        wrong = {"username": "esxone", "password": "wronghorse1234"}
        right = {"username": "esxone", "password": _SECRETS["incoming_password"]}
        back = {"username_in": "sanone", "password_in": _SECRETS["outgoing_password"]}
        assert _login(pair, _IQN, passive.san_address, wrong) == 24
        assert _login(pair, _IQN, passive.san_address, {**right, **back, "password_in": "wrongstaple567"}) != 0
        assert _login(pair, _IQN, passive.san_address, {**right, **back}) == 0
    finally:
        node = f"iscsiadm -m node -T {_IQN} -p {passive.san_address}"
        pair.esx.run(f"{node} --logout; {node} -o delete")
        hand.expect(passive, 0, "lio-lun", "stop", **lun)
        hand.expect(passive, 0, "lio-iscsi-target", "stop", **target)


def test_the_cluster_reloads_instead_of_restarting(started: Pair, active: Machine) -> None:
    pair, session = started, _session(started, IQN)
    place = f"{hand.CONFIGFS}/core/iblock_*/san-lun1-*/attrib/max_unmap_lba_count"
    since = active.succeed("date +%s.%N").strip()
    active.succeed("crm_resource --resource p_lun1 --set-parameter max_unmap_lba_count --parameter-value 8192")
    active.wait_until(f"grep -qx 8192 {place}", "the LUN has its new limit", 60)
    # A wrong value is told, and takes nothing down.
    active.succeed("crm_resource --resource p_lun1 --set-parameter max_unmap_lba_count --parameter-value many")
    active.wait_until("crm_mon -1 | grep -q 'max_unmap_lba_count is not a whole number'", "the error is shown", 60)
    active.succeed("crm_resource --resource p_lun1 --delete-parameter max_unmap_lba_count")
    active.wait_until(f"grep -qx 65536 {place}", "the LUN has its old limit", 60)
    # A clean-up amid a reload has the resource probed.
    pair.wait_until_settled()
    active.succeed("crm_resource --resource p_lun1 --cleanup")
    pair.wait_until_settled()
    told = active.journal(f"--since=@{since} --identifier=pacemaker-controld")
    assert "reload" in told
    assert not (changed := re.findall("Result of (start|stop) operation for (p_.*)", told)), changed
    assert _session(pair, IQN) == session


@pytest.mark.soak
def test_what_a_probe_has_found_running_restarts_once(started: Pair, active: Machine) -> None:
    """Pacemaker's scheduler says so, as `twinsan render --diff` tells it, until the cluster has started it anew."""

    def planned() -> list[tuple[str, str]]:
        """What the scheduler would do if a parameter of the LUN changed."""
        change = "crm_resource --resource p_lun1 --set-parameter max_unmap_lba_count --parameter-value 8192"
        active.succeed(f"cibadmin --query >/run/plan.xml && CIB_file=/run/plan.xml {change}")
        plan = active.succeed("crm_simulate --xml-file /run/plan.xml --simulate")
        return re.findall(r"\* (Reload|Restart) +(p_\w+)", plan)

    try:
        assert planned() == [("Reload", "p_lun1")]
        active.succeed("crm_resource --refresh --resource p_lun1")
        started.wait_until_settled()
        assert planned() == [("Restart", "p_lun1"), ("Restart", "p_portal")]
        started.have_started("p_lun1")
        assert planned() == [("Reload", "p_lun1")]
    finally:
        active.run("rm -f /run/plan.xml")


def _give_secrets(pair: Pair) -> None:
    """What cibsecret(8) does between nodes that reach each other by ssh: a file and its checksum on each."""
    for server in pair.servers:
        server.succeed(f"install -d -m 700 {_CIB_SECRETS} {_CIB_SECRETS}/p_target")
        for name, secret in _SECRETS.items():
            digest = hashlib.md5(secret.encode()).hexdigest()
            place = f"{_CIB_SECRETS}/p_target/{name}"
            server.copy({place: secret.encode(), f"{place}.sign": digest.encode()})
            server.succeed(f"chmod 600 {place} {place}.sign")


def _set(server: Machine, values: dict[str, str]) -> None:
    """Change several parameters of the target at once: one without the other would be wrong."""
    pairs = "".join(f'<nvpair id="p_target-{name}" name="{name}" value="{value}"/>' for name, value in values.items())
    xml = f'<instance_attributes id="p_target-parameters">{pairs}</instance_attributes>'
    server.succeed(f"cibadmin --modify --xml-text '{xml}'")


@pytest.mark.soak
def test_secrets_of_the_cib_leave_no_trace(started: Pair, active: Machine) -> None:
    pair, session = started, _session(started, IQN)
    _give_secrets(pair)
    for server in pair.servers:
        server.copy({"/run/watch.py": _WATCH.encode()})
        server.succeed("touch /run/watching; setsid python3 -IS /run/watch.py >/dev/null 2>&1 </dev/null &")
    configured = "//instance_attributes[@id='p_target-parameters']"
    before = active.succeed(f'cibadmin --query --xpath "{configured}"')
    group = f"{hand.CONFIGFS}/iscsi/{IQN}/tpgt_1"
    try:
        _set(active, {**_NAMES, **dict.fromkeys(_SECRETS, "lrm://")})
        active.wait_until(f"grep -qx 1 {group}/attrib/authentication", "the target wants CHAP", 60)
        assert _session(pair, IQN) == session
        active.wait_until("grep -q 'lio-iscsi-target monitor' /run/ps.log", "a monitor was seen by ps", 60)
        # A failover brings them to the other node.
        pair.move(pair.zeus if active is pair.atlas else pair.atlas)
        pair.esx.succeed(f"iscsiadm -m node -T {IQN} -p {PORTAL} --logout")
        assert _login(pair, IQN, PORTAL, {}) == 24
        words = {"username": "esxone", "username_in": "sanone"}
        words.update(password=_SECRETS["incoming_password"], password_in=_SECRETS["outgoing_password"])
        assert _login(pair, IQN, PORTAL, words) == 0
        for server in pair.servers:
            server.succeed("rm /run/watching")
            found = _found(server, "incoming_username", *_SECRETS.values())
            assert found.pop("incoming_username") > 0, "what is no secret would be found"
            assert set(found.values()) == {0}, found
    finally:
        for server in pair.servers:
            server.run("rm -f /run/watching /run/watch.py")
        active.succeed("cibadmin --replace --xml-pipe", stdin=before.encode())
        pair.wait_until_serving().wait_until(f"grep -qx 0 {group}/attrib/authentication", "CHAP is off again", 60)
        pair.esx.run(f"iscsiadm -m node -T {IQN} -p {PORTAL} --logout")
        assert _login(pair, IQN, PORTAL, {}) == 0
        for server in pair.servers:
            server.run(f"rm -rf {_CIB_SECRETS}/p_target")


def _found(server: Machine, *texts: str) -> dict[str, int]:
    """How often each text stands anywhere: logs, journal, the CIB of every version, traces, what ps has shown, state
    folders. The script does not have them in its arguments, where it would find itself.
    """
    script = """
        cat >/dev/shm/texts
        exec 2>/dev/null
        for file in /var/lib/pacemaker/pengine/*.bz2; do bzcat "$file"; done | grep -aoFf /dev/shm/texts
        journalctl --boot | grep -oFf /dev/shm/texts
        cibadmin --query | grep -oFf /dev/shm/texts
        ps axww | grep -oFf /dev/shm/texts
        grep -rhaoFf /dev/shm/texts /var/log /var/lib /run /etc /tmp --exclude-dir=p_target --exclude-dir=journal
        rm /dev/shm/texts
    """
    found = server.succeed(script, stdin="".join(f"{text}\n" for text in texts).encode(), timeout=300).split()
    return {text: found.count(text) for text in texts}
