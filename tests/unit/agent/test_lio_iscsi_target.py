# SPDX-License-Identifier: GPL-2.0-or-later
"""lio-iscsi-target, on a fake of LIO's tree."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs
from tests.unit.agents import reason
from tests.unit.fake_configfs import Kernel, tree
from twinsan.deadline import Deadline
from twinsan.disk import release
from twinsan.host import command, lock, rundir
from twinsan.lio import chap, configfs, portal_group
from twinsan.lio import core as lio_core
from twinsan.network import addresses, listener, tcp_table

IQN = "iqn.2003-01.org.example:san"
GROUP = f"iscsi/{IQN}/tpgt_1"
VALUES = {
    "iqn": IQN,
    "portals": "10.0.5.50 [2001:db8::50]:3261",
    "allowed_initiators": "iqn.1998-01.com.vmware:esx1 iqn.1998-01.com.vmware:esx2",
}
run = agents.Runner("lio-iscsi-target", **VALUES)
lun = agents.Runner("lio-lun", target_iqn=IQN, lun="1", path="/dev/drbd0")
probe = run.probe


@pytest.fixture(params=["6.12"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return fake_configfs.install(monkeypatch, tmp_path, request.param)


def read(kernel: Kernel, place: str) -> str:
    return Path(kernel.root, place).read_text()


EVERY_KERNEL = pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.3"], indirect=True)


@EVERY_KERNEL
def test_a_life(kernel: Kernel) -> None:
    before = tree(kernel.root)
    assert run("monitor") == 7
    assert run("start") == 0
    assert run("monitor") == 0
    assert probe() == 0
    running = tree(kernel.root)
    assert run("start") == 0
    assert tree(kernel.root) == running
    assert run("stop") == 0
    assert run("monitor") == 7
    left = tree(kernel.root)
    assert {place for place in left if not place.startswith("iscsi")} == set(before)
    assert not [place for place in left if "iqn." in place]
    assert run("stop") == 0


@EVERY_KERNEL
def test_it_is_as_declared(kernel: Kernel) -> None:
    run("start")
    assert sorted(os.listdir(f"{kernel.root}/{GROUP}/np")) == ["10.0.5.50:3260", "[2001:db8::50]:3261"]
    assert sorted(os.listdir(f"{kernel.root}/{GROUP}/acls")) == VALUES["allowed_initiators"].split()
    assert read(kernel, f"{GROUP}/attrib/generate_node_acls") == "0\n"
    assert read(kernel, f"{GROUP}/attrib/demo_mode_discovery") == "0\n"
    assert read(kernel, f"{GROUP}/attrib/authentication") == "0\n"
    assert read(kernel, f"{GROUP}/param/MaxRecvDataSegmentLength") == "262144\n"
    assert read(kernel, f"{GROUP}/acls/iqn.1998-01.com.vmware:esx1/cmdsn_depth") == "128\n"


def test_the_relative_port_does_not_depend_on_the_order_of_starts(kernel: Kernel) -> None:
    run("start", iqn="iqn.2003-01.org.example:other", portals="10.0.5.51")
    run("start", relative_port="2")
    rtpi = Path(kernel.root, GROUP, "rtpi")
    assert rtpi.read_text() == "0x2\n"
    run("stop", iqn="iqn.2003-01.org.example:other")
    run("stop")
    run("start", relative_port="2")
    assert rtpi.read_text() == "0x2\n"


def test_nobody_can_log_in_before_it_is_complete(kernel: Kernel) -> None:
    run("start")
    changes = list(kernel.changes)
    portals = [at for at, change in enumerate(changes) if "/np/" in change]
    assert min(portals) > max(at for at, change in enumerate(changes) if "/acls/" in change or "/attrib/" in change)
    assert f"write {GROUP}/enable" not in changes
    lun("start")
    assert kernel.changes[-1] == f"write {GROUP}/enable"


def test_a_target_that_stands_by_accepts_no_logins(kernel: Kernel) -> None:
    """Neither after its start nor after a change: only a LUN opens it, the last one closes it."""
    run("start")
    run("reload-agent", queue_depth="64")
    assert read(kernel, f"{GROUP}/enable") == "0\n"
    lun("start")
    assert read(kernel, f"{GROUP}/enable") == "1\n"
    lun("stop")
    run("start")
    assert read(kernel, f"{GROUP}/enable") == "0\n"
    assert run("monitor") == 0


def test_a_session_keeps_its_queue_depth_until_the_luns_come_back(kernel: Kernel) -> None:
    """The target stays when the LUNs move away and back, and nobody starts it."""
    run("start")
    lun("start")
    acl = Path(kernel.root, GROUP, "acls/iqn.1998-01.com.vmware:esx1")
    alone = (acl / "info").read_text()
    (acl / "info").write_text("InitiatorName: iqn.1998-01.com.vmware:esx1\n")
    run("reload-agent", queue_depth="64")
    assert (acl / "cmdsn_depth").read_text() == "128\n"
    lun("stop")
    (acl / "info").write_text(alone)
    lun("start")
    assert (acl / "cmdsn_depth").read_text() == "64\n"


def test_chap_is_written_without_a_newline(kernel: Kernel) -> None:
    assert run("start", incoming_username="esx", incoming_password="0123456789abcdef") == 0
    for initiator in VALUES["allowed_initiators"].split():
        assert read(kernel, f"{GROUP}/acls/{initiator}/auth/userid") == "esx"
        assert read(kernel, f"{GROUP}/acls/{initiator}/auth/password") == "0123456789abcdef"
    assert read(kernel, f"{GROUP}/attrib/authentication") == "1\n"


@pytest.mark.usefixtures("files_of_root")
def test_a_secret_from_a_file(kernel: Kernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("fedcba9876543210\n")
    secret.chmod(0o640)
    values = {"incoming_username": "esx", "incoming_password_file": str(secret)}
    assert run("start", **values) == 2
    assert "chmod 600" in reason(capsys)
    assert not Path(kernel.root, "iscsi").exists()
    secret.chmod(0o600)
    assert run("start", **values) == 0
    assert read(kernel, f"{GROUP}/acls/iqn.1998-01.com.vmware:esx1/auth/password") == "fedcba9876543210"
    assert "fedcba" not in "".join(capsys.readouterr())
    assert run("monitor", incoming_username="esx", incoming_password_file="/nowhere") == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iqn": ""}, "iqn is required"),
        ({"iqn": "iqn.2003-01.org.example:../../core"}, "iqn"),
        ({"iqn": "san"}, "iqn"),
        ({"portals": ""}, "portals is required"),
        ({"portals": "0.0.0.0"}, "wildcard_portals"),
        ({"portals": "10.0.5.50 [::]:3260"}, "wildcard_portals"),
        ({"portals": "10.0.5.50:99999"}, "port"),
        ({"portals": "2001:db8::1"}, "brackets"),
        ({"portals": "portal.example.org"}, "address"),
        ({"allowed_initiators": "esx1"}, "allowed_initiators"),
        ({"allowed_initiators": "iqn.1998-01.com.vmware:../x"}, "allowed_initiators"),
        ({"incoming_username": "esx"}, "CHAP needs both"),
        ({"incoming_password": "0123456789abcdef"}, "CHAP needs both"),
        ({"incoming_username": "esx", "incoming_password": "short"}, "12 to 255"),
        ({"incoming_username": "esx", "incoming_password": "NULLNULLNULLNULL"}, "NULL"),
        ({"incoming_username": "NULLesx", "incoming_password": "0123456789abcdef"}, "NULL"),
        ({"additional_parameters": "../enable=0"}, "additional_parameters"),
        ({"additional_parameters": "AuthMethod=None"}, "AuthMethod"),
        ({"additional_parameters": "MaxBurstLength"}, "additional_parameters"),
        ({"queue_depth": "0"}, "queue_depth"),
    ],
)
def test_a_wrong_value_changes_nothing(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    before = tree(kernel.root)
    for action in ("start", "monitor", "validate-all"):
        assert run(action, **changes) == 6
        text = reason(capsys)
        assert words in text
        assert "0123456789abcdef" not in text
    # What could never start is not running, and nothing is left to stop.
    assert probe(**changes) == 7
    assert run("stop", **changes) == 0
    assert tree(kernel.root) == before


def test_a_value_that_the_kernel_refuses_leaves_nothing(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start", additional_parameters="MaxBurstLength=much") == 6
    assert "MaxBurstLength=much" in reason(capsys)
    assert not Path(kernel.root, f"iscsi/{IQN}").exists()


def test_a_portal_of_another_program(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.foreign.add("[2001:db8::50]:3261")
    monkeypatch.setattr(listener, "process_on", lambda address, port: f"tgtd (pid 7) {address} {port}")
    assert run("start", portals="[2001:db8::50]:3261") == 1
    assert "portal [2001:db8::50]:3261 is in use by tgtd (pid 7) 2001:db8::50 3261" in reason(capsys)
    assert not Path(kernel.root, f"iscsi/{IQN}").exists()


def test_one_portal_is_enough_to_serve(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(run.agent, "log", lambda _self, line, _priority=0: logged.append(line))
    monkeypatch.setattr(listener, "process_on", lambda _address, _port: "tgtd (pid 7)")
    kernel.foreign.add("[2001:db8::50]:3261")
    for action in ("start", "reload-agent"):
        assert run(action) == 0
        assert [line for line in logged if "portal [2001:db8::50]:3261 is in use by tgtd (pid 7)" in line]
        logged.clear()
        assert run("monitor") == 190
        assert "does not listen on [2001:db8::50]:3261" in reason(capsys)
    kernel.foreign.clear()
    assert run("start") == 0
    assert run("monitor") == 0


def test_a_portal_that_is_let_go_is_waited_for(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    portals = ["10.0.5.50:3260", "[2001:db8::50]:3261"]
    kernel.foreign.update(portals)

    def on(_address: str, _port: int) -> str:
        # One after the other, each as it is asked about.
        if portals:
            kernel.foreign.discard(portals.pop())
        return "tgtd (pid 7)"

    monkeypatch.setattr(listener, "process_on", on)
    assert run("start") == 0
    assert run("monitor") == 0


def test_a_group_that_cannot_be_enabled_at_once(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    write, refusals = configfs.write, [errno.EINVAL, errno.EBUSY]

    def refuse(path: str, value: str) -> None:
        if path.endswith("/tpgt_1/enable") and refusals:
            raise OSError(refusals.pop(), "no", path)
        write(path, value)

    run("start")
    monkeypatch.setattr(configfs, "write", refuse)
    assert lun("start") == 0
    assert lun("monitor") == run("monitor") == 0
    assert refusals == []


def test_a_portal_under_a_wildcard(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start", iqn="iqn.2003-01.org.example:other", portals="0.0.0.0", wildcard_portals="yes")
    before = tree(kernel.root)
    assert run("start", portals="10.0.5.50") == 1
    told = reason(capsys)
    assert "in use by target iqn.2003-01.org.example:other; see: targetcli" in told
    assert "it listens on 0.0.0.0:3260" in told
    assert tree(kernel.root) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda kernel: [
                kernel.rmdir(f"{kernel.root}/{GROUP}/np/{portal}")
                for portal in ("10.0.5.50:3260", "[2001:db8::50]:3261")
            ],
            "does not listen on 10.0.5.50:3260 [2001:db8::50]:3261",
        ),
        (
            lambda kernel: kernel.rmdir(f"{kernel.root}/{GROUP}/acls/iqn.1998-01.com.vmware:esx2"),
            "does not admit iqn.1998-01.com.vmware:esx2",
        ),
    ],
    ids=["portals", "initiator"],
)
def test_a_half_made_target_is_found_and_repaired(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], damage: object, words: str
) -> None:
    run("start")
    whole = tree(kernel.root)
    assert callable(damage)
    damage(kernel)
    for interval in ("0", "10000"):
        assert run("monitor", CRM_meta_interval=interval) == 1
        assert words in reason(capsys)
    assert run("start") == 0
    assert tree(kernel.root) == whole


def test_a_disabled_target_is_well_only_without_luns(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    Path(kernel.root, GROUP, "enable").write_text("0\n")
    assert run("monitor") == 0
    kernel.mkdir(f"{kernel.root}/{GROUP}/lun/lun_1")
    assert run("monitor") == 1
    assert "disabled" in reason(capsys)
    assert run("start") == 0
    assert run("monitor") == 0


def test_one_of_two_portals_is_missed(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    kernel.rmdir(f"{kernel.root}/{GROUP}/np/10.0.5.50:3260")
    assert run("monitor") == 190
    assert reason(capsys).startswith("it does not listen on 10.0.5.50:3260; to repair it")


def write(place: str, value: str) -> Callable[[Kernel], object]:
    return lambda kernel: Path(kernel.root, GROUP, place).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (write("attrib/generate_node_acls", "1"), "generate_node_acls is 1 instead of 0"),
        (write("attrib/authentication", "0"), "authentication is 0 instead of 1"),
        (write("param/ImmediateData", "No"), "ImmediateData is No instead of Yes"),
        (write("acls/iqn.1998-01.com.vmware:esx1/auth/userid", "eve"), "CHAP user name of iqn.1998-01.com.vmware:esx1"),
        (write("acls/iqn.1998-01.com.vmware:esx1/auth/password", "x"), "CHAP secret of iqn.1998-01.com.vmware:esx1"),
        (lambda kernel: kernel.mkdir(f"{kernel.root}/{GROUP}/acls/iqn.eve"), "iqn.eve is admitted as well"),
        (lambda kernel: kernel.mkdir(f"{kernel.root}/{GROUP}/np/10.9.9.9:3260"), "it listens on 10.9.9.9:3260 as well"),
    ],
)
def test_drift_is_named(
    kernel: Kernel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Kernel], object],
    words: str,
) -> None:
    listeners = [tcp_table.Row("10.0.5.50", 3260, "0.0.0.0", 0, "1"), tcp_table.Row("2001:db8::50", 3261, "::", 0, "2")]
    monkeypatch.setattr(tcp_table, "listeners", lambda: listeners)
    with_chap = {"incoming_username": "esx", "incoming_password": "correct-horse-battery"}
    run("start", **with_chap)
    assert run("monitor", OCF_CHECK_LEVEL="10", **with_chap) == 0
    damage(kernel)
    assert run("monitor", **with_chap) == 0, "what sessions do not feel is looked for at level 10"
    assert run("monitor", OCF_CHECK_LEVEL="10", **with_chap) == 190
    told = reason(capsys)
    assert words in told
    assert "correct-horse" not in told
    listeners.clear()
    assert run("monitor", OCF_CHECK_LEVEL="10", **with_chap) == 190
    assert "nothing listens on 10.0.5.50:3260" in reason(capsys)


def test_a_secret_that_was_lost_does_not_fail_a_target_that_works(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("correct-horse-battery\n")
    file.chmod(0o600)
    with_chap = {"incoming_username": "esx", "incoming_password_file": str(file)}
    assert run("start", **with_chap) == 0
    file.unlink()
    assert run("monitor", OCF_CHECK_LEVEL="10", **with_chap) == 190
    assert "copy it from the other node" in reason(capsys)
    file.write_text("short\n")
    file.chmod(0o600)
    assert run("monitor", OCF_CHECK_LEVEL="10", **with_chap) == 190
    assert "has 5 characters" in reason(capsys)


@pytest.mark.parametrize("action", ["start", "reload-agent", "validate-all", "monitor"])
def test_no_secret_is_read_before_core_dumps_are_without_it(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, action: str
) -> None:
    file = tmp_path / "secret"
    file.write_text("correct-horse-battery\n")
    file.chmod(0o600)
    values = {"incoming_username": "esx", "incoming_password_file": str(file), "OCF_CHECK_LEVEL": "10"}
    assert run("start", **values) == 0
    done: list[str] = []
    read_file = chap.read
    monkeypatch.setattr(chap, "keep_out_of_cores", lambda: done.append("kept out"))
    monkeypatch.setattr(chap, "read", lambda path: done.append("read") or read_file(path))  # type: ignore[func-returns-value]
    run(action, **values)
    assert done[:2] == ["kept out", "read"]


def test_what_is_not_declared_goes(kernel: Kernel) -> None:
    run("start")
    run("start", portals="10.0.5.51", allowed_initiators="iqn.1998-01.com.vmware:esx2")
    assert os.listdir(f"{kernel.root}/{GROUP}/np") == ["10.0.5.51:3260"]
    assert os.listdir(f"{kernel.root}/{GROUP}/acls") == ["iqn.1998-01.com.vmware:esx2"]


def test_every_interrupted_start_is_repaired_and_stopped(kernel: Kernel) -> None:
    run("start")
    run("stop")
    kernel.changes.clear()
    run("start")
    whole, changes = tree(kernel.root), kernel.changes.copy()
    run("stop")
    bare = tree(kernel.root)
    for step, change in enumerate(changes, start=1):
        for next_action, expected in (("start", whole), ("stop", bare)):
            kernel.changes.clear()
            kernel.fail_at = step
            # The undoing must not help here: an agent that was killed undoes nothing.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("twinsan.lio.target.remove", lambda _: None)
                assert run("start") == (0 if "/np/" in change else 1), "one portal is tried again beside the other"
            kernel.fail_at = 0
            assert run(next_action) == 0
            assert tree(kernel.root) == expected, f"after step {step}"
            assert run("stop") == 0


def test_a_failed_start_undoes_itself(kernel: Kernel) -> None:
    run("start")
    run("stop")
    bare = tree(kernel.root)
    kernel.changes.clear()
    run("start", portals="10.0.5.50")
    steps = len(kernel.changes)
    run("stop")
    for step in range(1, steps + 1):
        kernel.changes.clear()
        kernel.fail_at = step
        run("start", portals="10.0.5.50")
        assert tree(kernel.root) == bare, f"after step {step}"
    kernel.fail_at = 0


def test_stop_takes_everything_that_others_put_there(kernel: Kernel) -> None:
    run("start")
    storage = f"{kernel.root}/core/iblock_0/disk"
    kernel.mkdir(f"{kernel.root}/core/iblock_0")
    kernel.mkdir(storage)
    Path(storage, "control").write_text("udev_path=/dev/drbd1")
    Path(storage, "enable").write_text("1\n")
    unit = f"{kernel.root}/{GROUP}/lun/lun_7"
    kernel.mkdir(unit)
    kernel.symlink(storage, f"{unit}/disk")
    mapped = f"{kernel.root}/{GROUP}/acls/iqn.1998-01.com.vmware:esx1/lun_7"
    kernel.mkdir(mapped)
    kernel.symlink(unit, f"{mapped}/disk")
    kernel.mkdir(f"{kernel.root}/iscsi/{IQN}/tpgt_2")
    Path(kernel.root, GROUP, "np/10.0.5.50:3260/iser").write_text("1\n")
    assert run("stop") == 0
    assert not Path(kernel.root, f"iscsi/{IQN}").exists()
    # The storage object is not the target's.
    assert Path(storage).exists()


def test_stop_releases_the_io_of_luns_that_are_left(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, int]] = []

    def below(device: str, iqn: str, *_: object) -> None:
        asked.append((device, iqn, len(kernel.changes)))

    monkeypatch.setattr(release, "device_io", below)
    run("start")
    agents.Runner("lio-lun", target_iqn=IQN, lun="1", path="/dev/drbd0")("start")
    kernel.changes.clear()
    assert run("stop") == 0
    assert asked == [("/dev/drbd0", IQN, 0)]
    run("start")
    assert run("stop") == 0
    assert len(asked) == 1, "a target without LUNs has none that could be frozen"


@pytest.mark.parametrize(
    ("address", "portal"),
    [("10.0.5.50", "10.0.5.50:3260"), ("2001:db8::50", "[2001:db8::50]:3261"), ("10.0.5.2", ""), ("2001:db8::2", "")],
)
def test_the_portal_that_initiators_reach(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, address: str, portal: str
) -> None:
    run("start")
    monkeypatch.setattr(addresses, "present", lambda: [addresses.AssignedAddress(1, address, 64, 0)])
    assert portal_group.listening_portal(IQN) == portal


def test_a_portal_on_all_addresses_is_always_reached(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    run("start", portals="0.0.0.0", wildcard_portals="yes")
    monkeypatch.setattr(addresses, "present", list)
    assert portal_group.listening_portal(IQN) == "0.0.0.0:3260"


def test_stop_ends_the_sessions_before_anything_goes(kernel: Kernel) -> None:
    run("start")
    lun("start")
    kernel.changes.clear()
    run("stop")
    assert kernel.changes[0] == f"write {GROUP}/enable"


def test_the_folder_for_reservations(kernel: Kernel, tmp_path: Path) -> None:
    run("start")
    assert (tmp_path / "dbroot" / "pr").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "dbroot" / "alua").is_dir()


def test_a_host_without_lio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinsan.lio.configfs.root", str(tmp_path / "nothing"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert agents.Runner("lio-iscsi-target")("monitor") == 7
    assert run("monitor") == 7
    assert run("stop") == 0
    assert os.listdir(tmp_path) == []


SECRET, OTHER = "correct-horse-battery", "staple-of-another-kind"
ESX1, ESX2 = VALUES["allowed_initiators"].split()


def credentials(kernel: Kernel, initiator: str) -> list[str]:
    """Name and secret of an initiator, and those of the target for it."""
    names = ("userid", "password", "userid_mutual", "password_mutual")
    return [read(kernel, f"{GROUP}/acls/{initiator}/auth/{name}").strip() for name in names]


def test_chap_in_both_directions_and_for_one_initiator(kernel: Kernel) -> None:
    common = {"incoming_username": "esx", "incoming_password": SECRET}
    back = {"outgoing_username": "san", "outgoing_password": OTHER}
    own = {"initiator_credentials": f"{ESX2} esx2 {OTHER}"}
    assert run("start", **common, **back, **own) == 0
    assert credentials(kernel, ESX1) == ["esx", SECRET, "san", OTHER]
    assert credentials(kernel, ESX2) == ["esx2", OTHER, "", ""]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outgoing_username": "san"}, "give the secret"),
        ({"outgoing_username": "san", "outgoing_password": OTHER}, "does so first"),
        ({"initiator_credentials": f"{ESX1} esx1 {SECRET}"}, f"{ESX2} has no CHAP credentials"),
        ({"initiator_credentials": f"iqn.1998-01.com.vmware:eve eve {SECRET}"}, "allowed_initiators does not"),
        ({"initiator_credentials": f"{ESX1} {SECRET}"}, "entry 1 of initiator_credentials"),
        ({"initiator_credentials": f"{ESX1} esx1 {SECRET}", "initiator_credentials_file": "/x"}, "not both"),
        ({"incoming_password": SECRET, "incoming_password_file": "/x"}, "not both"),
        ({"demo_mode": "yes"}, "demo_mode"),
    ],
)
def test_credentials_that_do_not_go_together(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    assert run("start", **changes) == 6
    text = reason(capsys)
    assert words in text
    assert SECRET not in text
    assert not Path(kernel.root, "iscsi").exists()


def test_demo_mode_is_what_a_parameter_asks_for(kernel: Kernel) -> None:
    run("start", allowed_initiators="")
    assert read(kernel, f"{GROUP}/attrib/generate_node_acls") == "0\n"
    with_chap = {"incoming_username": "esx", "incoming_password": SECRET}
    assert run("start", allowed_initiators="", demo_mode="yes", **with_chap) == 0
    shown = {name: read(kernel, f"{GROUP}/attrib/{name}") for name in ("generate_node_acls", "authentication")}
    assert shown == {"generate_node_acls": "1\n", "authentication": "1\n"}
    assert read(kernel, f"{GROUP}/auth/password") == SECRET


def test_reload_changes_what_is_configured_and_nothing_else(kernel: Kernel) -> None:
    with_chap = {"incoming_username": "esx", "incoming_password": SECRET}
    run("start", **with_chap, outgoing_username="san", outgoing_password=OTHER)
    assert run("reload-agent", **with_chap, outgoing_username="san", outgoing_password=OTHER) == 0
    kernel.changes.clear()
    assert run("reload-agent", **{**with_chap, "incoming_password": OTHER}) == 0
    assert sorted(kernel.changes) == sorted(
        f"write {GROUP}/acls/{initiator}/auth/{name}"
        for initiator in (ESX1, ESX2)
        for name in ("password", "userid_mutual", "password_mutual")
    )
    assert credentials(kernel, ESX1) == ["esx", OTHER, "NULL", "NULL"]
    kernel.changes.clear()
    assert run("reload-agent", **{**with_chap, "incoming_password": OTHER}) == 0
    assert kernel.changes == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"portals": "10.0.5.50 10.0.5.51"}, ["rmdir np/[2001:db8::50]:3261", "mkdir np/10.0.5.51:3260"]),
        ({"allowed_initiators": ESX1}, [f"rmdir acls/{ESX2}"]),
        ({"allowed_initiators": f"{ESX1} {ESX2} {ESX2}0"}, [f"mkdir acls/{ESX2}0"]),
        ({"additional_parameters": "MaxBurstLength=65536"}, ["write param/MaxBurstLength"]),
        ({"additional_parameters": "DataDigest=None"}, ["write param/DataDigest"]),
        (
            {"queue_depth": "64"},
            ["write attrib/default_cmdsn_depth", f"write acls/{ESX1}/cmdsn_depth", f"write acls/{ESX2}/cmdsn_depth"],
        ),
    ],
)
def test_reload_and_back(kernel: Kernel, changes: dict[str, str], expected: list[str]) -> None:
    run("start")
    before = tree(kernel.root)
    kernel.changes.clear()
    assert run("reload-agent", **changes) == 0
    assert [change.replace(f"{GROUP}/", "") for change in kernel.changes] == expected
    assert run("reload-agent") == 0
    assert tree(kernel.root) == before


def test_reload_keeps_the_queue_of_a_session_that_lives(kernel: Kernel) -> None:
    run("start")
    Path(kernel.root, GROUP, "acls", ESX1, "info").write_text("InitiatorName: x\nLIO Session ID: 1\n")
    assert run("reload-agent", queue_depth="64") == 0
    assert read(kernel, f"{GROUP}/acls/{ESX1}/cmdsn_depth") == "128\n"
    assert read(kernel, f"{GROUP}/acls/{ESX2}/cmdsn_depth") == "64\n"


def test_reload_of_nothing_makes_nothing(kernel: Kernel) -> None:
    before = tree(kernel.root)
    assert run("reload-agent") == 7
    assert tree(kernel.root) == before


def test_a_new_initiator_sees_the_luns_that_are_meant_for_all(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    lun = agents.Runner("lio-lun", target_iqn=IQN, lun="1", path="/dev/drbd0")
    other = agents.Runner("lio-lun", target_iqn=IQN, lun="2", path="/dev/drbd1", allowed_initiators=ESX1)
    run("start", allowed_initiators=ESX1)
    assert lun("start") == other("start") == 0
    assert run("reload-agent") == 0
    acls = Path(kernel.root, GROUP, "acls")
    assert sorted(path.name for path in (acls / ESX2).glob("lun_*")) == ["lun_1"]
    assert sorted(path.name for path in (acls / ESX1).glob("lun_*")) == ["lun_1", "lun_2"]
    assert lun("monitor") == other("monitor") == 0
    assert run("reload-agent", allowed_initiators=ESX2) == 0
    # To take its last initiator from a LUN is the target's doing: the LUN is as it was.
    assert other("monitor") == 190
    told = reason(capsys)
    assert told.startswith(f"nobody sees it: its target does not admit {ESX1}; type: crm_resource")
    assert f"'{ESX2} {ESX1}'" in told


@pytest.mark.parametrize("first", ["lio-lun", "lio-iscsi-target"])
def test_an_initiator_that_comes_to_target_and_lun_at_once(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    """The cluster does the two reloads of one commit in any order."""
    values = {"target_iqn": IQN, "lun": "2", "path": "/dev/drbd1"}
    lun = agents.Runner("lio-lun", **values)
    run("start", allowed_initiators=ESX1)
    assert lun("start", allowed_initiators=ESX1) == 0
    both = f"{ESX1} {ESX2}"
    if first == "lio-lun":
        assert lun("reload-agent", allowed_initiators=both) == 0
        assert lun("monitor", allowed_initiators=both) == 190
        assert f"does not admit {ESX2}; take it out: crm_resource" in reason(capsys)
        assert run("reload-agent", allowed_initiators=both) == 0
    else:
        assert run("reload-agent", allowed_initiators=both) == 0
        assert not Path(kernel.root, GROUP, f"acls/{ESX2}/lun_2").exists()
        assert lun("monitor", allowed_initiators=ESX1) == 0
        assert lun("reload-agent", allowed_initiators=both) == 0
    assert lun("monitor", OCF_CHECK_LEVEL="10", allowed_initiators=both) == 0
    # Nobody else.
    assert run("reload-agent", allowed_initiators=f"{both} {ESX2}0") == 0
    assert not Path(kernel.root, GROUP, f"acls/{ESX2}0/lun_2").exists()
    assert lun("monitor", OCF_CHECK_LEVEL="10", allowed_initiators=both) == 0
    assert lun("stop") == 0
    assert [name for name in os.listdir(rundir.DIRECTORY) if name.startswith("audience.")] == []


@pytest.mark.parametrize("name", ["lio-lun", "lio-iscsi-target"])
def test_a_monitor_waits_for_the_end_of_a_change(kernel: Kernel, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It could meet an initiator that is admitted and is not shown the LUN yet, or a target that the stop of its last
    LUN has disabled.
    """
    lun = agents.Runner("lio-lun", target_iqn=IQN, lun="1", path="/dev/drbd0")
    run("start")
    assert lun("start") == 0
    whole = {f"{kernel.root}/{GROUP}/enable": "1\n", f"{kernel.root}/{GROUP}/acls/{ESX2}/lun_1/write_protect": "0\n"}
    for path in whole:
        Path(path).write_text("0\n" if path.endswith("enable") else "")
    taken = lock.Held._take

    def end_the_change(self: lock.Held) -> bool:
        assert self.name == lio_core.LOCK
        for path, text in whole.items():
            Path(path).write_text(text)
        return taken(self)

    monkeypatch.setattr(lock.Held, "_take", end_the_change)
    assert (lun if name == "lio-lun" else run)("monitor") == 0


@pytest.mark.parametrize("changes", [{"portals": "10.0.5.300"}, {"allowed_initiators": "esx"}, {"queue_depth": "0"}])
def test_a_wrong_value_does_not_take_down_what_runs(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str]
) -> None:
    run("start")
    before = tree(kernel.root)
    for action in ("monitor", "reload-agent"):
        assert run(action, **changes) == 190
        assert "goes on as it was" in reason(capsys)
    assert tree(kernel.root) == before


def test_a_secret_that_is_not_here_does_not_take_down_what_runs(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    run("start")
    before = tree(kernel.root)
    assert run("reload-agent", incoming_username="esx", incoming_password_file="/nowhere") == 190
    assert "copy it from the other node" in reason(capsys)
    assert tree(kernel.root) == before


def test_a_module_that_went_with_an_upgrade_fails_the_start_of_the_target_that_stands_by(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The module of the LUNs as well: its start would fail at the failover."""
    loaded = tmp_path / "loaded"
    for module in ("target_core_mod", "iscsi_target_mod"):
        (loaded / module).mkdir(parents=True)

    def modprobe(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        return command.Result(argv, 1, "", "Module not found in directory /lib/modules/6.12")

    monkeypatch.setattr(lio_core, "_loaded_modules", str(loaded))
    monkeypatch.setattr(command, "run", modprobe)
    assert run("start") == 5
    assert reason(capsys).startswith("kernel module target_core_iblock cannot be loaded; see")


def test_a_monitor_of_role_stopped_disturbs_nobody(kernel: Kernel) -> None:
    """A configuration of an earlier version has one. It says nothing, whatever is wrong."""
    values = {"crm_feature_set": "3.20.0", "CRM_meta_interval": "30000", "CRM_meta_role": "Stopped"}
    assert run("monitor", **values) == 7
    assert run("monitor", **{**values, "portals": "nowhere"}) == 7
