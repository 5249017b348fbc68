# SPDX-License-Identifier: GPL-2.0-or-later
"""A LUN is the same disk on both nodes: two nodes of fakes, and the attributes that they share."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs
from tests.unit.agents import reason
from tests.unit.fake_configfs import Kernel, tree
from twinsan.deadline import Deadline
from twinsan.system import command, configfs, fingerprint, lio_acl, lio_target, lock, rundir, state
from twinsan.system.fingerprint import Fingerprint
from twinsan.system.lio_lun import Lun

IQN = "iqn.2003-01.org.example:san"
ESX1, ESX2 = "iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx2"
NAME = "twinsan-lun-p_lun1"
LUN = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}
TARGET = {"iqn": IQN, "portals": "10.0.5.50", "allowed_initiators": f"{ESX1} {ESX2}"}
QUERY = f"attrd_updater --query --all --name {NAME}"


class Pair:
    """Two nodes with a kernel like each other; `here` is the one that agents run on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.kernel: Kernel = fake_configfs.install(monkeypatch, folder)
        self._monkeypatch = monkeypatch
        self._folder = folder
        self.here = ""
        self.members = ["atlas", "zeus"]
        self.answers = True
        self.attributes: dict[str, dict[str, str]] = {}
        self.programs: list[str] = []
        monkeypatch.setattr(command, "run", self._run)
        self.go_to("atlas")

    def go_to(self, node: str) -> None:
        self.here = node
        self._monkeypatch.setattr(rundir, "DIRECTORY", str(self._folder / f"run-{node}"))

    def __call__(self, action: str, agent: str = "lio-lun", **changes: str) -> int:
        values = LUN if agent == "lio-lun" else TARGET
        meta = {"crm_feature_set": "3.19.0", "CRM_meta_on_node": self.here}
        self.programs.clear()
        with pytest.MonkeyPatch.context() as patch:
            name = {"lio-lun": "p_lun1", "lio-iscsi-target": "p_target"}[agent]
            patch.setattr("twinsan.ocf.environment.Environment.instance", name)
            return agents.Runner(agent, **values)(action, **{**meta, **changes})

    def move(self, node: str, **changes: str) -> int:
        """Stop the LUN and start it on the other node."""
        assert self("stop") == 0
        self.go_to(node)
        return self("start", **changes)

    def lose(self, node: str) -> None:
        """A power cut: its attributes go with it, and what it had in memory."""
        self.members.remove(node)
        for values in self.attributes.values():
            values.pop(node, None)
        assert self("stop") == 0
        for path in (self._folder / f"run-{node}").iterdir():
            path.unlink()

    def served(self) -> set[tuple[str, str]]:
        """By whom, and with what product."""
        found = map(fingerprint.parse, self.attributes.get(NAME, {}).values())
        return {(each.node, each.fields["product_id"]) for each in found if each is not None}

    def _run(self, *argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        assert deadline.remaining() <= 10
        if any(word.startswith("twinsan-reservations-") for word in argv):
            # Not what is looked at here; nothing is reserved.
            return command.Result(argv, 105, "", "")
        self.programs.append(" ".join(argv))
        status, stdout = self._answer(list(argv)) if self.answers else (102, "")
        result = command.Result(argv, status, stdout, "" if status == 0 else "Connection refused")
        if check and status:
            raise command.CommandFailed(result)
        return result

    def _answer(self, argv: list[str]) -> tuple[int, str]:
        if argv == ["crm_node", "--partition"]:
            return 0, " ".join(self.members)
        if argv == ["crm_node", "--name"]:
            return 0, self.here
        assert argv[0] == "attrd_updater", argv
        values = self.attributes.setdefault(argv[argv.index("--name") + 1], {})
        if "--query" in argv:
            lines = [f'name="{NAME}" host="{node}" value="{value}"\n' for node, value in values.items()]
            return (0, "".join(lines)) if lines else (105, "")
        assert "--private" in argv
        values[argv[argv.index("--node") + 1]] = argv[argv.index("--update") + 1]
        return 0, ""


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pair:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    both = Pair(monkeypatch, tmp_path)
    assert both("start", "lio-iscsi-target") == 0
    return both


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The replicated volume, mounted on whatever node is active."""
    folder = tmp_path / "volume"
    folder.mkdir()
    monkeypatch.setattr(state, "folder", lambda device, _resource="": {"/dev/drbd0": str(folder)}.get(device))
    monkeypatch.setattr(state, "make_synchronous", lambda _path: None)
    return folder


def taken(path: str = "/dev/drbd0") -> Fingerprint:
    return fingerprint.take(Lun(IQN, 1, path), [ESX2, ESX1], "atlas")


def test_it_holds_what_initiators_see(pair: Pair) -> None:
    assert pair("start") == 0
    fields = taken().fields
    expected = {
        "target": IQN,
        "tpgt": "1",
        "lun": "1",
        "mapped_lun": "1",
        "naa": f"naa.6001405{fields['vpd_unit_serial'][:25]}",
        "vendor_id": "LIO-ORG",
        "product_id": "twinsan",
        "revision": "4.0",
        "company_id": "001405",
        "block_size": "512",
        "capacity": str(128 << 20),
        "initiators": f"{ESX1},{ESX2}",
        "authentication": "0",
        "generate_node_acls": "0",
        "emulate_caw": "1",
        "max_write_same_len": "65536",
        "force_pr_aptpl": "1",
        "alua_access_state": "0",
    }
    assert {name: fields[name] for name in expected} == expected
    rtpi = int(Path(pair.kernel.root, "iscsi", IQN, "tpgt_1", "rtpi").read_text(), 0)
    assert fields["rtpi"] == str(rtpi) != "0"


def test_a_kernel_without_the_relative_port_counts_luns(pair: Pair) -> None:
    assert pair("start") == 0
    Path(pair.kernel.root, "iscsi", IQN, "tpgt_1", "rtpi").unlink()
    assert taken().fields["rtpi"] == "1"


@pytest.mark.parametrize("value", ["plain", "a b", "a=b", "50%", '<&">\\', "", "é\n"])
def test_every_value_comes_back(value: str) -> None:
    mine = Fingerprint("at las", {"product_id": value, "lun": "1"})
    back = fingerprint.parse(str(mine))
    assert back is not None
    assert (back.node, back.fields, back.digest) == (mine.node, mine.fields, mine.digest)
    assert not set(str(mine)) & set("\"'<>&\\\n")


@pytest.mark.parametrize("text", ["", "atlas", "atlas 12345678", "atlas 12345678 lun=%GG", "atlas 12345678 lun=%FF"])
def test_what_is_no_fingerprint(text: str) -> None:
    assert fingerprint.parse(text) is None


def test_what_makes_another_disk() -> None:
    mine = Fingerprint("atlas", {"lun": "1", "capacity": "1024", "hw_max_sectors": "8", "emulate_rsoc": "1"})
    other = Fingerprint("zeus", {"lun": "2", "capacity": "512", "hw_max_sectors": "2048", "pi_prot_type": "0"})
    assert mine.differences(other) == ["lun is 1 instead of 2"]
    assert mine.remarks(other) == [
        "hw_max_sectors is 8 instead of 2048",
        "capacity is 1024 instead of 512",
        "emulate_rsoc is known to atlas alone",
        "pi_prot_type is known to zeus alone",
    ]
    assert other.differences(mine) == ["capacity is 512 instead of 1024", "lun is 2 instead of 1"]
    assert mine.digest == Fingerprint("x", {**mine.fields, "hw_max_sectors": "9"}).digest != other.digest


def test_the_first_start_is_told_to_every_node(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair.served() == {("atlas", "twinsan")}
    assert set(pair.attributes[NAME]) == {"atlas", "zeus"}
    assert pair("monitor") == 0
    assert pair.programs == []


def test_a_cluster_that_does_not_tell_the_node_is_asked(pair: Pair) -> None:
    assert pair("start", CRM_meta_on_node="") == 0
    assert pair.programs[:2] == [QUERY, "crm_node --name"]
    assert pair.served() == {("atlas", "twinsan")}


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", ["unlink", "fsync", "rename"])
def test_a_kill_while_it_is_told_is_survived(
    pair: Pair, volume: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    real, calls = getattr(os, name), iter(range(1, number))

    def kill(*words: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        real(*words)

    assert pair("start") == 0
    with monkeypatch.context() as patch:
        patch.setattr(os, name, kill)
        try:
            pair("stop")
            pair("start", product_id="new")
        except KeyboardInterrupt:
            pass
    assert pair("start", product_id="new") == 0
    assert pair("monitor") == 0
    assert pair.served() == {("atlas", "new")}
    assert "product_id=new" in (volume / "fingerprint.p_lun1").read_text().splitlines()


def test_nothing_is_asked_or_told_outside_of_a_cluster(pair: Pair) -> None:
    run = agents.Runner("lio-lun", **LUN)
    assert (run("start"), run("monitor"), run("reload-agent"), run("stop")) == (0, 0, 0, 0)
    assert pair.programs == []


def test_the_same_disk_moves_for_one_query(pair: Pair) -> None:
    assert pair("start") == 0
    for node in ("zeus", "atlas", "zeus"):
        assert pair.move(node) == 0
        assert pair.programs == [QUERY]
        assert pair("monitor", CRM_meta_interval="0") == 0
        assert pair.programs == []
        assert pair("monitor") == 0
        assert len(pair.programs) == 3
        assert pair.served() == {(node, "twinsan")}
        assert pair("monitor") == 0
        assert pair.programs == []


def test_another_disk_is_refused_and_named(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(pair.kernel.root)
    assert pair("start") == 0
    assert pair.move("zeus", product_id="an other", max_unmap_lba_count="8192") == 2
    told = reason(capsys)
    assert told.startswith("max_unmap_lba_count is 8192 instead of 65536, product_id is an other instead of twinsan: ")
    assert f": zeus would serve another disk than atlas served last as LUN 1 of {IQN}; " in told
    assert {**tree(pair.kernel.root), f"iscsi/{IQN}/tpgt_1/enable": "1\n"} == before
    assert pair.served() == {("atlas", "twinsan")}
    # What it says to type is what allows it, and nothing else does.
    digest = told.rpartition("'")[0].rpartition("'")[2]
    assert f"crm_resource --resource p_lun1 --set-parameter accepted_fingerprint --parameter-value '{digest}'" in told
    assert pair("start", product_id="a third", accepted_fingerprint=digest) == 2
    assert pair("start", product_id="an other", max_unmap_lba_count="8192", accepted_fingerprint=digest) == 0
    assert pair.served() == {("zeus", "an other")}


def test_several_may_be_allowed(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """While one node has a newer kernel, the SAN must be able to move both ways."""
    assert pair("start") == 0
    assert pair.move("zeus", product_id="other", accepted_fingerprint="01234567") == 2
    both = reason(capsys).rpartition("'")[0].rpartition("'")[2]
    assert both.startswith("01234567 ")
    assert pair("start", product_id="other", accepted_fingerprint=both.upper()) == 0
    assert pair("start", accepted_fingerprint="1234567") == 6
    assert "eight hexadecimal digits" in reason(capsys)


def test_a_node_may_change_what_it_served_itself(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair.move("atlas", product_id="new") == 0
    assert pair.served() == {("atlas", "new")}
    assert pair.move("zeus", product_id="new") == 0


def test_the_survivor_of_a_power_cut_compares(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    pair.lose("atlas")
    pair.go_to("zeus")
    assert pair("start", vendor_id="ACME") == 2
    assert "vendor_id is ACME instead of LIO-ORG" in reason(capsys)
    assert pair("start") == 0


def test_a_node_that_joins_later_is_told(pair: Pair) -> None:
    pair.members.remove("zeus")
    assert pair("start") == 0
    pair.members.append("zeus")
    assert pair("monitor") == 0
    assert set(pair.attributes[NAME]) == {"atlas"}
    old = time.time() - 301
    os.utime(rundir.path("fingerprint.p_lun1"), (old, old))
    assert pair("monitor") == 0
    assert set(pair.attributes[NAME]) == {"atlas", "zeus"}
    assert pair("monitor") == 0
    assert pair.programs == []


def test_a_change_by_hand_keeps_nobody_from_serving(pair: Pair) -> None:
    assert pair("start") == 0
    Path(Lun(IQN, 1, "/dev/drbd0").storage.place, "attrib/emulate_caw").write_text("0\n")
    old = time.time() - 301
    os.utime(rundir.path("fingerprint.p_lun1"), (old, old))
    assert pair("monitor") == 0
    assert len(pair.programs) == 3
    assert pair.move("zeus") == 0


def test_a_reload_tells_what_it_changed(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair("reload-agent", accepted_fingerprint="01234567") == 0
    assert pair.programs == []
    assert pair("reload-agent", emulate_3pc="no") == 0
    assert len(pair.programs) == 3
    assert pair.move("zeus", emulate_3pc="no") == 0


def test_the_target_tells_who_sees_its_luns(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    assert pair("reload-agent", "lio-iscsi-target") == 0
    assert pair.programs == []
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    assert len(pair.programs) == 3
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0
    assert pair("stop") == 0
    assert pair("reload-agent", "lio-iscsi-target") == 0
    pair.go_to("atlas")
    assert pair("start") == 2
    assert f"initiators is {ESX1},{ESX2} instead of {ESX1}" in reason(capsys)


def test_the_target_tells_by_what_right_its_luns_are_seen(pair: Pair) -> None:
    chap = {"incoming_username": "esxone", "incoming_password": "correcthorse12"}
    assert pair("start") == 0
    assert pair("reload-agent", "lio-iscsi-target", **chap) == 0
    assert len(pair.programs) == 3
    pair.go_to("zeus")
    assert pair("start", "lio-iscsi-target", **chap) == 0
    assert pair("start") == 0


def test_a_reload_that_fails_half_way_keeps_nobody_from_serving(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pair("start") == 0
    with monkeypatch.context() as broken:
        broken.setattr(lio_acl, "ensure", _fail)
        assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 1
    pair.go_to("zeus")
    assert pair("start", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    assert pair("start") == 0


def test_a_lun_that_tells_during_the_reload_of_its_target_undoes_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pair("start") == 0
    ensure = lio_target.ensure

    def beside(target: lio_target.Target) -> None:
        assert pair("reload-agent", accepted_fingerprint="01234567") == 0
        ensure(target)

    monkeypatch.setattr(lio_target, "ensure", beside)
    monkeypatch.setattr(lock.Held, "_taken", lambda _self: True)
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    monkeypatch.setattr(lio_target, "ensure", ensure)
    pair.go_to("zeus")
    assert pair("start", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    assert pair("start") == 0


def _fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("refusal", [None, errno.EINVAL])
def test_a_lun_may_go_while_it_is_shown_to_a_new_initiator(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, refusal: int | None
) -> None:
    """Its stop waits for nobody. The kernel finds no LUN then, or one without its export."""
    third = "iqn.1998-01.com.vmware:esx3"
    assert pair("start") == 0
    link = configfs.link

    def vanish(target: str, path: str) -> bool:
        if third in path:
            monkeypatch.setattr(configfs, "link", link)
            assert pair("stop") == 0
            if refusal:
                raise OSError(refusal, os.strerror(refusal), path)
        return link(target, path)

    monkeypatch.setattr(configfs, "link", vanish)
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=f"{ESX1} {ESX2} {third}") == 0
    assert configfs.names(f"{lio_target.group(IQN)}/acls/{third}").count("lun_1") == 0


def test_a_lun_that_is_shown_once_more_while_it_goes_is_gone_all_the_same(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pair("start") == 0
    unlink = configfs.unlink
    shown: list[str] = []

    def show_first(path: str) -> bool:
        if "/lun/lun_1/" in path and not shown:
            shown.append(path)
            lio_acl.show(lio_target.group(IQN), ESX1, 1, os.path.basename(path))
        return unlink(path)

    monkeypatch.setattr(configfs, "unlink", show_first)
    assert pair("stop") == 0
    assert len(shown) == 1
    assert configfs.names(f"{lio_target.group(IQN)}/lun") == []


def test_a_cluster_that_does_not_answer_keeps_nobody_from_serving(pair: Pair) -> None:
    assert pair("start") == 0
    pair.answers = False
    assert pair.move("zeus", product_id="other") == 0
    assert pair("monitor") == 0
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    pair.answers = True
    assert pair("monitor") == 0
    assert pair.served() == {("zeus", "other")}


def test_a_device_that_has_grown_is_the_same(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    pair.kernel.sizes["/dev/drbd0"] *= 2
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("atlas") == 2
    assert "capacity is 134217728 instead of 268435456" in reason(capsys)


def test_what_follows_the_device_is_no_reason(pair: Pair) -> None:
    assert pair("start") == 0
    pair.kernel.objects = {**pair.kernel.objects}
    pair.kernel.objects["storage"] = {**pair.kernel.objects["storage"], "attrib/hw_max_sectors": "8"}
    assert pair.move("zeus") == 0
    assert pair.programs == [QUERY]


def test_the_volume_is_asked_first_and_needs_no_program(
    pair: Pair, volume: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pair("start") == 0
    kept = volume / "fingerprint.p_lun1"
    assert kept.read_text().splitlines()[0] == "atlas"
    assert "product_id=twinsan" in kept.read_text().splitlines()
    assert [path.name for path in volume.iterdir() if path.is_file()] == [kept.name]
    # Both nodes start cold.
    pair.attributes.clear()
    assert pair.move("zeus") == 0
    assert pair.programs == []
    assert pair("monitor") == 0
    assert pair.served() == {("zeus", "twinsan")}
    assert kept.read_text().splitlines()[0] == "zeus"
    pair.attributes.clear()
    assert pair.move("atlas", product_id="other") == 2
    assert "product_id is other instead of twinsan" in reason(capsys)


def test_a_damaged_file_is_passed_over(pair: Pair, volume: Path) -> None:
    assert pair("start") == 0
    (volume / "fingerprint.p_lun1").write_bytes(b"\xff\0")
    assert pair.move("zeus", product_id="other") == 2
    assert pair.programs == [QUERY]


@pytest.mark.parametrize("name", ["fsync", "rename"])
def test_a_volume_that_fails_keeps_nobody_from_serving(
    pair: Pair, volume: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        assert pair("start") == 0
    assert pair.served() == {("atlas", "twinsan")}
    assert not (volume / "fingerprint.p_lun1").exists()
    assert pair("monitor") == 0
    assert (volume / "fingerprint.p_lun1").exists()
