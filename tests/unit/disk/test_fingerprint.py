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
from twinsan.cluster import turn
from twinsan.deadline import Deadline
from twinsan.disk import expected_fingerprint, fingerprint
from twinsan.disk.fingerprint import Fingerprint
from twinsan.drbd import state_volume
from twinsan.host import command, device_limits, durable_file, rundir
from twinsan.lio import acl as lio_acl
from twinsan.lio import configfs, portal_group
from twinsan.lio.lun import Lun
from twinsan.network import addresses

IQN = "iqn.2003-01.org.example:san"
ESX1, ESX2 = "iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx2"
NAME = "twinsan-lun-p_lun1"
LUN = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}
TARGET = {"iqn": IQN, "portals": "10.0.5.50", "allowed_initiators": f"{ESX1} {ESX2}"}
PREFERRED = {"vaai": "ats xcopy write_same", "vaai_preferred": "unmap"}
SETTLED = {"accepted_differences": "revision=5.0"}
_STORAGE = fake_configfs.objects("6.12")["storage"]
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
        self.held = [addresses.AssignedAddress(1, "10.0.5.50", 24, 0)]
        monkeypatch.setattr(addresses, "present", lambda: self.held)
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

    def served(self) -> set[tuple[str, int, str]]:
        """By whom, as which record, and with what revision, as each node was told."""
        found = map(fingerprint.parse, self.attributes.get(NAME, {}).values())
        return {(each.node, each.count, each.fields["revision"]) for each in found if each is not None}

    def change(self, differences: dict[str, str | None]) -> None:
        """Have the kernel make storage objects with other attributes, or without some."""
        storage = {**_STORAGE, **{name: value for name, value in differences.items() if value is not None}}
        for name in [name for name, value in differences.items() if value is None]:
            del storage[name]
        self.kernel.objects = {**self.kernel.objects, "storage": storage}

    def revise(self, revision: str) -> None:
        """Have it give them another revision."""
        self.change({"wwn/revision": revision})

    def restore(self) -> None:
        """Have it make them as before."""
        self.change({})

    def foretell(self, node: str, fields: dict[str, str]) -> None:
        """Note what another node told that a LUN of drbd0 would be there."""
        told = ",".join(f"{name}={value}" for name, value in fields.items())
        Path(rundir.path("device-limits.san")).write_text(f"0=0\n{node} 0:{fake_configfs.disk()} would.0:{told}\n")

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
    monkeypatch.setattr(state_volume, "folder", lambda device, _resource="": {"/dev/drbd0": str(folder)}.get(device))
    monkeypatch.setattr(durable_file, "make_synchronous", lambda _path: None)
    return folder


def taken(path: str = "/dev/drbd0") -> Fingerprint:
    return fingerprint.read(Lun(IQN, 1, path), "atlas")


def test_it_holds_what_initiators_see(pair: Pair) -> None:
    assert pair("start") == 0
    fields = taken().fields
    expected = {
        "lun": "1",
        "naa": f"naa.6001405{fields['vpd_unit_serial'][:25]}",
        "revision": "4.0",
        "rtpi": "1",
        "block_size": "512",
        "capacity": str(128 << 20),
        "physical_block_size": "4096",
        "emulate_caw": "1",
        "max_write_same_len": "65536",
        "max_unmap_block_desc_count": "1",
        "is_nonrot": "0",
        "force_pr_aptpl": "1",
        "alua_access_state": "0",
    }
    assert {name: fields[name] for name in expected} == expected
    # What only the configuration says is no part of it.
    assert not {"initiators", "authentication", "generate_node_acls", "vendor_id", "product_id"} & set(fields)


def test_a_kernel_without_the_relative_port_counts_luns(pair: Pair) -> None:
    assert pair("start") == 0
    Path(pair.kernel.root, "iscsi", IQN, "tpgt_1", "rtpi").unlink()
    assert taken().fields["rtpi"] == "1"


def test_a_second_target_has_a_relative_port_of_its_own(pair: Pair) -> None:
    other = "iqn.2003-01.org.example:other"
    run = agents.Runner("lio-iscsi-target", **{**TARGET, "iqn": other, "portals": "10.0.5.51"})
    assert run("start") == 0
    ports = [Path(pair.kernel.root, "iscsi", iqn, "tpgt_1", "rtpi").read_text() for iqn in (IQN, other)]
    assert (int(ports[0], 0), int(ports[1], 0) > 1) == (1, True)
    # It keeps it, also where the first one has gone.
    assert pair("stop", "lio-iscsi-target") == 0
    assert run("start") == 0
    assert Path(pair.kernel.root, "iscsi", other, "tpgt_1", "rtpi").read_text() == ports[1]


@pytest.mark.parametrize("value", ["plain", "a b", "a=b", "50%", '<&">\\', "", "é\n"])
def test_every_value_comes_back(value: str) -> None:
    mine = Fingerprint("at las", {"revision": value, "lun": "1"}, 7)
    back = fingerprint.parse(str(mine))
    assert back is not None
    assert (back.node, back.fields, back.count) == (mine.node, mine.fields, 7)
    assert not set(str(mine)) & set("\"'<>&\\\n")


@pytest.mark.parametrize("text", ["", "atlas", "atlas 12345678", "atlas 12345678 lun=%GG", "atlas 12345678 lun=%FF"])
def test_what_is_no_fingerprint(text: str) -> None:
    assert fingerprint.parse(text) is None


def test_a_record_of_an_older_version_is_the_oldest() -> None:
    for count in ("12345678", "count:", "count:many"):
        record = fingerprint.parse(f"atlas {count} lun=1")
        assert record is not None
        assert (record.count, record.fields) == (0, {"lun": "1"})


def test_what_makes_another_disk() -> None:
    mine = Fingerprint(
        "atlas", {"lun": "1", "capacity": "1024", "hw_max_sectors": "8", "emulate_rsoc": "1", "max_write_same_len": "5"}
    )
    other = Fingerprint("zeus", {"lun": "2", "capacity": "512", "hw_max_sectors": "2048", "pi_prot_type": "0"})
    assert list(map(str, mine.differences(other))) == ["lun is 1 instead of 2", "emulate_rsoc is 1 instead of 0"]
    assert [each.destructive for each in mine.differences(other)] == [True, False]
    assert list(map(str, other.differences(mine))) == [
        "capacity is 512 instead of 1024",
        "lun is 2 instead of 1",
        "emulate_rsoc is 0 instead of 1",
    ]
    # What the configuration gives is its will, but not who the disk is.
    configured = Fingerprint(
        "atlas", {**mine.fields, "max_write_same_len": "9"}, configured=frozenset(("max_write_same_len", "lun"))
    )
    assert [each.name for each in configured.differences(other)] == ["lun", "emulate_rsoc"]
    assert configured.differences(mine) == []


def test_the_first_start_is_told_to_every_node(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair.served() == {("atlas", 1, "4.0")}
    assert set(pair.attributes[NAME]) == {"atlas", "zeus"}
    assert pair("monitor") == 0
    assert pair.programs == []


def test_a_cluster_that_does_not_tell_the_node_is_asked(pair: Pair) -> None:
    assert pair("start", CRM_meta_on_node="") == 0
    assert pair.programs[:2] == [QUERY, "crm_node --name"]
    assert pair.served() == {("atlas", 1, "4.0")}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("name", ["unlink", "fsync", "rename", "utime"])
def test_a_kill_while_it_is_told_is_survived(
    pair: Pair, volume: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    real, calls = getattr(os, name), iter(range(1, number))

    def kill(*words: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        real(*words)

    assert pair("start") == 0
    pair.revise("5.0")
    with monkeypatch.context() as patch:
        patch.setattr(os, name, kill)
        try:
            pair("stop")
            pair("start")
        except KeyboardInterrupt:
            pass
    assert pair("start") == 0
    assert pair("monitor", **SETTLED) == 0
    # A stop that was killed leaves the object as it was.
    present = taken().fields["revision"]
    assert {(node, revision) for node, _, revision in pair.served()} == {("atlas", present)}
    assert f"revision={present}" in (volume / "fingerprint.p_lun1").read_text().splitlines()


def test_nothing_is_asked_or_told_outside_of_a_cluster(pair: Pair) -> None:
    run = agents.Runner("lio-lun", **LUN)
    assert (run("start"), run("monitor"), run("reload-agent"), run("stop")) == (0, 0, 0, 0)
    assert pair.programs == []


def test_the_same_disk_moves_for_one_query(pair: Pair) -> None:
    assert pair("start") == 0
    for count, node in enumerate(("zeus", "atlas", "zeus"), start=2):
        assert pair.move(node) == 0
        assert pair.programs == [QUERY]
        assert pair("monitor", CRM_meta_interval="0") == 0
        assert pair.programs == []
        assert pair("monitor") == 0
        assert len(pair.programs) == 3
        assert pair.served() == {(node, count, "4.0")}
        assert pair("monitor") == 0
        assert pair.programs == []


GRAVE = [
    (
        {"scsi_sn": "0123456789abcdef0123456789abcdef"},
        {},
        "naa=naa.60014050123456789abcdef012345678",
        "vpd_unit_serial",
    ),
    ({}, {"attrib/block_size": "4096"}, "block_size=4096", "block_size"),
    ({"vaai": "none", "vaai_preferred": "ats"}, {"attrib/emulate_caw": None}, "", "emulate_caw"),
]


@pytest.mark.parametrize("node", ["atlas", "zeus"])
@pytest.mark.parametrize(("changes", "kernel", "word", "name"), GRAVE, ids=["serial", "block size", "ats"])
def test_another_disk_is_refused_and_named(
    pair: Pair,
    capsys: pytest.CaptureFixture[str],
    node: str,
    changes: dict[str, str],
    kernel: dict[str, str | None],
    word: str,
    name: str,
) -> None:
    before = tree(pair.kernel.root)
    assert pair("start") == 0
    pair.change(kernel)
    assert pair.move(node, **changes) == 2
    told = reason(capsys)
    assert f": {node} would serve another disk than atlas served last as LUN 1 of {IQN}; " in told
    assert f"{name} is " in told.partition(": ")[0]
    assert tree(pair.kernel.root) == before
    assert pair.served() == {("atlas", 1, "4.0")}
    # What it says to type is what allows it, and nothing else does.
    words = told.rpartition("'")[0].rpartition("'")[2]
    assert f"crm_resource --resource p_lun1 --set-parameter accepted_differences --parameter-value '{words}'" in told
    assert word in words
    assert pair("start", **changes, accepted_differences="lun=2") == 2
    assert pair("start", **changes, accepted_differences=words) == 0
    assert {who for who, _, _ in pair.served()} == {node}
    # It holds after a reload, and for the way back.
    assert pair("reload-agent", **changes, accepted_differences=words, max_unmap_lba_count="8192") == 0
    pair.restore()
    assert pair.move("zeus" if node == "atlas" else "atlas", accepted_differences=words) == 0


def test_another_number_is_refused(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    serial = {"scsi_sn": "0123456789abcdef0123456789abcdef"}
    assert pair("start", **serial) == 0
    assert pair.move("zeus", **serial, lun="2") == 2
    assert "lun is 2 instead of 1: zeus would serve another disk" in reason(capsys)


def test_a_smaller_device_is_refused_and_a_larger_is_the_same(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    pair.kernel.sizes["/dev/drbd0"] *= 2
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("atlas") == 2
    assert "capacity is 134217728 instead of 268435456" in reason(capsys)


def test_a_device_that_grows_under_its_lun_is_told(pair: Pair) -> None:
    assert pair("start") == 0
    pair.kernel.sizes["/dev/drbd0"] *= 2
    old = time.time() - 301
    os.utime(rundir.path("fingerprint.p_lun1"), (old, old))
    assert pair("monitor") == 190
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("zeus") == 2


WILL = [
    {"product_id": "new", "vendor_id": "ACME"},
    {"max_unmap_lba_count": "8192", "max_write_same_len": "4096", "unmap_granularity": "8", "is_nonrot": "yes"},
    {"emulate_3pc": "no"},
    {"emulate_caw": "no"},
    {"vaai": "ats"},
    {"allowed_initiators": ESX1},
    {"size": str(128 << 20)},
]


@pytest.mark.parametrize("changes", WILL, ids=lambda changes: " ".join(changes))
def test_what_the_configuration_says_is_no_difference(pair: Pair, changes: dict[str, str]) -> None:
    """Whether it was changed on the node that serves, or while nobody served."""
    assert pair("start") == 0
    pair.lose("atlas")
    pair.go_to("zeus")
    assert pair("start", **changes) == 0
    assert pair("monitor", **changes) == 0
    assert pair.move("atlas") == 0
    assert pair("monitor") == 0


def test_the_initiators_of_the_target_are_no_difference(pair: Pair) -> None:
    """The node that served is dead, and one more initiator is admitted."""
    chap = {"incoming_username": "esxone", "incoming_password": "correcthorse12"}
    assert pair("start") == 0
    pair.lose("atlas")
    pair.go_to("zeus")
    assert (
        pair("start", "lio-iscsi-target", allowed_initiators=f"{ESX1} {ESX2} iqn.1998-01.com.vmware:esx3", **chap) == 0
    )
    assert pair("start") == 0
    assert pair("monitor") == 0


def test_a_reload_of_the_target_tells_nothing(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    assert pair.programs == []


def test_what_a_kernel_does_otherwise_is_served_and_said(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    pair.change({"attrib/emulate_rsoc": None, "wwn/revision": "5.0"})
    assert pair.move("zeus") == 0
    assert pair("monitor") == 190
    told = reason(capsys)
    assert told.startswith(
        "zeus serves emulate_rsoc=0 revision=5.0; accept: crm_resource -r p_lun1 -p accepted_differences"
    )
    assert "so that it is emulate_rsoc=1 revision=4.0 on both" in told
    # It is said until it is accepted, also by a node that starts it once more.
    assert pair.move("zeus") == 0
    assert pair("monitor", accepted_differences="emulate_rsoc=0") == 190
    assert "-v 'emulate_rsoc=0 revision=5.0'" in reason(capsys)
    accepted = {"accepted_differences": "emulate_rsoc=0 revision=5.0"}
    assert pair("reload-agent", **accepted) == 0
    assert pair("monitor", **accepted) == 0
    # Back, and there again.
    pair.restore()
    assert pair.move("atlas", **accepted) == 0
    assert pair("monitor", **accepted) == 0
    pair.change({"attrib/emulate_rsoc": None, "wwn/revision": "5.0"})
    assert pair.move("zeus", **accepted) == 0
    assert pair("monitor", **accepted) == 0
    assert pair("monitor") == 190


def test_what_is_the_same_again_is_said_no_longer(pair: Pair) -> None:
    assert pair("start") == 0
    pair.revise("5.0")
    assert pair.move("zeus") == 0
    assert pair("monitor") == 190
    assert pair.move("atlas") == 0
    assert pair("monitor") == 0


@pytest.mark.parametrize("changes", [{}, PREFERRED], ids=["required", "preferred"])
def test_a_node_that_cannot_discard_serves_a_lun_that_hosts_know(
    pair: Pair, capsys: pytest.CaptureFixture[str], changes: dict[str, str]
) -> None:
    assert pair("start", **changes) == 0
    pair.kernel.thick.add("/dev/drbd0")
    assert pair.move("zeus", **changes) == 0
    place = Path(Lun(IQN, 1, "/dev/drbd0").storage.place)
    assert [(place / "attrib" / name).read_text() for name in ("emulate_tpu", "emulate_tpws", "emulate_caw")] == [
        "0\n",
        "0\n",
        "1\n",
    ]
    assert (place / "attrib/max_unmap_block_desc_count").read_text() == "1\n"
    assert pair("monitor", **changes) == 190
    assert "zeus serves emulate_tpu=0 emulate_tpws=0; accept: crm_resource" in reason(capsys)
    # Also where nobody knows any more what was before.
    os.unlink(rundir.path("fingerprint-before.p_lun1"))
    assert pair("monitor", **changes) == (0 if changes else 190)
    told = capsys.readouterr().err
    assert ("unmap, which parameter vaai names, is off: /dev/drbd0 cannot discard" in told) == (not changes)
    # A reload changes what it can.
    assert pair("reload-agent", **changes, max_unmap_lba_count="8192") == 0
    assert (place / "attrib/max_unmap_lba_count").read_text() == "8192\n"
    accepted = {**changes, "max_unmap_lba_count": "8192", "accepted_differences": "emulate_tpu=0 emulate_tpws=0"}
    assert pair("monitor", **accepted) == 0
    assert pair("monitor", OCF_CHECK_LEVEL="10", **accepted) == 0
    pair.kernel.thick.clear()
    assert pair.move("atlas", **changes) == 0
    assert (place / "attrib/emulate_tpu").read_text() == "1\n"
    assert pair("monitor", **changes) == 0


def test_a_lun_that_nobody_knows_needs_all_that_vaai_names(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.kernel.thick.add("/dev/drbd0")
    assert pair("start") == 2
    assert "unmap is required by parameter vaai, and " in reason(capsys)
    assert pair("start", **PREFERRED) == 0


def test_disks_of_other_kinds_make_the_same_lun(pair: Pair) -> None:
    assert pair("start", **PREFERRED) == 0
    pair.kernel.solid.add("/dev/drbd0")
    assert pair.move("zeus", **PREFERRED) == 0
    assert pair("monitor", **PREFERRED) == 0


def test_it_is_said_beforehand_what_the_other_node_would_serve(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"block_size": "512", **pair.kernel.shape, "emulate_rsoc": "1"}
    assert pair("start") == 0
    pair.foretell("zeus", same)
    assert pair("monitor") == 0
    pair.foretell("zeus", {**same, "emulate_tpu": "0", "emulate_tpws": "0"})
    assert pair("monitor") == 190
    told = reason(capsys)
    assert told.startswith(
        "zeus would serve emulate_tpu=0 emulate_tpws=0; accept: crm_resource -r p_lun1 -p accepted_diff"
    )
    assert told.endswith("emulate_tpu=1 emulate_tpws=1 on both (a disk that can discard: lsblk --discard)")
    assert pair("monitor", accepted_differences="emulate_tpu=0 emulate_tpws=0") == 0
    assert pair("monitor", CRM_meta_interval="0") == 0
    # Whom nobody tells anything, nobody misleads.
    assert pair("reload-agent", vaai="ats xcopy write_same") == 0
    assert pair("monitor", vaai="ats xcopy write_same") == 0
    assert pair("reload-agent") == 0
    pair.foretell("zeus", {**same, "emulate_rsoc": "0", "physical_block_size": "512"})
    assert pair("monitor") == 190
    assert reason(capsys).startswith("zeus would serve emulate_rsoc=0 physical_block_size=512; accept: ")
    pair.foretell("zeus", {**same, "block_size": "4096"})
    assert pair("monitor") == 190
    assert reason(capsys).startswith("zeus would not serve it: block_size is 4096 instead of 512; give it a disk like")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["nonsense"],
        ["0=0"],
        ["0=7", "zeus would.0:emulate_tpu=0"],
        ["0=0", "zeus would.0:"],
        ["0=0", "zeus 0:discard_max_bytes=0"],
        ["0=0", "zeus would.1:emulate_tpu=0"],
    ],
)
def test_what_is_unknown_of_another_node_is_no_difference(pair: Pair, lines: list[str]) -> None:
    assert pair("start") == 0
    Path(rundir.path("device-limits.san")).write_text("\n".join(lines))
    assert pair("monitor") == 0
    assert pair.programs == []


def test_a_peer_that_cannot_discard_keeps_nobody_from_starting(pair: Pair) -> None:
    pair.foretell("zeus", {"emulate_tpu": "0", "emulate_tpws": "0"})
    assert pair("start") == 0


@pytest.mark.parametrize(
    ("release", "fields"),
    [
        ("5.14.0-427.el9.x86_64", {"emulate_rsoc": "0", "rtpi": "1"}),
        ("6.1.0-50-amd64", {"emulate_rsoc": "0", "rtpi": "1"}),
        ("6.3", {"emulate_rsoc": "1", "rtpi": "1"}),
        ("6.4.0-rc1", {"emulate_rsoc": "1"}),
        ("7.3.4+deb13-amd64", {"emulate_rsoc": "1"}),
        ("7-rc1", {"emulate_rsoc": "1"}),
    ],
)
def test_what_a_kernel_would_do(monkeypatch: pytest.MonkeyPatch, release: str, fields: dict[str, str]) -> None:
    monkeypatch.setattr(device_limits, "io_topology_of_drbd", lambda _minor: {"block_size": "512"})
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "zeus", release, "", "")))
    assert expected_fingerprint.fields(0, fake_configfs.disk()) == {"block_size": "512", **fields}
    thick = expected_fingerprint.fields(0, fake_configfs.disk(discard_max_bytes=0))
    assert thick == {"block_size": "512", "emulate_tpu": "0", "emulate_tpws": "0", **fields}


def test_the_survivor_of_a_power_cut_compares(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair("start") == 0
    pair.lose("atlas")
    pair.go_to("zeus")
    assert pair("start", scsi_sn="0123456789abcdef0123456789abcdef") == 2
    assert "vpd_unit_serial is 0123456789abcdef0123456789abcdef instead of " in reason(capsys)
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


def test_nothing_is_told_before_the_address_is_here(pair: Pair) -> None:
    """It takes three programs, just when the start of the address does."""
    assert pair("start") == 0
    assert pair.move("zeus") == 0
    address = pair.held.pop()
    assert pair("monitor") == 0
    assert pair.programs == []
    pair.held.append(address)
    assert pair("monitor") == 0
    assert [node for node, _, _ in pair.served()] == ["zeus"]


def test_the_monitors_of_many_luns_tell_it_one_after_the_other(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side their programs would take more than a processor."""
    monkeypatch.setattr(turn, "_SECONDS_TO_WAIT", 0.05)
    assert pair("start") == 0
    assert pair.move("zeus") == 0
    with turn.Turn(Deadline(1)) as of_another:
        assert of_another.mine
        assert pair("monitor") == 0
        assert pair.programs == []
    assert pair("monitor") == 0
    assert [node for node, _, _ in pair.served()] == ["zeus"]


def test_a_change_by_hand_keeps_nobody_from_serving(pair: Pair) -> None:
    assert pair("start") == 0
    Path(Lun(IQN, 1, "/dev/drbd0").storage.place, "attrib/emulate_caw").write_text("0\n")
    old = time.time() - 301
    os.utime(rundir.path("fingerprint.p_lun1"), (old, old))
    assert pair("monitor") == 0
    assert len(pair.programs) == 3
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0


def test_a_reload_tells_what_it_changed(pair: Pair) -> None:
    assert pair("start") == 0
    assert pair("reload-agent", accepted_differences="rtpi=4711") == 0
    assert pair.programs == []
    assert pair("reload-agent", emulate_3pc="no") == 0
    assert len(pair.programs) == 3
    assert pair.move("zeus", emulate_3pc="no") == 0


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
    assert configfs.names(f"{portal_group.place(IQN)}/acls/{third}").count("lun_1") == 0


def test_a_lun_that_is_shown_once_more_while_it_goes_is_gone_all_the_same(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pair("start") == 0
    unlink = configfs.unlink
    shown: list[str] = []

    def show_first(path: str) -> bool:
        if "/lun/lun_1/" in path and not shown:
            shown.append(path)
            lio_acl.show(portal_group.place(IQN), ESX1, 1, os.path.basename(path))
        return unlink(path)

    monkeypatch.setattr(configfs, "unlink", show_first)
    assert pair("stop") == 0
    assert len(shown) == 1
    assert configfs.names(f"{portal_group.place(IQN)}/lun") == []


def test_a_cluster_that_does_not_answer_keeps_nobody_from_serving(pair: Pair) -> None:
    assert pair("start") == 0
    pair.answers = False
    pair.revise("5.0")
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0
    assert pair("reload-agent", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    pair.answers = True
    assert pair("monitor", "lio-iscsi-target", allowed_initiators=ESX1) == 0
    assert pair("monitor") == 0
    # Its number comes after that which it could not ask for.
    assert pair.served() == {("zeus", 2, "5.0")}


def test_what_follows_the_device_is_no_reason(pair: Pair) -> None:
    assert pair("start") == 0
    pair.change({"attrib/hw_max_sectors": "8"})
    assert pair.move("zeus") == 0
    assert pair.programs == [QUERY]
    assert pair("monitor") == 0


def test_both_nodes_start_cold(pair: Pair, volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is on the volume is there when no attribute is."""
    assert pair("start") == 0
    kept = volume / "fingerprint.p_lun1"
    assert kept.read_text().splitlines()[:2] == ["atlas", "count:1"]
    assert "revision=4.0" in kept.read_text().splitlines()
    assert [path.name for path in volume.iterdir() if path.is_file()] == [kept.name]
    pair.attributes.clear()
    assert pair.move("zeus") == 0
    assert pair.programs == [QUERY]
    assert pair("monitor") == 0
    assert pair.served() == {("zeus", 2, "4.0")}
    assert kept.read_text().splitlines()[:2] == ["zeus", "count:2"]
    pair.attributes.clear()
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("atlas") == 2
    assert "capacity is 67108864 instead of 134217728" in reason(capsys)
    # Nor does it take the cluster.
    pair.answers = False
    assert pair.move("atlas") == 2


@pytest.mark.parametrize("later", ["volume", "cluster"])
def test_the_later_record_counts(pair: Pair, volume: Path, later: str) -> None:
    assert pair("start") == 0
    kept = volume / "fingerprint.p_lun1"
    records = {"volume": kept.read_text(), "cluster": pair.attributes[NAME]["zeus"]}
    half = {place: text.replace(f"capacity={128 << 20}", f"capacity={64 << 20}") for place, text in records.items()}
    # The other place has missed that the disk became smaller.
    records[later] = half[later].replace("count:1", "count:2")
    kept.write_text(records["volume"])
    pair.attributes[NAME]["zeus"] = records["cluster"]
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("zeus") == 0
    assert pair("monitor") == 0
    assert {count for _, count, _ in pair.served()} == {3}
    assert "count:3" in kept.read_text().splitlines()


def test_a_damaged_file_is_passed_over(pair: Pair, volume: Path) -> None:
    assert pair("start") == 0
    (volume / "fingerprint.p_lun1").write_bytes(b"\xff\0")
    pair.kernel.sizes["/dev/drbd0"] //= 2
    assert pair.move("zeus") == 2


@pytest.mark.parametrize("name", ["fsync", "rename"])
def test_a_volume_that_fails_keeps_nobody_from_serving(
    pair: Pair, volume: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        assert pair("start") == 0
    assert not (volume / "fingerprint.p_lun1").exists()
    assert pair("monitor") == 0
    assert pair.served() == {("atlas", 1, "4.0")}
    assert (volume / "fingerprint.p_lun1").exists()
