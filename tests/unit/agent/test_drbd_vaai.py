# SPDX-License-Identifier: GPL-2.0-or-later
"""drbd-vaai on a host that is faked below the programs it runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs, fake_drbd, pacemaker
from tests.unit.fake_block_tree import BlockTree
from tests.unit.fake_drbd import FakeHost
from twinsan import fence
from twinsan.drbd import frozen_io, split_brain
from twinsan.drbd import role as drbd_role
from twinsan.drbd import state_volume as state
from twinsan.host import child, durable_file, kernel_files, mount_users, rundir, signals
from twinsan.ocf.environment import Environment

AGENT = agents.load("drbd-vaai")
PROC_8_4 = """\
version: 8.4.11 (api:1/proto:86-101)
srcversion: 059B1B470318F053F5077D5
 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:3048 nr:0 dw:7168 dr:0 al:10 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:99384
\t[>...................] sync'ed:  7.7% (99384/102400)K
\tfinish: 0:01:33 speed: 1,004 (1,004) want: 1,024 K/sec
 1: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:3048 nr:0 dw:7168 dr:0 al:10 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:99384
\t[====>...............] sync'ed: 27.7% (99384/102400)K
\tfinish: 5:01:33 speed: 1,004 (1,004) want: 1,024 K/sec
"""
SCORE = "master-p_drbd"
Action = Callable[[str], int]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(drbd_role, "_SECONDS_FOR_HOLDERS", 0.3)
    return FakeHost(tmp_path, monkeypatch)


class Runner:
    def __init__(self, host: FakeHost, capfd: pytest.CaptureFixture[str]) -> None:
        self.host = host
        self.capfd = capfd
        self.reason = ""

    def __call__(self, action: str, *, milliseconds: int = 2400, interval: int = 10000, **variables: str) -> int:
        call = "probe" if not interval else "monitor-promoted"
        values = {
            **(pacemaker.environment("3.0.0", call) if action == "monitor" else {}),
            "OCF_RESOURCE_INSTANCE": "p_drbd",
            "OCF_RESKEY_drbd_resource": "san",
            "OCF_RESKEY_drbdconf": self.host.configuration,
            "OCF_RESKEY_wfc_timeout": "0",
            "OCF_RESKEY_crm_feature_set": "3.20.0",
            "OCF_RESKEY_CRM_meta_timeout": str(milliseconds),
            "PCMK_logfacility": "none",
            **variables,
        }
        status = AGENT(Environment(values), action).run()
        printed = self.capfd.readouterr().err
        lines = [line for line in printed.splitlines() if line.startswith("ocf-exit-reason:")]
        assert len(lines) <= 1, lines
        self.reason = lines[0].partition(":")[2] if lines else ""
        return status


@pytest.fixture
def run(host: FakeHost, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(host, capfd)


# start


def test_start_brings_up_and_tells_the_score(host: FakeHost, run: Runner) -> None:
    assert run("start") == 0
    assert host.up
    assert host.role == "Secondary"
    assert host.attributes[SCORE] == "10000"


def test_start_loads_the_module_after_the_configuration_was_checked(host: FakeHost, run: Runner) -> None:
    run("start")
    assert [call.split()[0] for call in host.calls[:3]] == ["drbdadm", "modprobe", "drbdsetup"]


def test_start_twice_is_fine(host: FakeHost, run: Runner) -> None:
    assert run("start") == 0
    assert run("start") == 0
    assert host.up


def test_start_demotes_what_it_finds_primary(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    assert run("start") == 0
    assert host.role == "Secondary"


def test_start_tells_the_score_again_although_it_is_the_same(host: FakeHost, run: Runner) -> None:
    run("start")
    run("start")
    assert len(host.ran(f"attrd_updater --name {SCORE}")) == 2


def test_start_goes_on_without_a_peer(host: FakeHost, run: Runner) -> None:
    host.lose_peer()
    assert run("start", OCF_RESKEY_wfc_timeout="1") == 0
    assert host.attributes[SCORE] == "1000"


@pytest.mark.parametrize("given", ["5", "soon"])
def test_start_sees_a_peer_that_connects_while_it_waits(
    host: FakeHost, run: Runner, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Also where it was told wrongly how long: without the peer the score is that of one who may lack data."""
    host.lose_peer()
    plain = host.events2

    def connects() -> str:
        if len(host.ran("drbdsetup events2")) == 4:
            host.find_peer()
        return plain()

    monkeypatch.setattr(host, "events2", connects)
    assert run("start", milliseconds=4800, OCF_RESKEY_wfc_timeout=given) == 0
    assert host.attributes[SCORE] == "10000"


def test_start_of_a_resource_that_drbd_does_not_know_changes_nothing(host: FakeHost, run: Runner) -> None:
    assert run("start", OCF_RESKEY_drbd_resource="nas") == 2
    assert "does not know the resource 'nas'" in run.reason
    assert not host.up
    assert not host.ran("modprobe", "attrd_updater", "drbdsetup")


def test_start_with_a_broken_configuration_tells_the_line(host: FakeHost, run: Runner) -> None:
    host.configuration_error = fake_drbd.PARSE_ERROR
    assert run("start") == 2
    assert "san.res:5: Parse error" in run.reason
    assert "'bogus'" in run.reason


def test_start_without_a_configuration_says_so(run: Runner) -> None:
    assert run("start", OCF_RESKEY_drbdconf="/no/such/drbd.conf") == 2
    assert "/no/such/drbd.conf is missing" in run.reason


def test_start_without_tools_names_the_package(host: FakeHost, run: Runner) -> None:
    host.missing = {"drbdadm"}
    assert run("start") == 5
    assert "drbdadm is missing" in run.reason


def test_start_that_cannot_attach_tells_why(host: FakeHost, run: Runner) -> None:
    host.refusals["adjust"] = [(10, "")] * 20
    assert run("start") == 1
    assert "Can not open backing device" in run.reason


def test_start_waits_for_a_disk_that_somebody_holds_for_a_moment(host: FakeHost, run: Runner) -> None:
    host.refusals["adjust"] = [(10, "")]
    assert run("start") == 0
    assert host.up


def test_start_finds_the_meta_data_of_a_disk_that_has_grown(host: FakeHost, run: Runner) -> None:
    host.grown = True
    assert run("start") == 0
    assert host.up


def test_a_query_that_fails_once_fails_no_action(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    for action, status in (("monitor", 8), ("demote", 0), ("promote", 0), ("stop", 0)):
        host.refusals["events2"] = [(20, "modprobe: ERROR: could not insert 'drbd'\n")]
        assert run(action) == status
        assert host.refusals["events2"] == []


def test_a_cluster_that_cannot_be_told_fails_nothing(host: FakeHost, run: Runner) -> None:
    host.missing = {"attrd_updater"}
    assert run("start") == 0
    assert host.up


def test_by_hand_no_cluster_is_told(host: FakeHost, run: Runner) -> None:
    values = {"OCF_RESKEY_drbd_resource": "san", "OCF_RESKEY_drbdconf": host.configuration, "PCMK_logfacility": "none"}
    assert AGENT(Environment({**values, "OCF_RESKEY_wfc_timeout": "0"}), "start").run() == 0
    assert not host.ran("attrd_updater")


# stop


@pytest.mark.parametrize("role", ["Primary", "Secondary"])
@pytest.mark.parametrize("version", [8, 9])
def test_stop_takes_down_without_drbdadm(host: FakeHost, run: Runner, role: str, version: int) -> None:
    host.version = version
    host.missing = {"drbdadm"}
    host.bring_up(role=role)
    assert run("stop") == 0
    assert not host.up
    assert host.attributes[SCORE] == ""


def test_stop_twice_is_fine(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    assert run("stop") == 0
    assert run("stop") == 0


def test_stop_without_the_module_asks_nobody(host: FakeHost, run: Runner) -> None:
    assert run("stop") == 0
    assert not host.ran("drbd", "modprobe")


def test_stop_of_a_wrong_parameter_is_fine(run: Runner) -> None:
    assert run("stop", OCF_RESKEY_drbd_resource="no/such", OCF_RESKEY_wfc_timeout="x") == 0


def test_stop_names_who_holds_it(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    host.refusals["secondary"] = [(11, fake_drbd.HELD_OPEN_9)] * 20
    assert run("stop") == 1
    assert "mount (pid 1876)" in run.reason
    assert host.up


def test_stop_does_not_claim_success_where_it_cannot_look(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    host.missing = {"drbdsetup"}
    assert run("stop") == 1
    assert "drbdsetup is missing" in run.reason


# monitor


def test_monitor_of_nothing_runs_nothing(host: FakeHost, run: Runner) -> None:
    assert run("monitor") == 7
    assert run("monitor", interval=0) == 7
    assert host.calls == []


def test_monitor_of_an_unconfigured_resource(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.up = False
    assert run("monitor") == 7


@pytest.mark.parametrize(("role", "status"), [("Primary", 8), ("Secondary", 0)])
@pytest.mark.parametrize("version", [8, 9])
def test_monitor_of_what_is_well(host: FakeHost, run: Runner, role: str, status: int, version: int) -> None:
    host.version = version
    host.bring_up(role=role)
    assert run("monitor") == status
    assert run.reason == ""


@pytest.mark.parametrize(("role", "status"), [("Secondary", 0), ("Primary", 191)])
def test_a_wrong_value_does_not_take_down_what_runs(host: FakeHost, run: Runner, role: str, status: int) -> None:
    host.bring_up(role=role)
    assert run("monitor", OCF_RESKEY_wfc_timeout="long") == status
    # A replica that may have to be promoted soon does not say it.
    assert ("wfc_timeout" in run.reason) is bool(status)
    # Of a reload the cluster expects what it expects of a start; with 191 it would make the replica anew.
    assert run("reload-agent", OCF_RESKEY_wfc_timeout="long") == 190
    assert run("start", OCF_RESKEY_wfc_timeout="long") == 0


def test_reload_has_nothing_to_do(host: FakeHost, run: Runner) -> None:
    assert run("reload-agent", OCF_RESKEY_wfc_timeout="3") == 7
    host.bring_up()
    host.calls.clear()
    assert run("reload-agent", OCF_RESKEY_wfc_timeout="3") == 0
    assert [call.split()[1] for call in host.calls] == ["events2"]


def test_monitor_is_one_program_as_long_as_nothing_changes(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    run("monitor")
    host.calls.clear()
    run("monitor")
    assert host.calls == ["drbdsetup events2 --now --statistics san"]


def test_monitor_tells_a_changed_score(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    run("monitor")
    host.lose_peer()
    run("monitor")
    assert host.attributes[SCORE] == "1000"


def test_a_probe_that_finds_it_up_always_tells_the_score(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    run("monitor")
    run("monitor", interval=0)
    assert len(host.ran(f"attrd_updater --name {SCORE}")) == 2


def test_a_score_that_could_not_be_told_is_told_by_the_next_monitor(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    run("monitor")
    host.lose_peer()
    host.missing = {"attrd_updater"}
    run("monitor")
    host.missing = set()
    run("monitor")
    assert host.attributes[SCORE] == "1000"


def test_a_passing_state_does_not_cost_the_score(host: FakeHost, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    host.bring_up(disk="Consistent")
    looks: list[str] = []
    plain = host.events2

    def events2() -> str:
        looks.append("")
        host.disk = "UpToDate" if len(looks) > 2 else "Consistent"
        return plain()

    monkeypatch.setattr(host, "events2", events2)
    assert run("monitor") == 0
    assert host.attributes[SCORE] == "10000"


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ({"role": "Primary", "disk": "Diskless"}, 191, "local disk of san is gone"),
        ({"role": "Primary", "suspended": "fencing"}, 191, "frozen until the lost peer is fenced"),
        ({"role": "Primary", "suspended": "user"}, 191, "drbdadm resume-io san"),
        ({"role": "Primary", "replication": "SyncSource", "peer_disk": "Inconsistent"}, 191, "resynchronising"),
        ({"connection": "StandAlone", "peer_disk": "DUnknown", "replication": "Off"}, 190, "is cut (StandAlone)"),
        ({"forced": "yes"}, 190, "demoted by force"),
        ({"disk": "Diskless"}, 190, "local disk of san is gone"),
        ({"disk": "Inconsistent", "replication": "PausedSyncT"}, 190, "is paused"),
        ({"disk": "Inconsistent", "replication": "SyncSource", "peer_disk": "Inconsistent"}, 190, "resynchronising"),
        ({"role": "Primary", "disk": "Diskless", "peer_disk": "Inconsistent"}, 9, "Primary without data"),
    ],
)
def test_monitor_of_what_is_not_well(
    host: FakeHost, run: Runner, state: dict[str, str], status: int, reason: str
) -> None:
    host.bring_up(**state)
    assert run("monitor") == status
    assert reason in run.reason


@pytest.mark.parametrize(
    "state",
    [
        {"connection": "Connecting", "peer_disk": "DUnknown", "replication": "Off"},
        {"peer_disk": "Diskless"},
        {"peer_disk": "Inconsistent", "replication": "SyncSource"},
        {"disk": "Inconsistent", "replication": "SyncTarget"},
        {"disk": "Outdated", "replication": "WFBitMapT"},
        {"disk": "Outdated", "replication": "WFSyncUUID"},
    ],
)
def test_a_replica_that_may_have_to_serve_next_is_never_degraded_for_the_cluster(
    host: FakeHost, run: Runner, state: dict[str, str]
) -> None:
    host.bring_up(**state)
    assert run("monitor") == 0
    assert run.reason == ""
    agent = AGENT(Environment({"OCF_RESKEY_drbd_resource": "san", "PCMK_logfacility": "none"}), "monitor")
    assert agent.run() == 190, "an operator is told"


def test_an_old_cluster_is_not_told_what_it_does_not_understand(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary", disk="Diskless")
    assert run("monitor", OCF_RESKEY_crm_feature_set="3.2.0") == 8


def test_a_constraint_that_was_left_behind_is_shown(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    Path(fence.constraint_note("san").path).touch()
    assert run("monitor") == 8, "it is being removed in the background"
    assert run("monitor") == 191
    assert "twinsan unfence-peer san" in run.reason


def test_a_primary_that_is_frozen_for_fencing_decides_again_with_each_monitor(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    Path(fence.undecided_note("san").path).write_text(
        "zeus is lost and not yet fenced; once it is off for sure: type this"
    )
    for monitors in (1, 2):
        assert run("monitor") == 191
        assert run.reason == "I/O of san is frozen: zeus is lost and not yet fenced; once it is off for sure: type this"
        assert len(host.background) == monitors
    run("monitor", interval=0)
    assert len(host.background) == 2, "a probe only looks"


def test_a_promotion_and_a_boot_ask_for_a_look_at_the_constraint(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    for monitors in (1, 2):
        run("monitor")
        assert len(host.background) == 1, monitors
    run("promote")
    run("monitor")
    assert len(host.background) == 1, "the LUNs start beside this one"
    run("monitor")
    assert len(host.background) == 2
    Path(rundir.path("fence-look.san")).unlink()
    run("monitor")
    assert len(host.background) == 3


def test_a_replica_that_is_banned_or_behind_says_who_has_the_data(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.lose_peer()
    Path(fence.ban_note("san").path).write_text("zeus")
    assert run("monitor") == 190
    assert "only zeus has all data; bring zeus back; gone for good: twinsan unfence-peer --force san" in run.reason
    Path(fence.ban_note("san").path).unlink()
    assert run("monitor") == 0
    host.disk = "Outdated"
    assert run("monitor") == 190
    now = time.strftime("%H:%M")
    assert run.reason == (
        f"san is Outdated since {now}, zeus has newer data; "
        "there: drbdadm adjust san; gone for good: drbdadm primary --force san"
    )
    assert len(run.reason) <= 128
    host.connection = "StandAlone"
    run("monitor")
    assert "; type: drbdadm adjust san;" in run.reason


def test_a_split_brain_is_told_with_what_to_type(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary", connection="StandAlone", peer_disk="DUnknown", replication="Off")
    split_brain.record("san")
    assert run("monitor") == 191
    assert "split brain of san; the victim types" in run.reason
    assert "drbdadm connect --discard-my-data san" in run.reason
    assert host.attributes[SCORE] == "10000"


def test_a_replica_that_diverged_is_not_promoted_while_it_waits_for_its_peer(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.lose_peer()
    assert run("monitor") == 0
    assert host.attributes[SCORE] == "1000"
    split_brain.record("san")
    assert run("monitor") == 190
    assert "split brain of san" in run.reason
    assert host.attributes[SCORE] == ""


def test_a_healed_split_brain_is_forgotten(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    split_brain.record("san")
    assert run("monitor") == 8
    host.calls.clear()
    assert run("monitor") == 8
    assert host.calls == ["drbdsetup events2 --now --statistics san"]


def test_8_4_tells_the_progress_of_a_resync_elsewhere(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.proc.write_text(PROC_8_4)
    host.bring_up(role="Primary", peer_disk="Inconsistent", replication="SyncSource")
    assert run("monitor") == 191
    assert "(SyncSource, 7.7% done, 1:33 min left)" in run.reason


def test_progress_that_cannot_be_read_is_left_out(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.bring_up(role="Primary", peer_disk="Inconsistent", replication="SyncSource")
    assert run("monitor") == 191
    assert "(SyncSource)" in run.reason


# promote


@pytest.mark.parametrize("version", [8, 9])
def test_promote(host: FakeHost, run: Runner, version: int) -> None:
    host.version = version
    host.bring_up()
    assert run("promote") == 0
    assert host.role == "Primary"
    assert host.ran("drbdsetup primary") == ["drbdsetup primary 0" if version == 8 else "drbdsetup primary san"]


def test_promote_of_a_primary_asks_nothing_more(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    assert run("promote") == 0
    assert not host.ran("drbdsetup primary")


def test_promote_of_what_is_not_up(run: Runner) -> None:
    assert run("promote") == 1
    assert "is not up" in run.reason


def test_promote_waits_for_a_peer_that_is_being_demoted(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.refusals["primary"] = [(11, fake_drbd.TWO_PRIMARIES)] * 2
    assert run("promote") == 0
    assert len(host.ran("drbdsetup primary")) == 3


def test_promote_beside_a_primary_tells_who_it_is(host: FakeHost, run: Runner) -> None:
    host.bring_up(peer_role="Primary")
    assert run("promote", milliseconds=1000) == 1
    assert "zeus is still Primary of san" in run.reason
    assert not host.ran("drbdsetup primary")


def test_promote_waits_for_a_resync_that_ends_in_time(host: FakeHost, run: Runner) -> None:
    host.bring_up(disk="Inconsistent", replication="SyncTarget")
    assert run("promote", milliseconds=1000) == 1
    assert "until its resync ends" in run.reason
    looks: list[str] = []
    plain = host.events2

    def events2() -> str:
        looks.append("")
        if len(looks) > 2:
            host.end_resync()
        return plain()

    host.events2 = events2  # type: ignore[method-assign]
    assert run("promote") == 0


def test_promote_tries_again_what_failed_once(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.refusals["primary"] = [(20, "a message of the kernel was lost\n")]
    assert run("promote") == 0


@pytest.mark.parametrize("disk", ["Inconsistent", "Outdated", "Diskless"])
def test_promote_without_good_data_is_refused_at_once(host: FakeHost, run: Runner, disk: str) -> None:
    host.bring_up(disk=disk)
    host.lose_peer()
    begin = time.monotonic()
    assert run("promote", milliseconds=6000) == 1
    assert time.monotonic() - begin < 1
    assert disk in run.reason
    assert not host.ran("drbdsetup primary")


def test_promote_of_what_is_only_consistent_is_refused_after_a_while(host: FakeHost, run: Runner) -> None:
    host.bring_up(disk="Consistent")
    host.lose_peer()
    assert run("promote", milliseconds=1000) == 1
    assert "only Consistent" in run.reason
    assert not host.ran("drbdsetup primary")


def test_promote_that_the_fence_handler_does_not_allow(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.lose_peer()
    host.refusals["primary"] = [(11, fake_drbd.NOT_FENCED)] * 20
    assert run("promote", milliseconds=1000) == 1
    assert "fence handler" in run.reason


def test_nothing_is_ever_forced(host: FakeHost, run: Runner) -> None:
    for disk in ("UpToDate", "Consistent", "Inconsistent", "Outdated"):
        host.bring_up(disk=disk, role="Secondary")
        host.lose_peer()
        host.refusals["primary"] = [(17, fake_drbd.NO_DATA)] * 20
        run("promote", milliseconds=500)
    assert not [call for call in host.calls if "--force" in call]


# demote


@pytest.mark.parametrize("version", [8, 9])
def test_demote(host: FakeHost, run: Runner, version: int) -> None:
    host.version = version
    host.bring_up(role="Primary")
    assert run("demote") == 0
    assert host.role == "Secondary"
    assert run("demote") == 0


def test_demote_of_what_is_not_up(run: Runner) -> None:
    assert run("demote") == 7


def test_demote_waits_for_a_probe_that_holds_the_device(host: FakeHost, run: Runner) -> None:
    host.bring_up(role="Primary")
    host.refusals["secondary"] = [(11, fake_drbd.HELD_OPEN_9)]
    assert run("demote") == 0
    assert host.role == "Secondary"


def test_demote_on_8_4_looks_for_the_holder_itself(
    host: FakeHost, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backstore = tmp_path / "core" / "iblock_0" / "lun1"
    backstore.mkdir(parents=True)
    (backstore / "udev_path").write_text("/dev/drbd0\n")
    monkeypatch.setattr("twinsan.host.holders.LIO_BACKSTORES", str(tmp_path / "core"))
    host.version = 8
    host.bring_up(role="Primary")
    host.refusals["secondary"] = [(11, fake_drbd.HELD_OPEN_8_4)] * 20
    assert run("demote") == 1
    assert "LIO backstore iblock_0/lun1" in run.reason


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize("action", ["demote", "stop"])
def test_frozen_io_is_released_first(host: FakeHost, run: Runner, version: int, action: str) -> None:
    host.version = version
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    assert run(action, milliseconds=20000) == 0
    assert host.released == ["Diskless io-error" if version == 8 else "failed"]
    assert host.role == "Secondary"
    # What is attached for the time being comes back: at once where the resource stays, else with the next start.
    assert (host.disk, host.no_data_policy) == ("UpToDate", "suspend-io") or action == "stop"


def test_a_start_after_it_is_as_configured_again(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    assert run("stop", milliseconds=20000) == 0
    assert run("start") == 0
    assert (host.disk, host.no_data_policy) == ("UpToDate", "suspend-io")
    assert not frozen_io.failed_note("san").exists()


def test_a_demotion_that_cannot_bring_the_disk_back_has_demoted(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    host.configuration_error = fake_drbd.PARSE_ERROR
    assert run("demote", milliseconds=4000) == 0
    assert (host.role, host.disk) == ("Secondary", "Diskless")
    assert frozen_io.failed_note("san").exists()


def test_what_could_not_be_brought_back_is_brought_back_before_a_promotion(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.bring_up(disk="Diskless")
    host.no_data_policy = "io-error"
    frozen_io.failed_note("san").create("")
    assert run("promote") == 0
    assert (host.role, host.disk, host.no_data_policy) == ("Primary", "UpToDate", "suspend-io")


@pytest.mark.parametrize("path", ["/dev/drbd0", "/dev/vg/lv"])
def test_frozen_io_of_a_lun_is_not_released_by_its_demotion(
    host: FakeHost, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Also where the LUN is made of a logical volume on the DRBD device."""
    devices = BlockTree(tmp_path, monkeypatch)
    devices.add("drbd0", "147:0")
    devices.add("dm-0", "254:0", below=("drbd0",), path="/dev/vg/lv")
    backstore = tmp_path / "core" / "iblock_0" / "lun1"
    backstore.mkdir(parents=True)
    (backstore / "udev_path").write_text(f"{path}\n")
    monkeypatch.setattr("twinsan.host.holders.LIO_BACKSTORES", str(tmp_path / "core"))
    host.version = 8
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    host.refusals["secondary"] = [(11, fake_drbd.HELD_OPEN_8_4)] * 20
    assert run("demote") == 1
    assert host.released == []
    assert "LIO backstore iblock_0/lun1" in run.reason


# a DRBD that does not answer

HANGING = [
    ("start", "drbdadm -c"),
    ("start", "drbdsetup events2"),
    ("stop", "drbdsetup events2"),
    ("stop", "drbdsetup secondary"),
    ("stop", "drbdsetup down"),
    ("monitor", "drbdsetup events2"),
    ("promote", "drbdsetup events2"),
    ("promote", "drbdsetup primary"),
    ("demote", "drbdsetup events2"),
    ("demote", "drbdsetup secondary"),
]


@pytest.mark.parametrize(("action", "program"), HANGING)
def test_what_hangs_is_named(host: FakeHost, run: Runner, action: str, program: str) -> None:
    host.bring_up(role="Secondary" if action in ("start", "promote") else "Primary")
    host.hanging = (program,)
    assert run(action) == 1
    assert program in run.reason
    assert "did not end in time" in run.reason


def test_a_notification_that_hangs_is_named(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    host.hanging = ("drbdsetup",)
    assert run("notify", OCF_RESKEY_CRM_meta_notify_type="post", OCF_RESKEY_CRM_meta_notify_operation="stop") == 1
    assert "DRBD does not answer" in run.reason


def test_a_release_that_hangs_is_named(host: FakeHost, run: Runner) -> None:
    host.version = 8
    host.bring_up(role="Primary", suspended="fencing")
    host.lose_peer()
    host.hanging = ("drbdsetup detach",)
    assert run("demote", milliseconds=20000) == 1
    assert "drbdsetup detach --force 0 did not end in time" in run.reason
    assert host.role == "Primary"


# the rest


def test_notify_tells_the_score_after_a_change(host: FakeHost, run: Runner) -> None:
    host.bring_up()
    assert run("notify", OCF_RESKEY_CRM_meta_notify_type="pre", OCF_RESKEY_CRM_meta_notify_operation="stop") == 0
    assert host.calls == []
    assert run("notify", OCF_RESKEY_CRM_meta_notify_type="post", OCF_RESKEY_CRM_meta_notify_operation="stop") == 0
    assert host.attributes[SCORE] == "10000"


def test_two_primaries_are_a_wrong_configuration(run: Runner) -> None:
    assert run("start", OCF_RESKEY_CRM_meta_promoted_max="2") == 6
    assert run("monitor", OCF_RESKEY_CRM_meta_master_max="1") == 7


def test_validate_all_needs_neither_a_clone_nor_a_running_resource(host: FakeHost, run: Runner) -> None:
    assert run("validate-all") == 0
    assert not host.up


# The state volume


@pytest.fixture
def state_run(run: Runner) -> Action:
    return lambda action: run(action, OCF_RESKEY_state_device="/dev/drbd1")


def test_the_state_volume_is_mounted_where_it_is_promoted(host: FakeHost, run: Runner, state_run: Action) -> None:
    assert state_run("start") == 0
    assert host.mounts == {}
    assert state_run("promote") == 0
    assert list(host.mounts.values()) == ["/dev/drbd1"]
    (where,) = host.mounts
    assert os.path.realpath(os.path.join(os.path.dirname(where), f"state-of.drbd{host.minor}")) == where
    assert state_run("monitor") == 8
    assert state_run("promote") == 0
    assert len(host.ran("mount")) == 1
    assert state_run("demote") == 0
    assert (host.mounts, host.role) == ({}, "Secondary")
    assert state_run("monitor") == 0


@pytest.mark.parametrize("action", ["demote", "stop", "start"])
def test_it_is_unmounted_before_the_replica_gives_up(
    host: FakeHost, run: Runner, state_run: Action, action: str
) -> None:
    state_run("start")
    state_run("promote")
    host.users = 1
    # Also where the parameter is gone.
    assert run(action) == 0
    assert (host.mounts, host.role) == ({}, "Secondary")


class Processes:
    """Processes with their working directories, below a folder that stands for /proc; `stubborn` only KILL ends."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self.stubborn: set[int] = set()
        self.ended: list[tuple[int, int]] = []
        folder.mkdir()
        monkeypatch.setattr(kernel_files, "PROCESSES", str(folder))
        monkeypatch.setattr(os, "kill", self._kill)
        monkeypatch.setattr(child, "run", lambda work, _deadline, _doing: work())

    def add(self, pid: int, place: str, *, link: str = "cwd") -> None:
        process = self._folder / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text("bash\n")
        (process / "maps").write_text(f"7f00-7f01 r--p 00000000 00:2a 257   {place}\n" if link == "maps" else "")
        if link != "maps":
            (process / link).symlink_to(place)

    def enter(self, pid: int, place: str, device: str) -> None:
        """Let a process have mounts of its own."""
        (self._folder / str(pid) / "ns").mkdir()
        (self._folder / str(pid) / "ns" / "mnt").symlink_to(f"mnt:[{pid}]")
        line = f"36 35 0:42 / {place} rw,noatime - btrfs {device} rw\n"
        (self._folder / str(pid) / "mountinfo").write_text(line)

    def leave(self, pid: int) -> None:
        (self._folder / str(pid) / "mountinfo").write_text("")

    def _kill(self, pid: int, signal: int) -> None:
        self.ended.append((pid, signal))
        if signal == signals.SIGKILL or pid not in self.stubborn:
            shutil.rmtree(self._folder / str(pid))


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    return Processes(tmp_path / "proc", monkeypatch)


def test_who_stays_in_the_state_volume_is_ended(
    host: FakeHost, state_run: Action, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell, of which an interactive one lets no TERM end it, an indexer, and a program that has a file mapped."""
    state_run("start")
    state_run("promote")
    (where,) = host.mounts
    processes.add(101, where)
    processes.add(102, f"{where}/reservations/x (deleted)", link="fd/3")
    processes.add(103, f"{where}/reservations/x", link="maps")
    processes.add(104, f"{where}-of-another")
    processes.add(1, where)
    processes.stubborn = {101}
    monkeypatch.setattr(host, "busy", lambda: mount_users.of(where))
    assert state_run("demote") == 0
    assert (host.mounts, host.role) == ({}, "Secondary")
    assert sorted(set(processes.ended)) == [(101, 9), (101, 15), (102, 15), (103, 15)]
    assert not [call for call in host.calls if "lazy" in call or " -l" in call]


def test_it_is_unmounted_in_a_container_as_well(host: FakeHost, state_run: Action, processes: Processes) -> None:
    """Whose mounts take no part in what is unmounted outside would keep DRBD's device open."""
    state_run("start")
    state_run("promote")
    processes.add(101, "/")
    processes.enter(101, "/run/copy", "/dev/drbd1")
    processes.add(102, "/")
    processes.enter(102, "/run/other", "/dev/sda1")
    host.left = processes.leave
    assert state_run("demote") == 0
    assert host.ran("nsenter") == ["nsenter --mount=/proc/101/ns/mnt umount --recursive /run/copy"]
    assert processes.ended == []


def test_who_looks_for_a_moment_is_not_ended(host: FakeHost, state_run: Action, processes: Processes) -> None:
    state_run("start")
    state_run("promote")
    (where,) = host.mounts
    processes.add(101, where)
    host.users = 1
    assert state_run("demote") == 0
    assert processes.ended == []


def test_a_device_that_is_busy_for_a_moment_is_mounted(host: FakeHost, state_run: Action) -> None:
    host.mount_refusals = [
        "mount: /run/twinsan/state.san: /dev/drbd1 already mounted or mount point busy.",
        "mount: /run/twinsan/state.san: special device /dev/drbd1 does not exist.",
    ]
    state_run("start")
    assert state_run("promote") == 0
    assert list(host.mounts.values()) == ["/dev/drbd1"]


def test_what_does_not_pass_keeps_nobody_waiting(host: FakeHost, state_run: Action) -> None:
    host.mount_complaint = "mount: /run/twinsan/state.san: wrong fs type, bad option, bad superblock on /dev/drbd1."
    state_run("start")
    assert state_run("promote") == 0
    assert len(host.ran("mount")) == 1


def test_a_state_device_that_a_reload_brings_is_mounted(host: FakeHost, run: Runner, state_run: Action) -> None:
    run("start")
    assert run("promote") == 0
    assert state.of("/dev/drbd0", "san").device == ""
    assert state_run("reload-agent") == 0
    (where,) = host.mounts
    assert state_run("monitor") == 8

    # Another one takes its place with the next promotion.
    def other(action: str) -> int:
        return run(action, OCF_RESKEY_state_device="/dev/drbd2")

    assert other("reload-agent") == 0
    assert host.mounts == {where: "/dev/drbd1"}
    assert not state.of("/dev/drbd0", "san").mounted, "its LUNs tell the cluster what is reserved from now on"
    assert other("monitor") == 191
    assert "/dev/drbd1 is the state volume until san moves, and /dev/drbd2 then" in run.reason
    assert other("demote") == 0
    assert other("promote") == 0
    assert host.mounts == {where: "/dev/drbd2"}
    assert state.of("/dev/drbd0", "san").mounted
    # And none.
    assert run("reload-agent") == 0
    assert run("monitor") == 8
    assert not os.path.lexists(rundir.path("state-of.drbd0"))


def test_one_who_looks_into_it_is_named(host: FakeHost, run: Runner, state_run: Action, processes: Processes) -> None:
    state_run("start")
    state_run("promote")
    (where,) = host.mounts
    host.users = 1000
    assert state_run("demote") == 1
    assert f"the state volume of san is in use; end who uses it: fuser -vm {where}; or a loop device" in run.reason
    assert host.role == "Primary"


def test_a_volume_that_cannot_be_mounted_keeps_nobody_from_serving(
    host: FakeHost, run: Runner, state_run: Action
) -> None:
    host.mount_complaint = "mount: wrong fs type, bad option, bad superblock on /dev/drbd1"
    state_run("start")
    assert state_run("promote") == 0
    assert state_run("monitor") == 191
    assert "state device /dev/drbd1 is not mounted" in run.reason
    assert f"type: mount /dev/drbd1 {state.place('san')}; where it is new, first: mkfs.btrfs /dev/drbd1" in run.reason
    host.mount_complaint = ""
    assert state_run("reload-agent") == 0
    assert state_run("monitor") == 8


def test_a_file_system_without_synchronous_files_is_not_used(
    host: FakeHost, state_run: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str) -> None:
        raise OSError(25, "Inappropriate ioctl for device")

    monkeypatch.setattr(durable_file, "make_synchronous", fail)
    state_run("start")
    assert state_run("promote") == 0
    assert host.mounts == {}
    assert state_run("monitor") == 191


@pytest.mark.parametrize(("version", "release"), [(8, "resume-io"), (9, "secondary --force")])
def test_frozen_io_is_released_before_the_volume_is_unmounted(
    host: FakeHost, state_run: Action, version: int, release: str
) -> None:
    host.version = version
    state_run("start")
    state_run("promote")
    host.lose_peer()
    host.suspended = "fencing"
    host.calls.clear()
    assert state_run("demote") == 0
    calls = host.ran(f"drbdsetup {release}", "umount", "drbdsetup secondary")
    assert [call.partition("umount")[1] or call.split()[1] for call in calls] == [
        release.split()[0],
        "umount",
        "secondary",
    ]


# The limits of the disks on both nodes.


LIMITS = "twinsan-device-limits-san"


@pytest.fixture
def served(host: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    """A Primary whose device LIO serves, and whose peer has the same disk."""
    kernel = fake_configfs.install(monkeypatch, tmp_path)
    storage = f"{kernel.root}/core/iblock_1/lun"
    kernel.mkdir(os.path.dirname(storage))
    kernel.mkdir(storage)
    for name, value in {
        "udev_path": "/dev/drbd0",
        "attrib/emulate_tpu": "1",
        "attrib/unmap_granularity": "2048",
    }.items():
        Path(storage, name).write_text(f"{value}\n")
    host.bring_up(role="Primary")
    host.peer_attributes[LIMITS] = f"0:{fake_configfs.disk()}"
    return host


def differ(host: FakeHost, **other: int) -> None:
    """Give the peer another disk, and let the next monitor ask for it."""
    host.peer_attributes[LIMITS] = f"0:{fake_configfs.disk(**other)}"
    Path(rundir.path("device-limits.san")).unlink()


def test_each_node_tells_what_its_disks_can_do(host: FakeHost, run: Runner) -> None:
    run("start")
    prospect = "would.0:block_size=512,physical_block_size=4096,emulate_rsoc="
    assert host.attributes[LIMITS].startswith(f"0:{fake_configfs.disk()} {prospect}")
    assert host.ran(f"attrd_updater --name {LIMITS}")[0].endswith("--private")
    host.limits = fake_configfs.disk(discard_max_bytes=0)
    run("monitor")
    assert "discard_max_bytes=0," in host.attributes[LIMITS]
    assert ",emulate_tpu=0,emulate_tpws=0," in host.attributes[LIMITS].partition(" would.0:")[2]
    # A replica without a disk has nothing to tell.
    host.disk = "Diskless"
    run("monitor")
    assert host.attributes[LIMITS] == ""


def test_a_monitor_of_what_has_not_changed_starts_nothing(served: FakeHost, run: Runner) -> None:
    run("monitor")
    served.calls.clear()
    assert run("monitor") == 8
    assert [call.split()[0] for call in served.calls] == ["drbdsetup"]


@pytest.mark.parametrize(("peer_told", "seconds"), [(True, 300), (False, 30)])
def test_what_is_noted_gets_old(served: FakeHost, run: Runner, peer_told: bool, seconds: int) -> None:
    if not peer_told:
        served.peer_attributes.clear()
    run("monitor")
    note = rundir.path("device-limits.san")
    for age, queries in ((seconds - 10, 0), (seconds + 10, 1)):
        os.utime(note, (time.time() - age, time.time() - age))
        served.calls.clear()
        run("monitor")
        assert len(served.ran(f"attrd_updater --query --all --name {LIMITS}")) == queries


def test_where_no_peer_is_nobody_is_asked_for_it(served: FakeHost, run: Runner) -> None:
    served.peer_attributes.clear()
    served.lose_peer()
    run("monitor")
    note = rundir.path("device-limits.san")
    os.utime(note, (time.time() - 100, time.time() - 100))
    served.calls.clear()
    run("monitor")
    assert not served.ran("attrd_updater")


def test_a_probe_asks_nobody(served: FakeHost, run: Runner) -> None:
    run("monitor", interval=0)
    assert not served.ran(f"attrd_updater --name {LIMITS}")


def test_a_cluster_that_does_not_answer_is_asked_again(served: FakeHost, run: Runner) -> None:
    served.hanging = (f"attrd_updater --name {LIMITS}",)
    assert run("monitor") == 8
    served.hanging = ()
    assert run("monitor") == 8
    assert served.attributes[LIMITS]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"discard_granularity": 4 << 20}, "HERE discards 4096 bytes at a time and zeus 4194304"),
        (
            {"discard_granularity": 3 << 18},
            "zeus 786432, so that of what hosts unmap, 1048576 bytes at a time, zeus frees",
        ),
        ({"max_hw_sectors_kb": 512}, "HERE takes 1280 KiB at once and zeus 512"),
        (
            {"write_zeroes_max_bytes": 0, "physical_block_size": 512},
            "each WRITE SAME waits until zeus has written zeros; give zeus a disk",
        ),
    ],
)
def test_a_difference_that_hosts_would_notice(served: FakeHost, run: Runner, other: dict[str, int], words: str) -> None:
    assert run("monitor") == 8
    differ(served, **other)
    assert run("monitor") == 191
    assert run.reason.startswith("the disks of san differ: ")
    assert words.replace("HERE", os.uname().nodename) in run.reason
    # What is graver comes first, and what is no difference is none.
    served.lose_peer()
    assert run("monitor") == 191
    assert "replication of san is down" in run.reason
    served.find_peer()
    served.limits = fake_configfs.disk(**other)
    assert run("monitor") == 8


def test_this_nodes_disk_may_be_the_slow_one(served: FakeHost, run: Runner) -> None:
    served.limits = fake_configfs.disk(write_zeroes_max_bytes=0, discard_max_bytes=1 << 20)
    assert run("monitor") == 191
    here = os.uname().nodename
    assert run.reason.endswith(f"waits until {here} has written zeros; give {here} a disk that can zero blocks")


@pytest.mark.parametrize(
    "other",
    [
        # What would make another disk is for the monitor of the LUN.
        {"discard_max_bytes": 0},
        {"logical_block_size": 4096, "physical_block_size": 512},
        {"discard_max_bytes": 1 << 20},
        {"discard_granularity": 512},
        {"max_hw_sectors_kb": 4096},
        {"write_zeroes_max_bytes": 9},
        # The same disk, which has refused to write zeros since its server booted.
        {"write_zeroes_max_bytes": 0},
    ],
)
def test_a_difference_that_nobody_notices(served: FakeHost, run: Runner, other: dict[str, int]) -> None:
    run("monitor")
    differ(served, **other)
    assert run("monitor") == 8


def test_what_hosts_are_not_offered_is_no_difference(served: FakeHost, run: Runner, tmp_path: Path) -> None:
    storage = tmp_path / "config/target/core/iblock_1/lun"
    run("monitor")
    differ(served, discard_granularity=4 << 20, write_zeroes_max_bytes=0)
    Path(storage, "attrib/emulate_tpu").write_text("0\n")
    Path(storage, "attrib/max_write_same_len").write_text("0\n")
    assert run("monitor") == 8
    Path(storage, "attrib/emulate_tpws").write_text("1\n")
    assert run("monitor") == 191
    Path(storage, "udev_path").write_text("/dev/drbd1\n")
    assert run("monitor") == 8
    Path(storage, "udev_path").write_text("/dev/drbd0\n")
    # LUNs are on the Primary: it tells.
    served.role = "Secondary"
    assert run("monitor") == 0
