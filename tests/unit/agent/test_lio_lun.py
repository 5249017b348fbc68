# SPDX-License-Identifier: GPL-2.0-or-later
"""lio-lun, on a fake of LIO's tree."""

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
from twinsan.errors import DeadlinePassed, Failure
from twinsan.host import block_device, child, lock, scsi
from twinsan.lio import configfs, identity, naa, portal_group, storage_object
from twinsan.lio import core as lio_core
from twinsan.lio.lun import Lun
from twinsan.ocf.agent import Agent

IQN = "iqn.2003-01.org.example:san"
GROUP = f"iscsi/{IQN}/tpgt_1"
INITIATORS = ("iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx2")
VALUES = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}
run = agents.Runner("lio-lun", **VALUES)
probe = run.probe
target = agents.Runner("lio-iscsi-target", iqn=IQN, portals="10.0.5.50", allowed_initiators=" ".join(INITIATORS))


@pytest.fixture(params=["6.12"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = fake_configfs.install(monkeypatch, tmp_path, request.param)
    assert target("start") == 0
    fake.changes.clear()
    return fake


def plan(number: int = 1) -> Lun:
    return Lun(IQN, number, "/dev/drbd0")


def attribute(name: str) -> str:
    return Path(plan().storage.place, name).read_text().rstrip("\n")


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
    assert run("stop") == 0
    assert tree(kernel.root) == before


@EVERY_KERNEL
def test_it_is_as_declared(kernel: Kernel) -> None:
    assert run("start", vendor_id="ACME", product_id="SAN disk", max_unmap_lba_count="8192") == 0
    serial = naa.serial(IQN, 1)
    assert attribute("wwn/vpd_unit_serial") == f"T10 VPD Unit Serial Number: {serial}"
    assert (attribute("wwn/vendor_id"), attribute("wwn/product_id")) == ("ACME", "SAN disk")
    expected = {
        "emulate_caw": "1",
        "emulate_3pc": "1",
        "emulate_tpu": "1",
        "emulate_tpws": "1",
        "force_pr_aptpl": "1",
        "unmap_zeroes_data": "0",
        "max_write_same_len": "65536",
        "max_unmap_lba_count": "8192",
        "unmap_granularity": "2048",
    }
    assert {name: attribute(f"attrib/{name}") for name in expected} == expected
    for initiator in INITIATORS:
        mapped = Path(kernel.root, GROUP, "acls", initiator, "lun_1")
        assert (mapped / "write_protect").read_text() == "0\n"
        assert (mapped / plan().storage.name).resolve() == Path(kernel.root, GROUP, "lun/lun_1").resolve()


def test_no_initiator_sees_it_before_it_is_complete(kernel: Kernel) -> None:
    run("start")
    shown = next(at for at, change in enumerate(kernel.changes) if change.startswith("symlink"))
    assert not [change for change in kernel.changes[shown:] if change.startswith(("write core", "mkdir core"))]
    assert kernel.changes[shown] == f"symlink {GROUP}/lun/lun_1/{plan().storage.name}"


def test_a_start_asks_for_other_hosts_that_have_a_portal_address(kernel: Kernel) -> None:
    target("stop")
    target("start", portals="10.0.5.50 [2001:db8::50]:3261")
    kernel.asked.clear()
    run("start")
    assert sorted(kernel.asked) == ["10.0.5.50", "2001:db8::50"]


def test_nobody_is_asked_for_a_portal_on_all_addresses(kernel: Kernel) -> None:
    target("stop")
    target("start", portals="0.0.0.0:3260", wildcard_portals="yes")
    assert run("start") == 0
    assert kernel.asked == []


def test_an_older_serial_is_kept(kernel: Kernel) -> None:
    assert run("start", scsi_sn="5f2d9b1c") == 0
    assert attribute("wwn/vpd_unit_serial").endswith(" 5f2d9b1c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_iqn": ""}, "target_iqn is required"),
        ({"target_iqn": "iqn.2003-01.org.example:../../../etc"}, "target_iqn"),
        ({"lun": ""}, "lun is required"),
        ({"lun": "-1"}, "0 to 65535"),
        ({"lun": "65536"}, "0 to 65535"),
        ({"lun": "1/../../x"}, "lun"),
        ({"path": "drbd0"}, "path"),
        ({"path": "/dev/drbd0,readonly=1"}, "path"),
        ({"scsi_sn": "zzz"}, "hexadecimal"),
        ({"scsi_sn": "0123456789 abcdef"}, "scsi_sn"),
        ({"scsi_sn": "a" * 254}, "scsi_sn"),
        ({"vendor_id": "ACME STORAGE"}, "vendor_id"),
        ({"product_id": "a" * 17}, "product_id"),
        ({"emulate_caw": "maybe"}, "emulate_caw"),
        ({"vaai": "ats, xcopy"}, "vaai takes ats xcopy write_same unmap, or none alone: 'ats,'"),
        ({"vaai": "ats none"}, "'none'"),
        ({"vaai_preferred": "locking"}, "vaai_preferred takes"),
        ({"vaai_preferred": "unmap"}, "both name unmap"),
        ({"vaai": "ats unmap", "emulate_caw": "no"}, "ats is named and emulate_caw=no switches it off"),
        (
            {"vaai": "ats", "vaai_preferred": "unmap", "emulate_tpu": "no", "emulate_tpws": "no"},
            "unmap is named and emulate_tpu=no emulate_tpws=no switches it off",
        ),
        ({"max_write_same_len": "0"}, "max_write_same_len"),
        ({"allowed_initiators": "esx1"}, "allowed_initiators"),
    ],
)
def test_a_wrong_value_changes_nothing(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    before = tree(kernel.root)
    for action in ("start", "monitor", "validate-all"):
        assert run(action, **changes) == 6
        assert words in reason(capsys)
    assert probe(**changes) == 7
    assert run("stop", **changes) == 0
    assert tree(kernel.root) == before


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.ENOENT, 1, "is not there"), (errno.EBUSY, 1, "in use"), (errno.EIO, 1, "cannot be opened")],
)
def test_a_device_that_cannot_be_had(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], number: int, code: int, words: str
) -> None:
    before = tree(kernel.root)
    kernel.devices["/dev/drbd0"] = number
    assert run("start") == code
    assert words in reason(capsys)
    assert tree(kernel.root) == before


def test_a_number_that_is_taken(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand(kernel, "disk0", "/dev/drbd1")
    show(kernel, "disk0", 1)
    before = tree(kernel.root)
    assert run("start") == 1
    assert "LUN 1 is taken by backstore disk0; remove it: targetcli" in reason(capsys)
    assert probe() == 7
    assert run("stop") == 0
    assert tree(kernel.root) == before


def test_a_twin_is_refused(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    # The first 25 hexadecimal digits make the name; what follows does not tell them apart.
    assert run("start", scsi_sn="0123456789abcdef0123456789") == 0
    before = tree(kernel.root)
    second = {"lun": "2", "path": "/dev/drbd1", "scsi_sn": "0123-4567-89AB-CDEF-0123-4567-8fff"}
    assert run("start", **second) == 1
    assert "naa.60014050123456789abcdef012345678" in reason(capsys)
    assert tree(kernel.root) == before


def test_a_device_that_cannot_discard(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.thick.add("/dev/drbd0")
    before = tree(kernel.root)
    assert run("start") == 2
    assert reason(capsys) == (
        f"unmap is required by parameter vaai, and {os.uname().nodename} cannot have it: /dev/drbd0 cannot discard "
        "(see 'lsblk --discard /dev/drbd0'), emulate_tpu: Function not implemented (ENOSYS); mend that, or do without "
        "it on both nodes: crm_resource --resource RESOURCE --set-parameter vaai --parameter-value "
        "'ats xcopy write_same'"
    )
    assert tree(kernel.root) == before
    without = {"emulate_tpu": "no", "emulate_tpws": "no"}
    assert run("start", **without) == 0
    assert attribute("attrib/emulate_tpu") == "0"
    # What could not be started must not take down what runs, nor change half of it.
    before = tree(kernel.root)
    assert run("reload-agent", max_write_same_len="4096") == 190
    assert "'ats xcopy write_same'; what runs goes on" in reason(capsys)
    assert tree(kernel.root) == before
    assert run("monitor", **without) == 0


@pytest.mark.parametrize(
    ("changes", "on"),
    [
        ({}, "caw 3pc ws tpu tpws"),
        ({"vaai": "ats"}, "caw"),
        ({"vaai": "none"}, ""),
        ({"vaai": "xcopy write_same", "vaai_preferred": "ats"}, "caw 3pc ws"),
        # What a configuration had before there were primitives.
        ({"emulate_caw": "no", "emulate_3pc": "no"}, "ws tpu tpws"),
        ({"emulate_tpu": "no"}, "caw 3pc ws tpws"),
        ({"emulate_tpws": "no", "vaai": "ats unmap write_same"}, "caw ws tpu"),
        # A WRITE SAME that may unmap is one as well.
        ({"vaai": "ats unmap"}, "caw tpu"),
        ({"vaai": "none", "vaai_preferred": "write_same unmap"}, "ws tpu tpws"),
    ],
)
def test_primitives_are_selected(kernel: Kernel, changes: dict[str, str], on: str) -> None:
    assert run("start", **changes) == 0
    assert abilities() == on
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 0
    # From there to all of them, and back, while initiators look.
    assert run("reload-agent") == 0
    assert abilities() == "caw 3pc ws tpu tpws"
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == (190 if changes else 0)
    assert run("reload-agent", **changes) == 0
    assert abilities() == on


def abilities() -> str:
    shown = {"caw": "emulate_caw", "3pc": "emulate_3pc", "ws": "max_write_same_len"}
    shown.update(tpu="emulate_tpu", tpws="emulate_tpws")
    return " ".join(name for name, place in shown.items() if attribute(f"attrib/{place}") != "0")


def test_what_is_preferred_degrades(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(run.agent, "log", lambda _self, line, _priority=0: logged.append(line))
    kernel.thick.add("/dev/drbd0")
    changes = {"vaai": "ats xcopy write_same", "vaai_preferred": "unmap"}
    assert run("start", **changes) == 0
    assert abilities() == "caw 3pc ws"
    why = "unmap, which parameter vaai_preferred names, is off: /dev/drbd0 cannot discard"
    assert [line for line in logged if line.startswith(why)]
    assert run("monitor", **changes) == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 190
    assert why in reason(capsys)
    kernel.thick.clear()
    assert run("reload-agent", **changes) == 0
    assert abilities() == "caw 3pc ws tpu tpws"
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 0
    # Half of it is no degradation: somebody has changed it.
    Path(plan().storage.place, "attrib/emulate_tpws").write_text("0\n")
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 190
    assert "emulate_tpws is 0 instead of 1" in reason(capsys)


def test_a_kernel_without_compare_and_write(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.objects = {**kernel.objects, "storage": {**kernel.objects["storage"]}}
    del kernel.objects["storage"]["attrib/emulate_caw"]
    before = tree(kernel.root)
    assert run("start") == 2
    told = reason(capsys)
    assert told.startswith("ats is required by parameter vaai")
    assert f"kernel {os.uname().release} has no emulate_caw, emulate_caw: No such file or directory (ENOENT)" in told
    assert told.endswith("'xcopy write_same unmap'; but a datastore that was made with it cannot be mounted then")
    assert tree(kernel.root) == before
    assert run("start", vaai="xcopy write_same unmap") == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", vaai="xcopy write_same unmap") == 0
    changes = {"vaai": "xcopy write_same unmap", "vaai_preferred": "ats"}
    assert run("reload-agent", **changes) == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 190
    assert "ats, which parameter vaai_preferred names, is off: kernel" in reason(capsys)


def test_hosts_are_told_pieces_that_the_device_frees(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start") == 0
    kernel.granularity = 4 << 20
    assert run("monitor") == 0
    assert run("monitor", OCF_CHECK_LEVEL="10") == 190
    told = reason(capsys)
    assert "told to unmap 2048 blocks at a time, and /dev/drbd0 discards 8192; if its disk cannot do better" in told
    assert "--set-parameter unmap_granularity --parameter-value 8192; or the value of the coarser node" in told
    assert run("reload-agent", unmap_granularity="8192") == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", unmap_granularity="8192") == 0
    kernel.granularity = 96 << 10
    assert run("monitor", OCF_CHECK_LEVEL="10", unmap_granularity="8192") == 190
    assert "--parameter-value 192;" in reason(capsys)
    # Whom nobody tells anything, nobody misleads.
    changes = {"vaai": "ats", "unmap_granularity": "8192"}
    assert run("reload-agent", **changes) == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", **changes) == 0


def test_without_its_target(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start") == 0
    assert target("stop") == 0
    assert run("monitor") == 1
    assert "no LUN of the target" in reason(capsys)
    assert run("stop") == 0
    assert not [place for place in tree(kernel.root) if "iblock" in place and "alua" not in place]
    assert run("start") == 1
    assert "start its lio-iscsi-target first" in reason(capsys)


def test_only_some_initiators_see_it(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start", allowed_initiators=INITIATORS[0]) == 0
    assert not Path(kernel.root, GROUP, "acls", INITIATORS[1], "lun_1").exists()
    assert run("monitor", allowed_initiators=INITIATORS[0]) == 0
    assert run("monitor") == 1
    assert f"not shown to {INITIATORS[1]}" in reason(capsys)
    assert run("start") == 0
    assert run("monitor") == 0
    assert run("start", allowed_initiators=INITIATORS[0]) == 0
    assert not Path(kernel.root, GROUP, "acls", INITIATORS[1], "lun_1").exists()


def test_an_initiator_that_the_target_does_not_admit(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(run.agent, "log", lambda _self, line, _priority=0: logged.append(line))
    listed = f"{INITIATORS[0]} iqn.1998-01.com.vmware:esx9"
    assert run("start", allowed_initiators=listed) == 0
    assert [line for line in logged if "does not admit iqn.1998-01.com.vmware:esx9" in line]
    for action in ("monitor", "reload-agent", "monitor"):
        code = run(action, allowed_initiators=listed)
        assert code == (190 if action == "monitor" else 0)
        if code:
            told = reason(capsys)
            assert told.startswith("its target does not admit iqn.1998-01.com.vmware:esx9; take it out: crm_resource")
            assert f"--parameter-value '{INITIATORS[0]}'" in told
    seen = [path.parts[-2] for path in Path(kernel.root, GROUP, "acls").glob("*/lun_1")]
    assert seen == [INITIATORS[0]]
    assert target("reload-agent", allowed_initiators=" ".join((*INITIATORS, "iqn.1998-01.com.vmware:esx9"))) == 0
    assert run("monitor", allowed_initiators=listed) == 0


def test_a_lun_for_some_is_not_shown_to_everybody(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert target("stop") == 0
    assert target("start", allowed_initiators="", demo_mode="yes") == 0
    assert run("start", allowed_initiators=INITIATORS[0]) == 6
    assert "shows every LUN to everybody" in reason(capsys)
    assert run("start") == 0


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ENOENT], ids=["claimed", "missing"])
def test_a_device_that_cannot_be_had_for_a_moment_is_waited_for(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    kernel.devices["/dev/drbd0"] = number
    looks: list[str] = []
    require_unique = identity.require_unique

    def look(storage: storage_object.StorageObject) -> None:
        looks.append(storage.path)
        kernel.devices["/dev/drbd0"] = 0 if len(looks) == 3 else number
        require_unique(storage)

    monkeypatch.setattr(identity, "require_unique", look)
    assert run("start") == 0
    assert len(looks) == 3
    assert run("monitor") == 0


def test_a_device_that_is_claimed_just_before_the_kernel_has_it(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    require_free, refusals = block_device.require_free, [errno.EBUSY, errno.EBUSY]

    def claim(path: str) -> None:
        kernel.devices[path] = 0
        require_free(path)
        kernel.devices[path] = refusals.pop() if refusals else 0

    monkeypatch.setattr(block_device, "require_free", claim)
    assert run("start") == 0
    assert refusals == []


def test_a_target_that_comes_a_moment_later_is_waited_for(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    assert target("stop") == 0
    monkeypatch.setattr(run.agent, "log", lambda _self, _line, _priority=0: target("start"))
    assert run("start") == 0


def test_a_lock_of_configfs_is_waited_for(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lio_core, "SECONDS_FOR_WHAT_PASSES", 20)
    link, refusals = configfs.link, [errno.EBUSY, errno.EAGAIN]

    def refuse(end: str, path: str) -> bool:
        if refusals:
            raise OSError(refusals.pop(), "no", path)
        return link(end, path)

    monkeypatch.setattr(configfs, "link", refuse)
    assert run("start") == 0
    assert refusals == []


def test_a_reload_takes_nothing_down_for_what_may_pass(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    kernel.devices["/dev/drbd0"] = errno.ENOENT
    assert run("reload-agent") == 190
    assert "is not there" in reason(capsys)
    assert run("monitor") == 190


def test_a_lun_that_starts_beside_the_stop_of_another_keeps_the_target_enabled(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop of the last LUN disables the target. It looks for others and disables it while nobody makes one."""
    run("start")
    held: list[str] = []
    disable, taken = portal_group.disable, lock.Held._take

    def take(self: lock.Held) -> bool:
        held.append(self.name)
        return taken(self)

    def disable_late(iqn: str) -> None:
        with pytest.raises(DeadlinePassed), lock.Held(lio_core.LOCK, Deadline(0)):
            pytest.fail("another LUN could be started here")
        disable(iqn)

    monkeypatch.setattr(lock.Held, "_take", take)
    monkeypatch.setattr(portal_group, "disable", disable_late)
    assert run("stop") == 0
    assert held[0] == lio_core.LOCK
    assert run("start", lun="2", path="/dev/drbd1") == 0
    assert Path(kernel.root, GROUP, "enable").read_text() == "1\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "/dev/drbd1"}, "instead of /dev/drbd1"),
    ],
)
def test_another_device_than_declared(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    run("start")
    assert run("monitor", **changes) == 1
    assert words in reason(capsys)
    assert run("start", **changes) == 0
    assert run("monitor", **changes) == 0
    assert not kernel.claimed("/dev/drbd0")


@EVERY_KERNEL
def test_drift_is_repaired(kernel: Kernel) -> None:
    run("start")
    whole = tree(kernel.root)
    Path(plan().storage.place, "attrib/emulate_caw").write_text("0\n")
    Path(plan().storage.place, "attrib/force_pr_aptpl").write_text("0\n")
    assert run("start") == 0
    assert tree(kernel.root) == whole


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("attrib/emulate_caw", "0", "emulate_caw is 0 instead of 1"),
        ("attrib/max_unmap_lba_count", "8", "max_unmap_lba_count is 8 instead of 65536"),
        ("attrib/force_pr_aptpl", "0", "force_pr_aptpl is 0 instead of 1"),
        ("wwn/product_id", "IBLOCK", "product_id is IBLOCK instead of twinsan"),
        ("wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: abc", "vpd_unit_serial is "),
    ],
)
def test_drift_is_named(kernel: Kernel, capsys: pytest.CaptureFixture[str], place: str, value: str, words: str) -> None:
    run("start")
    assert run("monitor", OCF_CHECK_LEVEL="10") == 0
    Path(plan().storage.place, place).write_text(f"{value}\n")
    assert run("monitor") == run("monitor", OCF_CHECK_LEVEL="9") == 0
    assert run("monitor", OCF_CHECK_LEVEL="10") == 190
    assert words in reason(capsys)
    assert run("monitor", OCF_CHECK_LEVEL="11") == 190


def test_an_initiator_too_many_is_named(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    assert run("monitor", OCF_CHECK_LEVEL="10", allowed_initiators=INITIATORS[0]) == 190
    assert f"shown to {INITIATORS[1]} as well" in reason(capsys)


def test_a_dead_mapping_is_found_and_repaired(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    whole = tree(kernel.root)
    kernel.unlink(plan().export)
    kernel.symlink(plan().storage.place, plan().export)
    assert run("monitor") == 1
    assert "not shown to" in reason(capsys)
    assert run("start") == 0
    assert tree(kernel.root) == whole


def test_every_interrupted_start_is_repaired_and_stopped(kernel: Kernel) -> None:
    bare = tree(kernel.root)
    run("start")
    whole, steps = tree(kernel.root), len(kernel.changes)
    run("stop")
    for step in range(1, steps + 1):
        for next_action, expected in (("start", whole), ("stop", bare)):
            kernel.changes.clear()
            kernel.fail_at = step
            # The undoing must not help here: an agent that was killed undoes nothing.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("twinsan.lio.lun.remove", lambda _: None)
                run("start")
            kernel.fail_at = 0
            assert probe() in (0, 1, 7)
            assert run(next_action) == 0
            assert tree(kernel.root) == expected, f"{next_action} after step {step}"
            assert run("stop") == 0


def test_every_interrupted_stop_is_finished(kernel: Kernel) -> None:
    bare = tree(kernel.root)
    run("start")
    kernel.changes.clear()
    run("stop")
    steps = len(kernel.changes)
    for step in range(1, steps + 1):
        run("start")
        kernel.changes.clear()
        kernel.fail_at = step
        assert run("stop") == 1
        kernel.fail_at = 0
        assert run("stop") == 0
        assert tree(kernel.root) == bare, f"after step {step}"


def test_a_failed_start_undoes_itself(kernel: Kernel) -> None:
    bare = tree(kernel.root)
    run("start")
    steps = len(kernel.changes)
    run("stop")
    for step in range(1, steps + 1):
        kernel.changes.clear()
        kernel.fail_at = step
        code = run("start")
        left = tree(kernel.root)
        # The last step opens the target, after the LUN is complete.
        assert left == bare or (code == 1 and step == steps), f"after step {step}"
    kernel.fail_at = 0


def test_the_last_lun_takes_the_sessions_with_it(kernel: Kernel) -> None:
    run("start")
    run("start", lun="2", path="/dev/drbd1")
    enable = Path(kernel.root, GROUP, "enable")
    kernel.changes.clear()
    assert run("stop", lun="2", path="/dev/drbd1") == 0
    assert enable.read_text() == "1\n"
    kernel.changes.clear()
    assert run("stop") == 0
    assert enable.read_text() == "0\n"
    first = kernel.changes.index(f"write {GROUP}/enable")
    assert first < min(at for at, change in enumerate(kernel.changes) if change.startswith("unlink"))
    assert target("monitor") == 0
    assert run("start") == 0
    assert enable.read_text() == "1\n"


def test_a_lun_0_that_is_gone_is_never_read(kernel: Kernel) -> None:
    run("start")
    run("start", lun="0", path="/dev/drbd1")
    assert run("stop", lun="0", path="/dev/drbd1") == 0
    assert Path(kernel.root, GROUP, "enable").read_text() == "0\n"


def test_a_backstore_that_was_shown_elsewhere_goes_all_the_same(kernel: Kernel) -> None:
    run("start")
    unit = f"{kernel.root}/{GROUP}/lun/lun_9"
    kernel.mkdir(unit)
    kernel.symlink(plan().storage.place, f"{unit}/again")
    assert run("stop") == 0
    assert not kernel.claimed("/dev/drbd0")


def test_two_luns_share_nothing(kernel: Kernel) -> None:
    assert (plan(1).storage.adapter, plan(1).storage.name) != (plan(2).storage.adapter, plan(2).storage.name)
    run("start")
    run("start", lun="2", path="/dev/drbd1")
    assert run("stop") == 0
    assert run("monitor", lun="2", path="/dev/drbd1") == 0
    assert kernel.claimed("/dev/drbd1")


def test_an_old_kernel_without_vendor(kernel: Kernel) -> None:
    for name in ("wwn/vendor_id", "wwn/product_id", "wwn/company_id"):
        kernel.objects = {**kernel.objects, "storage": {**kernel.objects["storage"]}}
        del kernel.objects["storage"][name]
    assert run("start") == 0
    assert run("start") == 0


def test_a_host_without_lio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinsan.lio.configfs.root", str(tmp_path / "nothing"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert agents.Runner("lio-lun")("monitor") == 7
    assert run("stop") == 0
    assert os.listdir(tmp_path) == []


def by_hand(kernel: Kernel, name: str, device: str) -> None:
    """A backstore as somebody makes one with targetcli."""
    storage = f"{kernel.root}/core/iblock_0/{name}"
    kernel.mkdir(f"{kernel.root}/core/iblock_0")
    kernel.mkdir(storage)
    Path(storage, "control").write_text(f"udev_path={device}\n")
    Path(storage, "enable").write_text("1\n")


def show(kernel: Kernel, name: str, number: int) -> None:
    unit = f"{kernel.root}/{GROUP}/lun/lun_{number}"
    kernel.mkdir(unit)
    kernel.symlink(f"{kernel.root}/core/iblock_0/{name}", f"{unit}/link")


def test_reload_changes_what_is_configured_and_nothing_else(kernel: Kernel) -> None:
    run("start")
    kernel.changes.clear()
    assert run("reload-agent") == 0
    assert kernel.changes == []
    assert run("reload-agent", emulate_tpu="no", max_unmap_lba_count="8192", allowed_initiators=INITIATORS[0]) == 0
    assert (attribute("attrib/emulate_tpu"), attribute("attrib/max_unmap_lba_count")) == ("0", "8192")
    shown = [path.parts[-2] for path in Path(kernel.root, GROUP, "acls").glob("*/lun_1")]
    assert shown == [INITIATORS[0]]
    touched = {change.split("/")[0].partition(" ")[2] for change in kernel.changes if not change.startswith("write")}
    assert touched == {"iscsi"}, "the storage object stays"


def test_reload_of_nothing_makes_nothing(kernel: Kernel) -> None:
    before = tree(kernel.root)
    assert run("reload-agent") == 7
    assert tree(kernel.root) == before


def test_reload_does_not_make_another_disk(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    before = tree(kernel.root)
    assert run("reload-agent", product_id="another") == 1
    assert "cannot become another disk while it is shown" in reason(capsys)
    assert tree(kernel.root) == before


def test_a_device_that_has_grown(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    size = kernel.sizes["/dev/drbd0"]
    assert run("start", size=str(size)) == 0
    kernel.sizes["/dev/drbd0"] = 2 * size
    for configured in (str(size), "0"):
        assert run("monitor", size=configured) == 190
        told = reason(capsys)
        assert told.startswith(f"/dev/drbd0 has grown to {2 * size} bytes from {size}; type: crm_resource")
        assert f"--set-parameter size --parameter-value {2 * size}; and have each host look again" in told
    # On the other node, and after any other change.
    assert run("reload-agent", size=str(size), max_unmap_lba_count="8192") == 0
    assert run("stop") == 0
    assert run("start", size=str(size)) == 0
    assert run("monitor", size=str(size)) == 190
    capsys.readouterr()
    assert run("reload-agent", size=str(2 * size)) == 0
    assert run("monitor", OCF_CHECK_LEVEL="10", size=str(2 * size)) == 0


def test_what_is_reserved_is_kept_whatever_else_is_not_well(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    def keep(agent: Agent, _lun: Lun) -> int:
        kept.append(agent.action_name)
        return 0

    monkeypatch.setattr(run.agent, "_save_reservations", keep)
    run("start")
    for wrong in ({"size": "4096"}, {"OCF_CHECK_LEVEL": "10", "emulate_3pc": "no"}):
        assert run("monitor", **wrong) == 190
    assert kept == ["monitor", "monitor"]


def test_a_smaller_device_is_not_served(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    before, size = tree(kernel.root), kernel.sizes["/dev/drbd0"]
    assert run("start", size=str(size + 1)) == 2
    assert f"it has {size} bytes here instead of {size + 1}" in reason(capsys)
    assert tree(kernel.root) == before
    assert run("start") == 0
    kernel.sizes["/dev/drbd0"] = size // 2
    assert run("monitor") == 190
    assert f"device /dev/drbd0 has shrunk to {size // 2} bytes from {size}; see on both" in reason(capsys)


def test_at_check_level_20_the_device_is_read(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []

    def read_ends(path: str) -> None:
        answers.append(path)

    monkeypatch.setattr(block_device, "read_ends", read_ends)

    def require_ready(path: str, milliseconds: int) -> None:
        if len(answers) > 1:
            raise scsi.NOT_READY(path=path, status=0, host_status=milliseconds, sense_key=0)

    monkeypatch.setattr(scsi, "require_ready", require_ready)
    run("start")
    assert run("monitor", OCF_CHECK_LEVEL="10") == 0
    assert answers == []
    assert run("monitor", OCF_CHECK_LEVEL="20") == 0
    assert run("monitor", OCF_CHECK_LEVEL="20") == 1
    assert reason(capsys).startswith("/dev/drbd0 is not ready: status 0, host status 10000,")

    def hang(_work: object, _deadline: object, doing: str) -> str:
        raise DeadlinePassed(f"{doing} hangs in the kernel in wait_on_bit")

    monkeypatch.setattr(child, "run", hang)
    assert run("monitor", OCF_CHECK_LEVEL="20") == 190
    assert reason(capsys) == "reading /dev/drbd0 hangs in the kernel in wait_on_bit"


@pytest.mark.parametrize("changes", [{"allowed_initiators": "esx1"}, {"emulate_caw": "maybe"}, {"vendor_id": "a" * 9}])
def test_a_wrong_value_does_not_take_down_what_runs(
    kernel: Kernel, capsys: pytest.CaptureFixture[str], changes: dict[str, str]
) -> None:
    run("start")
    before = tree(kernel.root)
    for action in ("monitor", "reload-agent"):
        assert run(action, **changes) == 190
        told = reason(capsys)
        assert next(iter(changes)) in told
        assert "goes on as it was" in told
    assert run("start", **changes) == 6
    assert tree(kernel.root) == before


class Frozen:
    """What a stop asks of DRBD; with a refusal, the answer that initiators would hear of it."""

    def __init__(self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.refusal = ""
        self._kernel = kernel
        monkeypatch.setattr(release, "device_io", self._below)

    def _below(self, device: str, iqn: str, _deadline: Deadline, _note: object) -> None:
        self.calls.append((device, iqn, len(self._kernel.changes)))
        if self.refusal:
            raise Failure(self.refusal)


@pytest.fixture
def frozen(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Frozen:
    return Frozen(kernel, monkeypatch)


def test_frozen_io_is_released_before_anything_is_touched(kernel: Kernel, frozen: Frozen) -> None:
    run("start")
    kernel.changes.clear()
    assert run("stop") == 0
    assert frozen.calls == [("/dev/drbd0", IQN, 0)]
    assert run("stop") == 0
    assert len(frozen.calls) == 1, "of a LUN that is gone nothing is asked"


def test_a_stop_that_would_be_heard_touches_nothing(
    kernel: Kernel, frozen: Frozen, capsys: pytest.CaptureFixture[str]
) -> None:
    run("start")
    kernel.changes.clear()
    frozen.refusal = (
        "I/O of san is frozen (user), and initiators would hear it fail over portal 10.0.5.50:3260; stop it"
    )
    assert run("stop") == 1
    assert kernel.changes == []
    assert "initiators would hear it" in reason(capsys)


def test_what_freezes_during_the_removal_is_released_as_well(
    kernel: Kernel, frozen: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("start")
    hung: list[str] = []

    def bounded(work: Callable[[], None], _deadline: Deadline, doing: str) -> None:
        if not hung:
            hung.append(doing)
            raise DeadlinePassed(f"{doing} hangs in the kernel")
        work()

    monkeypatch.setattr(child, "run", bounded)
    assert run("stop") == 0
    assert len(frozen.calls) == 2
    assert run("monitor") == 7


def test_a_size_that_is_not_the_devices_does_not_take_down_what_runs(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    run("start")
    before = tree(kernel.root)
    assert run("reload-agent", size=str(1 << 60)) == 190
    assert f"instead of {1 << 60}" in reason(capsys)
    assert tree(kernel.root) == before


def test_a_device_that_takes_more_by_now_is_told(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start") == 0
    assert run("monitor", OCF_CHECK_LEVEL="10") == 0
    Path(plan().storage.place, "attrib/hw_max_sectors").write_text("8\n")
    assert run("monitor", OCF_CHECK_LEVEL="10") == 190
    assert "hosts were told that /dev/drbd0 takes 4 KiB at once, and it takes 1280 by now" in reason(capsys)
    assert run("monitor") == 0
