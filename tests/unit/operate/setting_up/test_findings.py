# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in the way is found on either node, all at once, each with what to type; and nothing is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tests.unit.operate.setting_up import fake_pair
from tests.unit.operate.setting_up.fake_pair import LUN_DISK, STATE_DISK, FakeNode, FakePair
from tests.unit.site import sites
from twinsan import cli
from twinsan.errors import TooSlow
from twinsan.operate.setting_up import cluster_checks
from twinsan.operate.setting_up import facts as told
from twinsan.operate.setting_up.disk import Disk
from twinsan.site import corosync

Change = Callable[[FakeNode], None]


def facts(**values: object) -> Change:
    """Another answer of the node."""

    def change(node: FakeNode) -> None:
        node.facts = dataclasses.replace(node.facts, **values)  # type: ignore[arg-type]

    return change


def without(name: str, *missing: str) -> Change:
    def change(node: FakeNode) -> None:
        left = tuple(each for each in getattr(node.facts, name) if each not in missing)
        facts(**{name: left})(node)

    return change


def disk(path: str = LUN_DISK, **values: object) -> Change:
    def change(node: FakeNode) -> None:
        node.changed_disks[path] = dataclasses.replace(node.disk, path=path, **values)  # type: ignore[arg-type]

    return change


def file(path: str, text: str) -> Change:
    def change(node: FakeNode) -> None:
        node.files[path] = text.encode()

    return change


def other_cluster(node: FakeNode) -> None:
    node.cluster = {"zeus", "hera", "node1"}


def clone(node: FakeNode) -> None:
    node.loaded = True
    node.disks = {0: "UpToDate", 7: "UpToDate"}


CONF = corosync.text(sites.site(fake_pair.SITE))
MINE = "/etc/corosync/corosync.conf"
RES = "/etc/drbd.d/data0.res"

# What is so on zeus, the words of the finding, and of what to type.
IN_THE_WAY: list[tuple[Change, str, str]] = [
    (facts(root=False), "ssh to zeus does not lead to root", "root@zeus"),
    (facts(version="0.2.0 abc"), "atlas has twinsan 0.1.0 abc and zeus has 0.2.0 abc", "make install"),
    (
        without("programs", "drbdadm", "fence_ipmilan"),
        "zeus (Debian 13) lacks drbdadm fence_ipmilan",
        "apt install drbd-utils fence-agents",
    ),
    (without("modules", "drbd"), "the kernel 6.12 of zeus has no module drbd", "boot that kernel"),
    (facts(drbd="9.3.3"), "DRBD of atlas is 8.4.11, of zeus 9.3.3", "install the same"),
    (without("programs", "mkfs.btrfs", "mkfs.xfs"), "no file system in common", "apt install btrfs-progs"),
    (
        facts(addresses=(told.Address("eth0", "10.0.5.3", 24),)),
        "zeus has no address 10.0.6.13",
        "it has 10.0.5.3; correct [nodes.zeus], or: ip address add 10.0.6.13/24",
    ),
    (
        facts(addresses=tuple(told.Address("eth0", f"10.0.{end}", 24) for end in ("5.3", "6.13", "5.50"))),
        "zeus has the portal address 10.0.5.50 already",
        "network's configuration",
    ),
    (facts(listening=(7789,)), "somebody listens on port 7789 of zeus, which is for DRBD", "ss -ltnp"),
    (facts(listening=(3260,)), "somebody listens on port 3260 of zeus, which is for iSCSI", "ss -ltnp"),
    (facts(targets=("iqn.2003-01.org.example:old",)), "targets that no cluster has made", "targetcli clearconfig"),
    (facts(time=-30.0), "the clocks of the nodes are 30 s apart", "chronyd"),
    (facts(free_mb={"/etc": 3}), "/etc of zeus has 3 MiB of room", "20 MiB"),
    (
        file(MINE, CONF.replace("name: atlas", "name: hera")),
        "zeus belongs to another cluster: its /etc/corosync/corosync.conf has the nodes hera zeus",
        "mv /etc/corosync/corosync.conf",
    ),
    (file(MINE, "totem {\n}\n" + CONF.replace("10.0.5.2", "10.0.5.9")), "has the nodes atlas zeus", "mv"),
    (other_cluster, "the cluster of zeus knows other nodes: hera", "crm_node --force --remove NAME"),
    (file(RES, "resource data0 { }"), f"{RES} of zeus is not what the site makes", f"mv {RES} {RES}.old"),
    (clone, "DRBD runs data0 on zeus with other disks than the site has", "drbdadm down data0"),
    (disk(fault="No such file or directory"), "/dev/sda5 of zeus is no disk", "correct resources.data0.luns.0.disk"),
    (disk(read_only=True), "/dev/sda5 of zeus is read-only", "blockdev --report"),
    (disk(holders=("dm-3",)), "/dev/sda5 of zeus is in use: dm-3 on top of it", "lsblk /dev/sda5"),
    (disk(users=("mounted on /srv", "swap")), "/dev/sda5 of zeus is in use: mounted on /srv, swap", "lsblk"),
    (
        disk(signatures=("gpt", "PMBR", "gpt"), written=True),
        "/dev/sda5 of zeus (1 GiB) has gpt and PMBR on it",
        "--overwrite zeus:/dev/sda5",
    ),
    (disk(written=True), "/dev/sda5 of zeus (1 GiB) has data of an unknown kind on it", "--overwrite zeus:/dev/sda5"),
    (disk(signatures=("drbd",), written=True), "has drbd on it", "--overwrite zeus:/dev/sda5"),
    (disk(size=2 << 30), "/dev/sda5 of zeus is 2 GiB, its counterpart of atlas 1 GiB", "disks of one size"),
    (disk(block_size=4096), "has blocks of 4096 bytes", "disks of one kind"),
    (disk(discards=False), "/dev/sda5 of zeus cannot discard", 'vaai = ["ats", "xcopy", "write_same"]'),
    (disk(STATE_DISK, size=100 << 20), "/dev/sda6 of zeus has 100 MiB, too little", "btrfs needs 110 MiB"),
]


@pytest.mark.parametrize(("change", "what", "remedy"), IN_THE_WAY, ids=[each[1][:40] for each in IN_THE_WAY])
def test_it_is_found_and_nothing_is_changed(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], change: Change, what: str, remedy: str
) -> None:
    change(pair.zeus)
    assert cli.main([*words, "--yes"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if what in line and "(remark)" not in line]
    assert remedy in " ".join(lines[place : place + 2])
    assert "nothing was changed" in err
    assert pair.changes == []


def test_a_disk_that_is_named_by_two_of_its_paths_is_found(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (LUN_DISK, STATE_DISK):
        disk(path, number="8:5")(pair.zeus)
    disk(number="8:5")(pair.atlas)
    disk(STATE_DISK, number="8:6")(pair.atlas)
    assert cli.main([*words, "--yes"]) == 1
    out, err = capsys.readouterr()
    assert "/dev/sda6 of zeus is the same disk as /dev/sda5" in out
    assert "name another disk in resources.data0.state.disk" in out
    assert "1 thing is in the way" in err
    assert pair.changes == []


def test_all_is_found_at_once(pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    separate = (IN_THE_WAY[2], IN_THE_WAY[8], IN_THE_WAY[11], IN_THE_WAY[12])
    for change, _, _ in separate:
        change(pair.zeus)
    disk(written=True)(pair.atlas)
    disk(STATE_DISK, written=True)(pair.atlas)
    assert cli.main([*words, "--yes"]) == 1
    out, err = capsys.readouterr()
    assert all(what in out for _, what, _ in separate)
    assert "--overwrite atlas:/dev/sda5" in out
    assert "--overwrite atlas:/dev/sda6" in out
    assert "6 things are in the way" in err


def test_a_wrong_password_is_found_before_anything_is_changed(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    with open(words[3], "w", encoding="ascii") as opened:
        opened.write(f"{fake_pair.PASSWORD}\nwrong\n")
    assert cli.main([*words, "--yes"]) == 1
    out = capsys.readouterr().out
    assert "the BMC of zeus (10.0.6.3) does not answer atlas" in out
    assert "ipmitool -I lanplus -C 3 -H 10.0.6.3 -U twinsan power status" in out
    assert "wrong" not in out
    assert pair.changes == []


def test_a_bmc_that_does_not_answer_is_found_beside_all_else(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(_words: list[str], _given: str) -> str:
        raise TooSlow("fence_ipmilan did not end in time")

    monkeypatch.setattr(pair.atlas, "_fence_ipmilan", hang)
    disk(written=True)(pair.atlas)
    assert cli.main([*words, "--yes"]) == 1
    out, err = capsys.readouterr()
    assert "the BMC of zeus (10.0.6.3) does not answer atlas with the status of its power" in out
    assert "--overwrite atlas:/dev/sda5" in out
    assert "2 things are in the way" in err


def active(name: str) -> Change:
    return lambda node: node.active.add(name)


REMARKS: list[tuple[Change, str]] = [
    (active("firewalld"), "firewalld runs on zeus"),
    (disk(size=(1 << 30) + (8 << 20)), "/dev/sda5 of zeus is larger than its counterpart: 8 MiB of it stays unused"),
    (disk(rotational=True), "/dev/sda5 of zeus rotates, its counterpart of atlas does not"),
    (disk(STATE_DISK, discards=False), "/dev/sda6 of atlas can discard, its counterpart of zeus does not"),
]


@pytest.mark.parametrize(("change", "what"), REMARKS, ids=[each[1][:40] for each in REMARKS])
def test_what_is_not_in_the_way_is_a_remark(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], change: Change, what: str
) -> None:
    change(pair.zeus)
    assert cli.main([*words, "--dry-run"]) == 0
    assert f"(remark) {what}" in capsys.readouterr().out


def test_a_corosync_conf_with_other_values_stays(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changed = CONF.replace("token: 3000", "token: 5000")
    pair.zeus.files[MINE] = changed.encode()
    assert cli.main([*words, "--yes"]) == 0
    assert f"(remark) {MINE} of zeus is not what the site makes" in capsys.readouterr().out
    assert pair.atlas.files[MINE] == pair.zeus.files[MINE] == changed.encode()


def test_the_node_lists_of_corosync_are_read() -> None:
    site = sites.site(fake_pair.SITE)
    assert cluster_checks.nodes_of(CONF) == {"atlas": ("10.0.5.2", "10.0.6.12"), "zeus": ("10.0.5.3", "10.0.6.13")}
    assert cluster_checks.is_of(site, CONF)
    assert not cluster_checks.is_of(site, fake_pair.DEBIAN)
    assert cluster_checks.may_be_replaced(fake_pair.DEBIAN)
    assert cluster_checks.may_be_replaced(None)
    assert cluster_checks.may_be_replaced("totem {\n}\n")
    assert not cluster_checks.may_be_replaced(CONF)
    interface = "totem {\n  interface {\n    ringnumber: 0\n    bindnetaddr: ADDRESS\n  }\n}\n"
    assert cluster_checks.may_be_replaced(interface.replace("ADDRESS", "127.0.0.1"))
    assert not cluster_checks.may_be_replaced(interface.replace("ADDRESS", "10.0.5.0"))
    assert not cluster_checks.may_be_replaced(fake_pair.DEBIAN.replace("127.0.0.1", "10.0.5.3"))


def test_lun_without_unmap_needs_no_disk_that_discards(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with open(words[1], "a", encoding="ascii") as site:
        site.write('vaai = ["ats", "xcopy", "write_same"]\n')
    for node in pair.nodes:
        disk(discards=False)(node)
    assert cli.main([*words, "--dry-run"]) == 0, capsys.readouterr()


def test_the_kind_of_a_disk_in_words() -> None:
    assert Disk("/dev/sdb").content == ""
    assert Disk("/dev/sdb", written=True).content == "data of an unknown kind"
    assert Disk("/dev/sdb", signatures=("ext4",), written=True).content == "ext4"


SBD = fake_pair.SITE.replace('bmc = "10.0.6.2"\n', "").replace('bmc = "10.0.6.3"\n', "")
SBD = SBD.replace('by = "ipmi"\nusername = "twinsan"', 'by = "sbd"\ndevices = ["/dev/sdh"]')


@pytest.fixture
def sbd(pair: FakePair, words: list[str]) -> FakePair:
    """The site fences by a common disk."""
    with open(words[1], "w", encoding="ascii") as site:
        site.write(SBD)
    for node in pair.nodes:
        disk("/dev/sdh")(node)
        node.files["/dev/watchdog"] = b""
    return pair


def test_a_disk_of_sbd_with_something_on_it_is_left_alone(
    sbd: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for node in sbd.nodes:
        disk("/dev/sdh", signatures=("LVM2_member",), written=True)(node)
    assert cli.main([words[0], words[1], "--yes"]) == 1
    assert "--overwrite atlas:/dev/sdh" in capsys.readouterr().out
    assert sbd.changes == []
    del sbd.zeus.files["/dev/watchdog"]
    assert cli.main([words[0], words[1], "--yes", "--overwrite", "atlas:/dev/sdh"]) == 1
    out = capsys.readouterr().out
    assert "zeus has no watchdog /dev/watchdog" in out
    assert "LVM2_member" not in out
    assert sbd.changes == []


def test_a_pair_with_sbd(sbd: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([words[0], words[1], "--yes"]) == 0, capsys.readouterr()
    assert "atlas: sbd -d /dev/sdh -1 5 -4 10 create" in sbd.changes
    for node in sbd.nodes:
        assert b'SBD_DEVICE="/dev/sdh"' in node.files["/etc/default/sbd"]
        assert "sbd" in node.enabled
    before = len(sbd.changes)
    assert cli.main([words[0], words[1], "--yes"]) == 0
    assert len(sbd.changes) == before


def test_only_a_disk_that_has_no_places_of_sbd_gets_them(sbd: FakePair, words: list[str]) -> None:
    """The watchers of the other disks would find them empty, and reset their nodes."""
    with open(words[1], "w", encoding="ascii") as site:
        site.write(SBD.replace('["/dev/sdh"]', '["/dev/sdh", "/dev/sdi", "/dev/sdj"]'))
    for node in sbd.nodes:
        for path in ("/dev/sdi", "/dev/sdj"):
            disk(path)(node)
    sbd.sbd |= {"/dev/sdh", "/dev/sdj"}
    assert cli.main([words[0], words[1], "--yes"]) == 0
    assert [change for change in sbd.changes if "create" in change and "sbd" in change] == [
        "atlas: sbd -d /dev/sdi -1 5 -4 10 create"
    ]
