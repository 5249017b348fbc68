# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan replace-disk`` on two fake servers: typed on atlas, while zeus serves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.unit.operate.disks.fake_servers import FIRST, GIB, OF_DATA, SECOND, STATE_DISK, Killed, Servers
from tests.unit.site import sites
from twinsan import cli
from twinsan.drbd import setup
from twinsan.operate.disks import replacement_steps, resync

OTHER_PATH = sites.changed("data0", (f'disk = "{FIRST}"', f'disk = {{ atlas = "{SECOND}", zeus = "{FIRST}" }}'))
SAME_PATH = sites.text("data0")
WORD = f"atlas:{SECOND}"


@pytest.fixture
def new(tmp_path: Path) -> str:
    """A site file that names a new disk for atlas."""
    path = tmp_path / "new.toml"
    path.write_text(OTHER_PATH)
    return str(path)


@pytest.fixture
def same(tmp_path: Path) -> str:
    """A site file that names what is there."""
    path = tmp_path / "same.toml"
    path.write_text(SAME_PATH)
    return str(path)


def typed(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["replace-disk", *words, "--yes"]) == status, capsys.readouterr()
    printed = capsys.readouterr()
    return printed.out + printed.err


def replaced(servers: Servers) -> None:
    assert servers.atlas.attached == {0: SECOND, 1: STATE_DISK}
    assert servers.atlas.states == {0: "UpToDate", 1: "UpToDate"}
    for server in servers.both:
        assert server.configured(0) == (SECOND if server.name == "atlas" else FIRST)
        assert "shared-secret  secret;" in server.file


def test_a_disk_at_another_path(servers: Servers, capsys: pytest.CaptureFixture[str], new: str) -> None:
    told = typed(capsys, new, "data0/0")
    assert "Interrupts nothing: zeus has all data" in told
    assert "atlas has all data of data0/0" in told
    replaced(servers)
    assert servers.changes == [
        "atlas: put /etc/drbd.d/data0.res",
        "zeus: put /etc/drbd.d/data0.res",
        "atlas: drbdadm detach data0/0",
        "atlas: drbdadm create-md data0/0",
        "atlas: drbdadm attach data0/0",
    ]
    del servers.changes[:]
    assert "nothing to replace" in typed(capsys, new, "data0/0")
    assert servers.changes == []


@pytest.mark.parametrize("at", range(1, 6))
def test_interrupted_it_goes_on(servers: Servers, capsys: pytest.CaptureFixture[str], new: str, at: int) -> None:
    servers.fatal = at
    with pytest.raises(Killed):
        typed(capsys, new, "data0")
    servers.fatal = 0
    typed(capsys, new, "data0")
    replaced(servers)


@pytest.mark.parametrize("at", range(1, 9))
def test_interrupted_while_a_disk_is_overwritten(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str, at: int
) -> None:
    servers.atlas.disks[SECOND] = dataclasses.replace(servers.atlas.disks[SECOND], signatures=("ext4",), written=True)
    servers.fatal = at
    with pytest.raises(Killed):
        typed(capsys, new, "data0/0", "--overwrite", WORD)
    servers.fatal = 0
    typed(capsys, new, "data0/0", "--overwrite", WORD)
    replaced(servers)


def test_a_disk_that_holds_something(servers: Servers, capsys: pytest.CaptureFixture[str], new: str) -> None:
    servers.atlas.disks[SECOND] = dataclasses.replace(servers.atlas.disks[SECOND], signatures=("ext4",), written=True)
    told = typed(capsys, new, "data0/0", status=1)
    assert f"{SECOND} of atlas (1 GiB) has ext4 on it" in told
    assert f"--overwrite {WORD}" in told
    assert servers.changes == []
    typed(capsys, new, "data0/0", "--overwrite", "atlas:/dev/sdz", status=2)
    assert servers.changes == []


def test_a_replica_of_another_time_is_not_overwritten(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str
) -> None:
    servers.atlas.metadata[SECOND] = OF_DATA
    assert "has drbd on it" in typed(capsys, new, "data0/0", status=1)
    assert servers.changes == []


def test_a_disk_that_works_is_let_go_and_replaced(
    servers: Servers, capsys: pytest.CaptureFixture[str], same: str
) -> None:
    assert "nothing to replace" in typed(capsys, same, "data0/0", "--overwrite", f"atlas:{FIRST}")
    assert servers.changes == []
    told = typed(capsys, same, "data0/0", "--detach")
    assert f"twinsan replace-disk {same} data0/0" in told
    typed(capsys, same, "data0/0", "--detach")
    assert servers.changes == ["atlas: drbdadm detach data0/0"]
    # It is still the old one.
    assert f"--overwrite atlas:{FIRST}" in typed(capsys, same, "data0/0", status=1)
    del servers.atlas.metadata[FIRST]
    typed(capsys, same, "data0/0")
    assert servers.atlas.attached == {0: FIRST, 1: STATE_DISK}
    assert not any("put" in change for change in servers.changes)


def test_a_disk_that_is_gone(servers: Servers, capsys: pytest.CaptureFixture[str], same: str) -> None:
    assert servers.atlas.attached
    del servers.atlas.attached[0], servers.atlas.metadata[FIRST]
    servers.atlas.states[0] = "Diskless"
    disk = servers.atlas.disks.pop(FIRST)
    assert f"{FIRST} of atlas is no disk that can be used" in typed(capsys, same, "data0", status=1)
    servers.atlas.disks[FIRST] = disk
    typed(capsys, same, "data0")
    assert servers.atlas.attached == {0: FIRST, 1: STATE_DISK}
    assert servers.changes == ["atlas: drbdadm create-md data0/0", "atlas: drbdadm attach data0/0"]


@pytest.mark.parametrize("by_cluster", [True, False])
def test_a_resource_that_could_not_start_without_its_disk(
    servers: Servers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    same: str,
    by_cluster: bool,
) -> None:
    monkeypatch.setattr(replacement_steps, "_SECONDS_FOR_CLUSTER", 0.1)
    servers.cluster_starts = by_cluster
    servers.atlas.attached = None
    servers.atlas.metadata = {STATE_DISK: OF_DATA}
    assert "has drbd on it" in typed(capsys, same, "data0/1", status=1)
    typed(capsys, same, "data0")
    assert servers.atlas.attached == {0: FIRST, 1: STATE_DISK}
    assert "atlas: drbdadm create-md data0/1" not in servers.changes
    assert ("atlas: drbdadm adjust data0" in servers.changes) != by_cluster


@pytest.mark.parametrize("by_cluster", [True, False])
def test_a_start_that_failed_without_its_disk_and_is_not_taken_down_yet(
    servers: Servers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    same: str,
    by_cluster: bool,
) -> None:
    monkeypatch.setattr(replacement_steps, "_SECONDS_FOR_CLUSTER", 0.1)
    servers.cluster_starts = by_cluster
    assert servers.atlas.attached
    del servers.atlas.attached[0], servers.atlas.metadata[FIRST]
    servers.atlas.states[0] = "Diskless"
    servers.connected = False
    servers.zeus.states[0] = "Outdated"
    assert "its disk is Outdated" in typed(capsys, same, "data0/0", status=1)
    servers.zeus.states[0] = "UpToDate"
    servers.atlas.primary = True
    assert "it is not connected" in typed(capsys, same, "data0/0", "--even-if-serving", status=1)
    assert servers.changes == []
    servers.atlas.primary = False
    typed(capsys, same, "data0/0")
    assert servers.atlas.attached == {0: FIRST, 1: STATE_DISK}
    assert servers.connected
    assert ("atlas: drbdadm adjust data0" in servers.changes) != by_cluster


def test_the_node_that_serves(servers: Servers, capsys: pytest.CaptureFixture[str], new: str) -> None:
    servers.atlas.primary, servers.zeus.primary = True, False
    told = typed(capsys, new, "data0/0", status=1)
    assert "twinsan drill --go --resource data0" in told
    assert servers.changes == []
    told = typed(capsys, new, "data0/0", "--even-if-serving")
    assert "it reads and writes through zeus" in told
    replaced(servers)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [("connected", False, "it is not connected"), ("replication", "SyncTarget", "a copy between the nodes is running")],
)
def test_without_another_copy_nothing_is_done(
    servers: Servers,
    capsys: pytest.CaptureFixture[str],
    new: str,
    name: str,
    value: object,
    why: str,
    detach: bool,
) -> None:
    setattr(servers, name, value)
    assert why in typed(capsys, new, "data0/0", *(["--detach"] if detach else []), status=1)
    assert servers.changes == []


@pytest.mark.parametrize("state", ["Inconsistent", "Outdated", "Consistent", "Diskless"])
def test_another_copy_that_is_not_whole(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str, state: str
) -> None:
    servers.zeus.states[0] = state
    assert f"its disk is {state}" in typed(capsys, new, "data0/0", status=1)
    servers.atlas.attached = None
    assert f"its disk is {state}" in typed(capsys, new, "data0/0", status=1)
    servers.zeus.attached = None
    assert "DRBD is down there" in typed(capsys, new, "data0/0", status=1)
    assert servers.changes == []


def test_a_copy_that_is_lost_while_the_operator_reads(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, same: str
) -> None:
    def query(name: str, deadline: object) -> object:
        servers.connected = False
        return servers.query(name, deadline)  # type: ignore[arg-type]

    monkeypatch.setattr(setup, "query", query)
    assert "it is not connected" in typed(capsys, same, "data0/0", "--detach", status=1)
    assert servers.changes == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"size": GIB - (1 << 20)}, "bytes beside DRBD's meta data"),
        ({"block_size": 4096}, "has blocks of 4096 bytes"),
        ({"read_only": True}, "is read-only"),
        ({"users": ("mounted on /srv",)}, "is in use: mounted on /srv"),
    ],
)
def test_a_disk_that_does_not_fit(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str, change: dict[str, object], why: str
) -> None:
    disk = servers.atlas.disks[SECOND]
    servers.atlas.disks[SECOND] = dataclasses.replace(disk, **change)  # type: ignore[arg-type]
    assert why in typed(capsys, new, "data0/0", status=1)
    assert servers.changes == []


def test_a_disk_that_cannot_discard_is_said(servers: Servers, capsys: pytest.CaptureFixture[str], new: str) -> None:
    servers.atlas.disks[SECOND] = dataclasses.replace(servers.atlas.disks[SECOND], discards=False)
    assert "(remark)" in typed(capsys, new, "data0/0")


def test_a_file_of_somebody_else_is_changed_by_hand(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str
) -> None:
    for server in servers.both:
        server.file = server.file.replace("ping-int       2;", "ping-int       5;")
    told = typed(capsys, new, "data0/0", status=1)
    assert "differs from the site in more than that" in told
    assert "ping-int" in told
    assert servers.changes == []
    for server in servers.both:
        server.file = server.file.replace(f"disk      {FIRST};", "").replace(
            "7789;\n", f"7789;\n    volume 0 {{ disk {FIRST}; }}\n"
        )
    servers.atlas.file = servers.atlas.file.replace(FIRST, SECOND, 1)
    before = [server.file for server in servers.both]
    typed(capsys, new, "data0/0")
    assert [server.file for server in servers.both] == before
    assert servers.atlas.attached == {0: SECOND, 1: STATE_DISK}


def test_a_file_that_drbd_does_not_take_is_put_back(
    servers: Servers, capsys: pytest.CaptureFixture[str], new: str
) -> None:
    servers.unreadable, before = SECOND, servers.atlas.file
    assert "does not take /etc/drbd.d/data0.res" in typed(capsys, new, "data0/0", status=1)
    assert servers.atlas.file == servers.zeus.file == before


def test_the_disk_of_the_other_node_stays(servers: Servers, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = tmp_path / "both.toml"
    site.write_text(SAME_PATH.replace(FIRST, SECOND))
    assert "only the disk of atlas is replaced" in typed(capsys, str(site), "data0/0", status=1)
    assert servers.changes == []


def test_a_copy_that_takes_its_time(servers: Servers, capsys: pytest.CaptureFixture[str], new: str) -> None:
    servers.slow = True
    assert "The data is being copied (data0/0: 0% done)" in typed(capsys, new, "data0/0", "--no-wait")
    servers.atlas.states[0] = "UpToDate"
    assert "atlas has all data of data0/0" in typed(capsys, new, "data0/0")


def test_a_copy_that_does_not_go_on(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, new: str
) -> None:
    monkeypatch.setattr(resync, "_SECONDS_TO_GO_ON", -1.0)
    servers.slow = True
    assert "the copy to atlas does not go on" in typed(capsys, new, "data0/0", status=1)


def test_a_dry_run_changes_nothing(servers: Servers, capsys: pytest.CaptureFixture[str], new: str, same: str) -> None:
    for words in ((new, "data0/0"), (same, "data0/0", "--detach"), (same, "data0")):
        typed(capsys, *words, "--dry-run")
    assert servers.changes == []


@pytest.mark.parametrize("name", ["san", "data0/7", "data0/"])
def test_a_name_that_is_none(servers: Servers, capsys: pytest.CaptureFixture[str], same: str, name: str) -> None:
    assert "data0/0 data0/1" in typed(capsys, same, name, status=2)


def test_a_site_file_with_mistakes(servers: Servers, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = tmp_path / "wrong.toml"
    site.write_text(SAME_PATH + "\nwrong = 1\n")
    typed(capsys, str(site), "data0", status=2)
    assert servers.changes == []
