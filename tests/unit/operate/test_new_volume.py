# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan apply`` for a LUN whose volume DRBD does not have: made on both nodes, interrupted anywhere, refused."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from tests.unit.operate import growing_pair
from tests.unit.operate.growing_pair import DISK, NUMBER, PLACE, SECRET, WITH, WITHOUT, GrowingPair, apply
from tests.unit.operate.setting_up import fake_pair
from tests.unit.operate.setting_up.fake_pair import Killed
from tests.unit.operate.simulated import Running
from tests.unit.site import sites
from twinsan import cli
from twinsan.errors import Failure
from twinsan.operate.change import maintenance, new_volume_steps
from twinsan.operate.setting_up.facts import Facts
from twinsan.site import difference, drbd, settings
from twinsan.site.model import Site

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str = WITHOUT) -> GrowingPair:
    """A pair that serves one LUN."""
    folder.mkdir(exist_ok=True)
    return growing_pair.ready(GrowingPair(Running(folder, sites.site(content))), monkeypatch, folder)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GrowingPair:
    return made(tmp_path, monkeypatch)


def test_a_new_lun_is_one_command(pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(tmp_path, WITH) == 0
    told = capsys.readouterr().out
    assert pair.serves()
    assert pair.copied == set()
    for node in pair.nodes:
        assert b"volume 2" in node.files[PLACE]
        assert node.modes[PLACE] == 0o600
        assert SECRET.encode() in node.files[PLACE]
    assert SECRET not in told + "".join(pair.changes)
    assert not pair.in_maintenance()
    assert not maintenance.is_ours(difference.parse(pair.running.text()))
    assert 'id="p_lun2"' in pair.running.text()
    shown, _, done = told.partition("[1/")
    assert f"+ data0/2  /dev/drbd2  LUN 2\n      atlas:{DISK}  1 GiB, empty\n      zeus:{DISK}  1 GiB, empty" in shown
    assert "That interrupts nothing" in shown
    assert "Maintenance mode has ended" in done
    assert "esxcli storage core adapter rescan --all" in done
    # The cluster starts, stops and moves nothing but for the LUN itself.
    assert [step for step in pair.running.done if step] == [
        ["p_portal stop on atlas", "p_lun2 start on atlas", "p_portal start on atlas"]
    ]
    before = list(pair.changes)
    assert apply(tmp_path, WITH) == 0
    assert "nothing differs" in capsys.readouterr().out
    assert pair.changes == before


def test_the_same_list_is_shown_by_diff_which_changes_nothing(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text(WITH)
    assert cli.main(["render", "--diff", str(tmp_path / "site.toml")]) == 3
    shown = capsys.readouterr().out
    assert pair.changes == []
    assert apply(tmp_path, WITH) == 0
    assert capsys.readouterr().out.startswith(shown)


def test_interrupted_at_any_change_it_goes_on_when_it_is_typed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made(tmp_path / "whole", monkeypatch)
    assert apply(tmp_path, WITH) == 0
    assert len(whole.changes) >= 10
    for number in range(1, len(whole.changes) + 1):
        pair = made(tmp_path / str(number), monkeypatch)
        pair.fatal = number
        with pytest.raises(Killed):
            apply(tmp_path, WITH)
        pair.fatal = 0
        capsys.readouterr()
        assert apply(tmp_path, WITH) == 0, (number, pair.changes, capsys.readouterr())
        assert pair.state() == whole.state(), (number, pair.changes)
        assert pair.copied == set()
        assert not pair.in_maintenance()
        assert "twinsan-maintenance" not in pair.running.text()


@pytest.mark.parametrize("refused", ["drbdadm create-md", "drbdadm adjust", "drbdsetup new-current-uuid"])
@pytest.mark.parametrize("name", ["atlas", "zeus"])
def test_a_step_that_fails_leaves_nothing_that_stops_the_san(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: str, name: str
) -> None:
    node = next(node for node in pair.growing if node.name == name)
    node.refuses = refused
    if (refused, name) == ("drbdsetup new-current-uuid", "zeus"):
        assert apply(tmp_path, WITH) == 0
        return
    assert apply(tmp_path, WITH) == 1
    told = capsys.readouterr()
    assert "no such luck" in told.err
    assert ("the SAN is as before" in told.out) is (refused != "drbdadm create-md")
    assert all(node.disks == {0: "UpToDate", 1: "UpToDate"} for node in pair.nodes)
    assert not pair.in_maintenance()
    assert "p_lun2" not in pair.running.text()
    node.refuses = ""
    assert apply(tmp_path, WITH) == 0
    assert pair.serves()
    assert pair.copied == set()


def test_maintenance_stays_if_the_cluster_would_stop_the_san(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends when the command is typed again."""
    monkeypatch.setattr(new_volume_steps, "_SECONDS", 0.1)
    atlas, zeus = pair.growing
    zeus.refuses, atlas.refuses = "drbdadm adjust", "drbdsetup del-minor"
    assert apply(tmp_path, WITH) == 1
    told = capsys.readouterr().out
    assert "maintenance mode stays on: data0/2 on atlas has no data" in told
    assert "drbdsetup detach 2; drbdsetup del-minor 2" in told
    assert pair.in_maintenance()
    zeus.refuses = atlas.refuses = ""
    assert apply(tmp_path, WITH) == 0
    assert "twinsan apply has set for a new volume" in capsys.readouterr().out
    assert pair.serves()
    assert not pair.in_maintenance()


def test_a_disk_with_something_on_it_is_refused_and_named(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.zeus.signatures[DISK] = ["ext4"]
    assert apply(tmp_path, WITH) == 1
    told = capsys.readouterr()
    assert f"zeus: {DISK} of zeus (1 GiB) has ext4 on it; if that can go for ever: --overwrite zeus:{DISK}" in told.err
    assert pair.changes == []
    assert apply(tmp_path, WITH, "--overwrite", "zeus:/dev/sdx") == 2
    assert "names no disk of the site" in capsys.readouterr().err
    assert apply(tmp_path, WITH, "--overwrite", f"zeus:{DISK}") == 0
    told = capsys.readouterr()
    assert "OVERWRITTEN: it has ext4 on it" in told.out
    assert "until that has ended zeus cannot take over data0" in told.out
    assert f"zeus: wipefs --all {DISK}" in pair.changes
    assert f"atlas: wipefs --all {DISK}" not in pair.changes
    assert pair.serves()


def test_what_is_not_zero_is_copied(pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A disk that looks empty may read as anything where nobody has looked."""
    pair.hidden.add(("zeus", DISK))
    assert apply(tmp_path, WITH) == 0
    told = capsys.readouterr().out
    assert pair.copied == {NUMBER}
    assert "atlas copies data0/2 to zeus in the background" in told
    assert not pair.in_maintenance()
    assert pair.growing[0].secondary == set()


def test_if_it_is_not_known_whether_they_were_equal_they_are_copied(pair: GrowingPair, tmp_path: Path) -> None:
    """The note is gone with a reboot, or the command is typed on the other node."""
    pair.fatal = 5
    with pytest.raises(Killed):
        apply(tmp_path, WITH)
    assert "atlas: drbdadm create-md data0/2" in pair.changes
    pair.fatal = 0
    for note in (tmp_path / "run").glob("new-volume.data0.*"):
        note.unlink()
    assert apply(tmp_path, WITH) == 0
    assert pair.copied == {NUMBER}


def test_a_replica_that_has_data_is_taken_as_it_is(pair: GrowingPair, tmp_path: Path) -> None:
    """Somebody has put it into DRBD's files by hand: of a LUN that was removed before."""
    site = sites.site(WITH)
    for node in pair.nodes:
        node.files[PLACE] = new_text(site, node.files[PLACE])
        node.signatures[DISK], node.metadata[NUMBER] = ["VMFS_volume_member", "drbd"], fake_pair.OF_DATA
    assert apply(tmp_path, WITH) == 0
    assert pair.serves()
    assert not [change for change in pair.changes if any(word in change for word in ("create-md", "uuid", "wipefs"))]


def new_text(site: Site, text: bytes) -> bytes:
    """DRBD's file of a site, with the secret of another text."""
    assert SECRET.encode() in text
    return drbd.with_secret(drbd.text(site.resources[0], site, "8.4"), SECRET).encode()


def test_a_file_that_differs_otherwise_is_kept_as_it_is(pair: GrowingPair, tmp_path: Path) -> None:
    """Only the volume is added, whoever has written the file, and whatever else differs from the site."""
    for node in pair.nodes:
        node.files[PLACE] = b"# ours: \xc3\xa4\n" + node.files[PLACE].replace(b"ko-count       20", b"ko-count 7")
    before = [node.files[PLACE].splitlines() for node in pair.nodes]
    assert apply(tmp_path, WITH) == 0
    for node, lines in zip(pair.nodes, before):
        added = [line for line in node.files[PLACE].splitlines() if line not in lines]
        assert [line.split()[0] for line in added] == [b"volume", b"device", b"disk"]
        assert [line for line in node.files[PLACE].splitlines() if line in lines] != []
        assert node.files[PLACE].startswith(b"# ours: \xc3\xa4\n")
        assert b"ko-count 7;" in node.files[PLACE]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"resource data0 {", b"resource data0\n{\n  volume 2 { device /dev/drbd2; disk /dev/sdx; }", "otherwise than"),
        (b"resource data0 {", b"resource data0 { startup { }", "written so that it cannot be added"),
        (SECRET.encode(), b"geh\xefm", "no UTF-8"),
    ],
)
def test_a_file_that_cannot_be_given_the_volume_is_refused(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: bytes, new: bytes, told: str
) -> None:
    assert old in pair.zeus.files[PLACE]
    pair.zeus.files[PLACE] = pair.zeus.files[PLACE].replace(old, new)
    assert apply(tmp_path, WITH) == 1
    assert told in capsys.readouterr().err
    assert pair.changes == []


def test_disks_of_other_names_are_added_to_each_nodes_part() -> None:
    """In the files of both versions of DRBD."""
    luns = growing_pair.LUN.replace(f'"{DISK}"', '{ atlas = "/dev/sdx", zeus = "/dev/sdy" }')
    site, before = sites.site(WITHOUT + luns), sites.site(WITHOUT)
    for version in drbd.VERSIONS:
        text = drbd.text(before.resources[0], before, version)
        new = drbd.with_volume(text, site.resources[0], site.resources[0].luns[1].volume, version)
        assert settings.of_drbd(new) == settings.of_drbd(drbd.text(site.resources[0], site, version))


def test_without_ssh_it_says_what_to_type(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def require_name() -> None:
        raise Failure("ssh to zeus does not work: Permission denied; ssh-copy-id root@zeus")

    monkeypatch.setattr(pair.zeus, "require_name", require_name)
    assert apply(tmp_path, WITH) == 1
    told = capsys.readouterr().err
    assert "ssh-copy-id root@zeus" in told
    assert "drbdadm create-md data0/2 && drbdadm adjust data0" in told
    assert pair.changes == []


def test_nothing_is_made_while_a_copy_of_the_data_is_missing(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.zeus.disks[0] = "Inconsistent"
    assert apply(tmp_path, WITH) == 1
    assert "data0 is not connected with all data on both nodes" in capsys.readouterr().err
    assert pair.changes == []


def test_a_disk_that_changed_while_the_operator_read_is_not_touched(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def tell(disks: list[str]) -> Facts:
        looks.append("look")
        if len(looks) > 1:
            pair.zeus.signatures[DISK] = ["swap"]
        return type(pair.zeus).tell(pair.zeus, disks)

    monkeypatch.setattr(pair.zeus, "tell", tell)
    assert apply(tmp_path, WITH) == 1
    assert f"{DISK} of zeus is not as it was" in capsys.readouterr().err
    assert pair.changes == []


def test_an_operators_own_maintenance_mode_stays(pair: GrowingPair, tmp_path: Path) -> None:
    own = '<nvpair id="mine-1" name="maintenance-mode" value="true"/>'
    pair.running.change_configuration(f'<cluster_property_set id="mine">{own}</cluster_property_set>', "crm_config")
    assert apply(tmp_path, WITH) == 0
    assert pair.serves()
    assert pair.in_maintenance()
    assert 'id="mine-1" name="maintenance-mode" value="true"' in pair.running.text()


def test_what_maintenance_mode_was_is_restored(pair: GrowingPair, tmp_path: Path) -> None:
    own = '<nvpair id="mine-1" name="maintenance-mode" value="no"/>'
    pair.running.change_configuration(f'<cluster_property_set id="mine">{own}</cluster_property_set>', "crm_config")
    assert apply(tmp_path, WITH) == 0
    assert pair.serves()
    assert 'id="mine-1" name="maintenance-mode" value="no"' in pair.running.text()
    assert "twinsan-maintenance" not in pair.running.text()


def test_a_terminal_that_is_gone_ends_nothing_half_way(
    pair: GrowingPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drbdsetup(words: list[str], given: str) -> str:
        if words[0] == "new-current-uuid":
            os.kill(os.getpid(), signal.SIGHUP)
        return growing_pair.GrowingNode.drbdsetup(pair.growing[0], words, given)

    monkeypatch.setattr(pair.growing[0], "_drbdsetup", drbdsetup)
    assert apply(tmp_path, WITH) == 1
    assert pair.serves()
    assert not pair.in_maintenance()


def test_a_lun_that_is_removed_leaves_its_volume_which_hinders_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = made(tmp_path, monkeypatch)
    assert apply(tmp_path, WITH) == 0
    before, changes = pair.state(), len(pair.changes)
    capsys.readouterr()
    assert apply(tmp_path, WITHOUT) == 0
    told = capsys.readouterr().out
    assert "data0/2 (/dev/drbd2) is no LUN of the site. It stays in DRBD with its data" in told
    assert "hosts that use p_lun2 get errors from it: first unmount" in told
    assert "so that it forgets p_lun2" in told
    assert "p_lun2" not in pair.running.text().partition("<status>")[0]
    for _ in range(2):
        assert apply(tmp_path, WITHOUT) == 0
        told = capsys.readouterr().out
        assert "nothing differs\nNote: data0/2" in told
    assert pair.state() == before
    # With the LUN in the site again its data is there again, and nothing is made.
    assert apply(tmp_path, WITH) == 0
    assert set(pair.changes[changes:]) == {"the cluster's configuration"}
    assert pair.state() == before


def test_another_lun_is_added_beside_a_volume_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = made(tmp_path, monkeypatch)
    left = new_text(sites.site(WITH), pair.atlas.files[PLACE]).replace(b"volume 2", b"volume 5")
    left = left.replace(b"/dev/drbd2", b"/dev/drbd5").replace(DISK.encode(), b"/dev/sda9")
    for node in pair.nodes:
        node.files[PLACE] = left
    assert apply(tmp_path, WITH) == 0
    for node in pair.nodes:
        assert b"volume 5" in node.files[PLACE]
        assert b"volume 2" in node.files[PLACE]


def test_a_device_of_a_volume_that_is_left_is_not_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = made(tmp_path, monkeypatch)
    left = new_text(sites.site(WITH), pair.atlas.files[PLACE]).replace(b"volume 2", b"volume 5")
    for node in pair.nodes:
        node.files[PLACE] = left.replace(DISK.encode(), b"/dev/sda9")
    assert apply(tmp_path, WITH) == 1
    assert "/dev/drbd2 of atlas is there already" in capsys.readouterr().err


def test_another_version_of_twinsan_on_the_other_node_is_refused(
    pair: GrowingPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.zeus.facts = dataclasses.replace(pair.zeus.facts, version="0.0.9 def")
    assert apply(tmp_path, WITH) == 1
    assert "install the same on both" in capsys.readouterr().err
    assert pair.changes == []
