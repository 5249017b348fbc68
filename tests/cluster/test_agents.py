# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents by hand on a real kernel: life cycles, half-made states, parallel starts, and bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import hand

IQN = "iqn.2003-01.org.example:test"
ACL = "iqn.1998-01.com.example:test"
TARGET = {"iqn": IQN, "portals": "10.0.5.60:3260 [fd00::60]:3260", "allowed_initiators": ACL}
_LUNS = 8


@pytest.fixture(scope="module")
def disks(whole_pair: Pair) -> Iterator[dict[str, list[str]]]:
    """Loop devices on both servers, as there may be any number of them."""
    made: dict[str, list[str]] = {}
    for server in whole_pair.servers:
        made[server.name] = server.succeed(
            f"modprobe loop; for n in $(seq {_LUNS}); do"
            " truncate -s 16M /run/disk$n; losetup --find --show /run/disk$n; done"
        ).split()
    yield made
    for server in whole_pair.servers:
        server.run(f"losetup --detach {' '.join(made[server.name])}; rm -f /run/disk*")


@pytest.fixture
def disk(disks: dict[str, list[str]], passive: Machine) -> str:
    return disks[passive.name][0]


@pytest.fixture
def target(passive: Machine) -> Iterator[str]:
    hand.expect(passive, 0, "lio-iscsi-target", "start", **TARGET)
    yield IQN
    hand.expect(passive, 0, "lio-iscsi-target", "stop", **TARGET)


def _lun(number: int, path: str, **more: str) -> dict[str, str]:
    return {"target_iqn": IQN, "lun": str(number), "path": path, **more}


def test_life_of_a_target(passive: Machine) -> None:
    for action, code in (("monitor", 7), ("stop", 0), ("start", 0), ("start", 0), ("monitor", 0)):
        hand.expect(passive, code, "lio-iscsi-target", action, **TARGET)
    listening = passive.succeed("ss -Hltn")
    assert "10.0.5.60:3260" in listening
    assert "[fd00::60]:3260" in listening
    # No access without an entry: neither demo mode nor a cached stranger.
    tpg = f"{hand.CONFIGFS}/iscsi/{IQN}/tpgt_1"
    assert passive.read(f"{tpg}/attrib/generate_node_acls").strip() == "0"
    assert passive.succeed(f"ls {tpg}/acls").split() == [ACL]
    for action, code in (("stop", 0), ("monitor", 7), ("stop", 0)):
        hand.expect(passive, code, "lio-iscsi-target", action, **TARGET)
    assert IQN not in hand.kernel_objects(passive)


def test_reservations_have_a_place(passive: Machine, target: str) -> None:
    root = passive.read(f"{hand.CONFIGFS}/dbroot").strip()
    passive.succeed(f"test -d {root}/pr")


def test_life_of_a_lun(passive: Machine, target: str, disk: str) -> None:
    lun = _lun(1, disk)
    for action, code in (("monitor", 7), ("stop", 0), ("start", 0), ("start", 0), ("monitor", 0)):
        hand.expect(passive, code, "lio-lun", action, **lun)
    store = passive.succeed(f"ls -d {hand.CONFIGFS}/core/iblock_*/*/udev_path | xargs grep -l '^{disk}$'").strip()
    attributes = store.rpartition("/")[0] + "/attrib"
    for name in ("emulate_caw", "emulate_3pc", "emulate_tpu", "emulate_tpws", "force_pr_aptpl"):
        assert passive.read(f"{attributes}/{name}").strip() == "1", name
    serial = passive.read(attributes.replace("/attrib", "/wwn/vpd_unit_serial")).rpartition(": ")[2].strip()
    assert len(serial) >= 25
    assert set(serial) <= set("0123456789abcdef")
    for action, code in (("stop", 0), ("monitor", 7), ("stop", 0)):
        hand.expect(passive, code, "lio-lun", action, **lun)
    passive.succeed(f"python3 -c 'import os; os.open(\"{disk}\", os.O_RDWR | os.O_EXCL)'")


def test_the_serial_comes_from_iqn_and_number(pair: Pair, disks: dict[str, list[str]]) -> None:
    serials = set()
    for server in pair.servers:
        hand.expect(server, 0, "lio-iscsi-target", "start", **TARGET)
        lun = _lun(5, disks[server.name][1])
        hand.expect(server, 0, "lio-lun", "start", **lun)
        serials.add(server.succeed(f"cat {hand.CONFIGFS}/iscsi/{IQN}/tpgt_1/lun/lun_5/*/wwn/vpd_unit_serial"))
        hand.expect(server, 0, "lio-lun", "stop", **lun)
        hand.expect(server, 0, "lio-iscsi-target", "stop", **TARGET)
    assert len(serials) == 1


def test_many_luns_start_and_stop_at_once(passive: Machine, target: str, disks: dict[str, list[str]]) -> None:
    before = hand.kernel_objects(passive)
    for action, code in (("start", 0), ("monitor", 0), ("stop", 0), ("monitor", 7)):
        lines = [
            f"{{ {hand.line('lio-lun', action, **_lun(number, path))}; echo $? >/run/code{number}; }} &"
            for number, path in enumerate(disks[passive.name], start=1)
        ]
        result = passive.run("\n".join([*lines, "wait"]))
        codes = passive.succeed(f"cat {' '.join(f'/run/code{n + 1}' for n in range(_LUNS))}").split()
        assert codes == [str(code)] * _LUNS, result.stderr
    assert hand.kernel_objects(passive) == before


# A start waits for what may pass, within its time.
_SOON = {"CRM_meta_timeout": "6000"}

BAD = [
    ("lio-iscsi-target", 6, "no iSCSI name", {**TARGET, "iqn": "iqn.x"}),
    ("lio-iscsi-target", 6, "required", {**TARGET, "iqn": ""}),
    ("lio-iscsi-target", 6, "portals", {**TARGET, "portals": "10.0.5.60:70000"}),
    ("lio-iscsi-target", 6, "allowed_initiators", {**TARGET, "allowed_initiators": "esx"}),
    ("lio-lun", 6, "lun", _lun(-1, "/dev/loop0")),
    ("lio-lun", 6, "lun", {**_lun(1, "/dev/loop0"), "lun": "abc"}),
    ("lio-lun", 6, "absolute", _lun(1, "loop0")),
    ("lio-lun", 1, "/dev/nowhere", _lun(1, "/dev/nowhere", CRM_meta_timeout="4000")),
    ("lio-lun", 2, "block device", _lun(1, "/etc/hosts")),
    ("lio-lun", None, "Secondary", _lun(1, "/dev/drbd0")),
    ("portal-ip", 6, "ip", {"ip": "10.0.5.300"}),
    ("portal-ip", 6, "cidr_netmask", {"ip": "10.0.5.60", "cidr_netmask": "99"}),
    ("portal-ip", 2, "nic", {"ip": "10.0.5.60", "nic": "nowhere0", **_SOON}),
    ("portal-ip", 2, "network", {"ip": "192.0.2.9", **_SOON}),
    ("portal-ip", None, "10.0.5.4", {"ip": "10.0.5.4", "cidr_netmask": "24", **_SOON}),
    ("drbd-vaai", 6, "required", {"drbd_resource": ""}),
    ("drbd-vaai", 6, "letters", {"drbd_resource": "a/../b"}),
    ("drbd-vaai", None, "nonesuch", {"drbd_resource": "nonesuch"}),
]


@pytest.mark.parametrize(("agent", "code", "words", "parameters"), BAD)
def test_bad_input_changes_nothing(
    passive: Machine, target: str, agent: str, code: int | None, words: str, parameters: dict[str, str]
) -> None:
    before = hand.kernel_objects(passive)
    result = hand.run(passive, agent, "start", **parameters)
    assert result.status in ((1, 2, 5, 6) if code is None else (code,)), result.stderr
    reasons = [line for line in result.stderr.splitlines() if line.startswith("ocf-exit-reason:")]
    assert len(reasons) == 1, result.stderr
    assert words in reasons[0]
    assert hand.kernel_objects(passive) == before
    # Nothing can be running with such a value: a stop that failed would get the node shot.
    hand.expect(passive, 0, agent, "stop", **parameters) if agent != "drbd-vaai" or code == 6 else None


def test_what_somebody_changed_is_named_at_check_level_10(target: str, disk: str, passive: Machine) -> None:
    lun = _lun(1, disk, scsi_sn="0123456789abcdef0123456789")
    hand.expect(passive, 0, "lio-lun", "start", **lun, emulate_tpu="no", emulate_tpws="no")
    storage = passive.succeed(f"readlink -f {hand.CONFIGFS}/iscsi/{IQN}/tpgt_1/lun/lun_1/*-lun1-*").strip()
    level = {"OCF_CHECK_LEVEL": "10"}
    for agent, parameters, place, name in (
        ("lio-iscsi-target", TARGET, f"{hand.CONFIGFS}/iscsi/{IQN}/tpgt_1/param", "DefaultTime2Wait"),
        ("lio-lun", {**lun, "emulate_tpu": "no", "emulate_tpws": "no"}, f"{storage}/attrib", "max_unmap_lba_count"),
    ):
        hand.expect(passive, 0, agent, "monitor", **parameters, **level)
        passive.succeed(f"echo 7 >{place}/{name}")
        hand.expect(passive, 0, agent, "monitor", **parameters)
        assert f"{name} is 7 instead of" in hand.reason(passive, 190, agent, "monitor", **parameters, **level)
        hand.expect(passive, 0, agent, "start", **parameters)
        hand.expect(passive, 0, agent, "monitor", **parameters, **level)
    hand.expect(passive, 0, "lio-lun", "stop", **lun)


def test_a_portal_in_use_is_named(passive: Machine, target: str) -> None:
    passive.copy({"/run/listener.py": b"import socket, time; s = socket.create_server(('', 3999)); time.sleep(120)"})
    passive.succeed("setsid python3 /run/listener.py >/dev/null 2>&1 </dev/null &")
    passive.wait_until("ss -Hltn | grep -q :3999", "something listens", 30)
    before = hand.kernel_objects(passive)
    other = {"iqn": f"{target}-2", "portals": f"{passive.san_address}:3999", "CRM_meta_timeout": "4000"}
    reason = hand.reason(passive, 1, "lio-iscsi-target", "start", **{**TARGET, **other})
    assert "3999" in reason
    assert "in use" in reason
    assert hand.kernel_objects(passive) == before
    passive.succeed("pkill -f '[l]istener.py'")


def test_two_luns_of_one_identity_are_refused(passive: Machine, target: str, disks: dict[str, list[str]]) -> None:
    first, second = disks[passive.name][:2]
    serial = "0123456789abcdef0123456789abcdef"
    hand.expect(passive, 0, "lio-lun", "start", **_lun(1, first, scsi_sn=serial))
    before = hand.kernel_objects(passive)
    result = hand.run(passive, "lio-lun", "start", **_lun(2, second, scsi_sn=serial))
    assert result.status in (1, 2, 6)
    assert "naa" in result.stderr.lower()
    assert hand.kernel_objects(passive) == before
    hand.expect(passive, 0, "lio-lun", "stop", **_lun(1, first, scsi_sn=serial))


def test_a_guest_without_lio_says_not_running_and_loads_nothing(pair: Pair, project: Path) -> None:
    esx = pair.esx
    esx.copy({f"/opt/twinsan/{part}": project / part for part in ("agents", "lib")})
    # drbd-utils has it loaded at boot.
    esx.succeed("modprobe -r drbd")
    modules = esx.read("/proc/modules")
    for agent in ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip"):
        result = esx.run(f"/opt/twinsan/agents/{agent} monitor")
        assert result.status == (6 if agent == "portal-ip" else 7), (agent, result.stderr)
    assert esx.read("/proc/modules") == modules


def test_the_fake_configfs_answers_as_the_kernel_does(passive: Machine, project: Path, disk: str) -> None:
    passive.copy({"/run/contract.py": project / "tests" / "contract" / "test_configfs_contract.py"})
    result = passive.run(f"python3 /run/contract.py {disk}")
    assert result.status == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)
