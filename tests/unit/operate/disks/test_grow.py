# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan grow`` on two fake servers."""

from __future__ import annotations

import dataclasses
import io
import os
import sys

import pytest

from tests.unit.operate.disks.fake_servers import CIB, FIRST, GIB, LUN, RESOURCE, Killed, Servers
from twinsan import cli
from twinsan.cluster import cib
from twinsan.errors import Failure
from twinsan.host import block_tree
from twinsan.operate.disks import announcement, capacity

MIB = 1 << 20


def enlarge(servers: Servers, *names: str, size: int = 2 * GIB) -> None:
    for server in servers.both:
        if server.name in (names or ("atlas", "zeus")):
            server.disks[FIRST] = dataclasses.replace(server.disks[FIRST], size=size)


def typed(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["grow", *(words or (LUN, "--yes"))]) == status
    printed = capsys.readouterr()
    return printed.out + printed.err


def test_it_grows_on_both_nodes_and_is_told(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    told = typed(capsys)
    size = capacity.most(2 * GIB)
    assert "data0/0, /dev/drbd0) grows from 1024 MiB to about 2 GiB" in told
    assert "Interrupts nothing" in told
    assert "atlas cannot take over until that has ended" in told
    assert f"({size} bytes) now" in told
    assert "esxcli storage core adapter rescan --all" in told
    assert " /vmfs/devices/disks/naa.6001:1" in told
    assert servers.changes == [
        f"zeus: drbdadm resize {RESOURCE}/0",
        f"crm_resource --resource {LUN} --set-parameter size --parameter-value {size}",
        f"crm_resource --resource {LUN} --delete-parameter size",
    ]
    assert servers.atlas.noted == servers.zeus.noted == 2 * GIB


@pytest.mark.parametrize("name", [LUN, "data0/0"])
def test_one_that_is_as_large_as_it_can_be(servers: Servers, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "is as large as it can be: 1024 MiB" in typed(capsys, name)
    assert servers.changes == []


def test_typed_again_it_changes_nothing(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    typed(capsys)
    del servers.changes[:]
    assert "is as large as it can be" in typed(capsys)
    assert servers.changes == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_interrupted_it_goes_on(servers: Servers, capsys: pytest.CaptureFixture[str], at: int) -> None:
    enlarge(servers)
    servers.fatal = at
    with pytest.raises(Killed):
        typed(capsys)
    servers.fatal = 0
    typed(capsys)
    size = capacity.most(2 * GIB)
    assert (servers.told, set(servers.sizes.values())) == (size, {size})
    assert servers.size in (None, str(size))


def test_what_was_grown_by_hand_is_told(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.sizes = dict.fromkeys(servers.sizes, capacity.most(2 * GIB))
    assert "has grown already" in typed(capsys)
    assert all("crm_resource" in change for change in servers.changes)


def test_a_size_that_is_configured_follows(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.size = str(capacity.most(GIB))
    assert "in the site file" in typed(capsys)
    assert servers.size == str(capacity.most(2 * GIB))


def test_a_size_of_0_stays(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.size = "0"
    typed(capsys)
    assert servers.size == "0"


@pytest.mark.parametrize(("grown", "left"), [("atlas", "zeus"), ("zeus", "atlas")])
def test_one_disk_that_has_not_grown(
    servers: Servers, capsys: pytest.CaptureFixture[str], grown: str, left: str
) -> None:
    enlarge(servers, grown)
    told = typed(capsys, status=1)
    assert f"{FIRST} of {left} has not grown: it is 1 GiB" in told
    assert servers.changes == []


def test_replicas_that_are_not_connected(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.connected = False
    assert "are not connected" in typed(capsys, status=1)
    assert servers.changes == []


@pytest.mark.parametrize("replication", ["SyncSource", "VerifyS", "PausedSyncS"])
def test_a_resync_or_a_verify(servers: Servers, capsys: pytest.CaptureFixture[str], replication: str) -> None:
    enlarge(servers)
    servers.replication = replication
    assert "DRBD grows no volume then" in typed(capsys, status=1)
    assert servers.changes == []


def test_a_replica_that_lacks_data(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.atlas.states[0] = "Diskless"
    assert "is not equal on both nodes" in typed(capsys, status=1)
    assert servers.changes == []


def test_frozen_io(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.zeus.suspended = "user"
    assert "is frozen" in typed(capsys, status=1)


def test_nobody_serves(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.zeus.primary = False
    assert "Primary on neither node" in typed(capsys, status=1)


def test_a_node_that_cannot_be_reached(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Failure("ssh to zeus does not work")

    monkeypatch.setattr(servers.zeus, "require_name", refuse)
    assert "ssh to zeus does not work" in typed(capsys, status=1)


def test_drbd_that_refuses(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(servers)
    answer = servers.zeus._drbdadm
    monkeypatch.setattr(
        servers.zeus, "_drbdadm", lambda words: (10, "", "(130) resync") if words[0] == "resize" else answer(words)
    )
    assert "DRBD does not grow data0/0: (130) resync" in typed(capsys, status=1)


def test_one_node_that_does_not_follow(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(servers)
    monkeypatch.setattr("twinsan.operate.disks.grow._SECONDS_ON_BOTH", 0.0)
    monkeypatch.setattr(servers.zeus, "_resize", lambda: servers.sizes.update(zeus=2 * GIB))
    assert f"{2 * GIB} on zeus" in typed(capsys, status=1)


def test_a_lun_that_does_not_tell_it(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(servers)
    monkeypatch.setattr(announcement, "_SECONDS_TO_RELOAD", 0.0)
    servers.reloads = False
    assert f"{LUN} does not tell that yet" in typed(capsys, status=1)


def test_a_lun_that_was_never_served(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    servers.told = None
    assert "naa.NUMBER" in typed(capsys)
    assert servers.changes == [f"zeus: drbdadm resize {RESOURCE}/0"]


@pytest.mark.parametrize("thin", [True, False, None])
def test_a_copy_that_fills_a_thin_pool_is_said(
    servers: Servers, capsys: pytest.CaptureFixture[str], thin: bool | None
) -> None:
    enlarge(servers)
    servers.atlas.thin = thin
    assert ("the copy takes 1024 MiB of its pool" in typed(capsys)) == (thin is True)


def test_a_dry_run_changes_nothing(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    enlarge(servers)
    assert "grows from" in typed(capsys, LUN, "--dry-run")
    assert servers.changes == []


@pytest.mark.parametrize(("answer", "status"), [("yes\n", 0), ("n\n", 1), ("", 1)])
def test_it_asks(
    servers: Servers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
) -> None:
    enlarge(servers)
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    typed(capsys, LUN, status=status)
    assert bool(servers.changes) == (status == 0)


def test_without_a_terminal_nobody_is_asked(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(servers)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "add --yes" in typed(capsys, LUN, status=2)
    assert servers.changes == []


def test_a_name_that_is_none(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"there is no LUN p_lun9; those that there are: {LUN} (data0/0) p_lun2" in typed(capsys, "p_lun9", status=2)


def test_a_lun_whose_device_is_not_up(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/dev/drbd7" in typed(capsys, "p_lun2", status=1)


def test_a_lun_on_something_that_is_made_of_drbd(
    servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_tree, "is_drbd", lambda _: False)
    assert "but made of one" in typed(capsys, status=1)


def test_no_cluster(servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise Failure("cibadmin: not connected")

    monkeypatch.setattr(cib, "query", fail)
    assert "the cluster does not tell its configuration" in typed(capsys, status=1)
    monkeypatch.setattr(cib, "query", lambda _: CIB.replace("SIZE", "").replace("zeus", "other"))
    typed(capsys, status=1)


def test_only_root(servers: Servers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root can do this" in typed(capsys, status=1)
