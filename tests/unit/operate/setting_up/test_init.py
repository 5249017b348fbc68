# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan init`` on two fake servers: from bare to serving, interrupted anywhere, and whatever is in the way."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from pathlib import Path

import pytest

from tests.unit.operate.setting_up import fake_pair
from tests.unit.operate.setting_up.fake_pair import LUN_DISK, PASSWORD, STATE_DISK, FakePair, Killed
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.host import lock
from twinsan.operate import remote
from twinsan.operate.setting_up import replication

YES = "--yes"


def test_two_bare_servers_become_a_pair_that_serves(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, YES]) == 0
    told = capsys.readouterr()
    assert "served by atlas" in told.out
    assert "Both nodes are ready." in told.out
    assert pair.resources
    assert pair.copied == set()
    for node in pair.nodes:
        assert node.enabled == {"corosync", "pacemaker"}
        assert node.modes["/etc/drbd.d/data0.res"] == 0o600
        assert node.modes["/etc/corosync/authkey"] == 0o400
        assert node.cluster == {node.name}
        assert b"MAKE YOUR OWN" not in node.files["/etc/drbd.d/data0.res"]
        assert node.files["/etc/corosync/corosync.conf.before-twinsan"] == fake_pair.DEBIAN.encode()
        for name in ("atlas", "zeus"):
            assert node.files[f"/var/lib/pacemaker/lrm/secrets/fence_{name}/password"] == PASSWORD.encode()
    one, other = (node.files for node in pair.nodes)
    for path in ("/etc/drbd.d/data0.res", "/etc/corosync/authkey", "/etc/corosync/corosync.conf"):
        assert one[path] == other[path]
    assert sorted(pair.asked) == [("atlas", "10.0.6.3"), ("zeus", "10.0.6.2")]


def test_no_secret_is_printed_or_stands_in_an_argument(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, YES]) == 0
    told = capsys.readouterr()
    key = replication.secret(pair.atlas.files["/etc/drbd.d/data0.res"].decode())
    assert len(key) == 32
    for secret in (PASSWORD, key):
        assert secret not in told.out + told.err
        assert secret not in "\n".join(pair.changes)


def test_typed_again_it_changes_nothing(pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, YES]) == 0
    before = len(pair.changes)
    files = [dict(node.files) for node in pair.nodes]
    capsys.readouterr()
    for again in ([*words, YES], [*words[:2], YES]):
        assert cli.main(again) == 0
        told = capsys.readouterr().out
        assert "Nothing had to be done" in told
        assert told.count("done before") == told.count("] ")
    assert len(pair.changes) == before
    assert [dict(node.files) for node in pair.nodes] == files


@pytest.mark.long
@pytest.mark.usefixtures("pair")
def test_interrupted_at_any_change_it_goes_on_when_it_is_typed_again(
    monkeypatch: pytest.MonkeyPatch, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = FakePair()
    monkeypatch.setattr(remote, "pair", fake_pair.pair_of(whole))
    assert cli.main([*words, YES]) == 0
    assert len(whole.changes) > 30
    for number in range(1, len(whole.changes) + 1):
        pair = FakePair()
        monkeypatch.setattr(remote, "pair", fake_pair.pair_of(pair))
        pair.fatal = number
        with pytest.raises(Killed):
            cli.main([*words, YES])
        pair.fatal = 0
        assert cli.main([*words, YES]) == 0, (number, pair.changes, capsys.readouterr())
        assert pair.state() == whole.state(), (number, pair.changes)
        assert pair.copied == set()
        keys = {node.files["/etc/corosync/authkey"] for node in pair.nodes}
        secrets = {node.files["/etc/drbd.d/data0.res"] for node in pair.nodes}
        assert len(keys) == len(secrets) == 1


def test_a_secret_is_kept_as_it_is_written(pair: FakePair, words: list[str]) -> None:
    path = "/etc/drbd.d/data0.res"
    assert cli.main([*words, YES]) == 0
    text = pair.atlas.files[path].decode()
    text = text.replace(replication.secret(text), '"of two; words"')
    new = fake_pair.FakeNode("zeus", 1, pair)
    pair.nodes[0].files[path], pair.nodes = text.encode(), (pair.atlas, new)
    assert cli.main([*words, YES]) == 0
    assert pair.atlas.files[path].decode() == new.files[path].decode() == text


@pytest.mark.usefixtures("pair")
@pytest.mark.long
def test_the_key_of_another_cluster_is_not_taken_over(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """Its corosync.conf was moved away, and its key was left: wherever init is interrupted, the pair gets its own."""
    path, old = "/etc/corosync/authkey", b"known to others"
    for number in range(1, 100):
        pair = FakePair()
        pair.atlas.files[path] = pair.zeus.files[path] = old
        monkeypatch.setattr(remote, "pair", fake_pair.pair_of(pair))
        pair.fatal = number
        try:
            cli.main([*words, YES])
            break
        except Killed:
            pair.fatal = 0
            assert cli.main([*words, YES]) == 0
        assert pair.atlas.files[path] == pair.zeus.files[path] != old, (number, pair.changes)
    assert 30 < number < 99, "every change was the last one once"


def test_disks_that_are_not_all_zero_are_copied(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the two volumes one is zero on both nodes, and one is not on one of them."""
    pair.hidden.add(("zeus", LUN_DISK))
    assert cli.main([*words, YES]) == 0
    assert pair.copied == {0}
    assert "drbdsetup new-current-uuid 1 --clear-bitmap" in "\n".join(pair.changes)
    assert "atlas copies data0/0 to zeus in the background" in capsys.readouterr().out


def test_what_has_data_as_drbd_is_taken_as_it_is(pair: FakePair, words: list[str]) -> None:
    """A pair whose cluster was never made: DRBD is up by the file of somebody else, on the other node as Primary."""
    file = replication.FOLDER + "/data0.res"
    for node in pair.nodes:
        node.loaded = True
        node.metadata = dict.fromkeys((0, 1), fake_pair.OF_DATA)
        node.disks = dict.fromkeys((0, 1), "UpToDate")
        node.files[file] = b"resource data0 { net { shared-secret old; } }"
        node.signatures = {LUN_DISK: ["VMFS_volume_member", "drbd"], STATE_DISK: ["btrfs", "drbd"]}
    pair.zeus.primary = True
    assert cli.main([*words, YES, "--overwrite", f"atlas:{LUN_DISK}"]) == 0
    assert [change for change in pair.changes if "drbdadm" in change or "wipefs" in change or ".res" in change] == [
        "zeus: drbdadm secondary data0"
    ]
    assert pair.atlas.signatures[LUN_DISK] == ["VMFS_volume_member", "drbd"]
    # The end of the service would have taken DRBD down.
    assert "atlas: systemctl disable drbd.service" in pair.changes


def test_a_replica_from_an_interrupted_run_is_not_overwritten_by_words_typed_again(
    pair: FakePair, words: list[str]
) -> None:
    """After a reboot of both DRBD is down, and the line is typed again as the shell has kept it."""
    line = [*words, YES, "--overwrite", f"atlas:{LUN_DISK}"]
    pair.atlas.signatures[LUN_DISK] = ["ext4"]
    assert cli.main(line) == 0
    assert "atlas: wipefs --all /dev/sda5" in pair.changes
    ends = [change.partition("seek=")[2].split()[0] for change in pair.changes if change.startswith("atlas: dd")]
    assert ends == ["0", str((1 << 30) - (1 << 20))]
    for node in pair.nodes:
        node.disks, node.primary, node.active = {}, False, set()
        node.signatures[LUN_DISK].append("VMFS_volume_member")
    pair.resources, pair.changes = [], []
    assert cli.main(line) == 0
    assert not [change for change in pair.changes if any(word in change for word in ("wipefs", "dd ", "create-md"))]


def test_replicas_that_lost_their_data_are_left_alone(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, YES]) == 0
    for node in pair.nodes:
        node.primary, node.disks, node.active = False, dict.fromkeys((0, 1), "Inconsistent"), set()
    pair.resources = []
    assert cli.main([*words, YES]) == 1
    assert "no node has all data of data0, and it is not new" in capsys.readouterr().err


def test_a_volume_that_only_the_other_node_has_is_not_declared_complete(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each node has the data of one of both volumes, and was never told that of the other."""
    assert cli.main([*words, YES]) == 0
    for number, node in enumerate(pair.nodes):
        node.primary, node.active = False, set()
        node.disks = {number: "Inconsistent", 1 - number: "UpToDate"}
        node.metadata = {number: fake_pair.JUST_CREATED, 1 - number: fake_pair.OF_DATA}
    pair.resources, pair.changes = [], []
    assert cli.main([*words, YES]) == 1
    assert "no node has all data of data0, and it is not new" in capsys.readouterr().err
    assert not [change for change in pair.changes if "primary" in change or "new-current-uuid" in change]


def test_a_server_that_replaces_a_dead_one_joins_the_other(pair: FakePair, words: list[str]) -> None:
    """The one that serves is not restarted, and keeps its key and its secret; the new one gets both."""
    assert cli.main([*words, YES]) == 0
    pair.changes = []
    new = fake_pair.FakeNode("zeus", 1, pair)
    pair.nodes = (pair.atlas, new)
    files = dict(pair.atlas.files)
    assert cli.main([*words, YES]) == 0
    assert pair.atlas.files == files
    assert [change for change in pair.changes if change.startswith("atlas: ")] == [
        "atlas: drbdadm adjust data0",
        "atlas: systemctl enable corosync.service",
        "atlas: systemctl enable pacemaker.service",
    ]
    for path in ("/etc/drbd.d/data0.res", "/etc/corosync/authkey"):
        assert new.files[path] == files[path]
    assert new.in_cluster


def test_a_cluster_that_does_not_answer_is_not_restarted(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It may serve. The other node is new."""
    assert cli.main([*words, YES]) == 0
    before = len(pair.changes)
    pair.nodes = (pair.atlas, fake_pair.FakeNode("zeus", 1, pair))
    pair.atlas.silent = True
    assert cli.main([*words, YES]) == 1
    assert "Pacemaker runs on atlas and does not tell what it serves" in capsys.readouterr().out
    assert len(pair.changes) == before


def test_a_cluster_that_does_not_stop_is_not_taken_for_started(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on with the configuration that it had; a start of what runs would succeed."""
    pair.zeus.stops = False
    assert cli.main([*words, YES]) == 1
    told = capsys.readouterr()
    assert "zeus with another configuration does not stop: Job for pacemaker.service failed" in told.out + told.err
    assert "journalctl -b -u pacemaker -u corosync; then again" in told.out + told.err
    assert not [change for change in pair.changes if change.startswith("zeus: systemctl start")]
    pair.zeus.stops = True
    assert cli.main([*words, YES]) == 0


def test_a_pair_that_serves_gets_nothing_new(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`apply` does that: it says first what would be interrupted."""
    assert cli.main([*words, YES]) == 0
    before = len(pair.changes)
    pair.resources.remove("p_lun1")
    assert cli.main([*words, YES]) == 1
    told = capsys.readouterr().out
    assert "the cluster of atlas has resources, and lacks p_lun1 of the site" in told
    assert f"twinsan apply {words[1]}" in told
    assert len(pair.changes) == before


def test_a_password_for_each_bmc(pair: FakePair, words: list[str], tmp_path: Path) -> None:
    fake_pair.write_password(tmp_path, f"{PASSWORD}\n{PASSWORD}\n")
    assert cli.main([*words, YES]) == 0


def test_a_look_changes_nothing(pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words[:2], "--dry-run"]) == 0
    assert "Both nodes are ready." in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == []
    assert told["steps"][-1] == "Wait until the SAN serves"
    pair.zeus.signatures[LUN_DISK] = ["ext4"]
    assert cli.main([*words, "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found == {
        "node": "zeus",
        "what": "/dev/sda5 of zeus (1 GiB) has ext4 on it",
        "remedy": "if that can go for ever: --overwrite zeus:/dev/sda5",
        "in_the_way": True,
    }
    assert pair.changes == []


def test_without_a_terminal_it_says_what_to_type(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert cli.main(words) == 2
    assert "type it with --yes" in capsys.readouterr().err
    assert cli.main([*words[:2], YES]) == 2
    assert "--bmc-password-file FILE" in capsys.readouterr().err
    assert cli.main(["init"]) == 2
    assert "twinsan init SITE.toml" in capsys.readouterr().err
    assert pair.changes == []


def test_it_asks_on_a_terminal(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    passwords = iter(["", PASSWORD, ""])
    monkeypatch.setattr("getpass.getpass", lambda _question: next(passwords))
    assert cli.main(words[:2]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert pair.changes == []
    passwords = iter([PASSWORD, ""])
    monkeypatch.setattr("builtins.input", lambda _question: "yes")
    assert cli.main(words[:2]) == 0
    assert pair.resources


def test_the_end_of_the_input_is_a_no(
    pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    for line in (words, ["init"]):
        assert cli.main(line) == 1
        assert capsys.readouterr().err == "twinsan: nothing was changed\n"
    assert pair.changes == []


@pytest.mark.parametrize("values", [{"signatures": ("ext4",), "written": True}, {"users": ("mounted on /srv",)}])
def test_a_disk_that_changes_before_the_answer_is_left_alone(
    pair: FakePair,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, object],
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)

    def answer(_question: str) -> str:
        disk = dataclasses.replace(pair.zeus.disk, path=LUN_DISK, **values)  # type: ignore[arg-type]
        pair.zeus.changed_disks[LUN_DISK] = disk
        return "yes"

    monkeypatch.setattr("builtins.input", answer)
    assert cli.main(words) == 1
    assert "/dev/sda5 of zeus is not as it was" in capsys.readouterr().err
    assert pair.changes == []


def test_a_file_with_mistakes_and_unknown_words_are_named(
    pair: FakePair, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--overwrite", "zeus:/dev/sdz"]) == 2
    assert "its disks: atlas:/dev/sda5 atlas:/dev/sda6 zeus:/dev/sda5 zeus:/dev/sda6" in capsys.readouterr().err
    site = fake_pair.write_site(tmp_path, fake_pair.SITE.replace("10.0.5.50", "10.9.5.50"))
    assert cli.main(words) == 2
    assert f"{site}:22: resources.data0.portals[0].ip" in capsys.readouterr().err
    assert cli.main(["init", str(tmp_path / "none.toml")]) == 1
    assert pair.changes == []


def test_only_root_can_type_it(
    pair: FakePair, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(words) == 1
    assert "type it as root" in capsys.readouterr().err


def test_two_at_the_same_time_do_not_meet(pair: FakePair, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with lock.Held("init", Deadline(1)):
        assert cli.main([*words, YES]) == 1
    assert "the lock init is free" in capsys.readouterr().err
    assert pair.changes == []


@pytest.mark.parametrize(
    ("text", "mode", "words_of_it"),
    [("", 0o600, "has 0 lines"), ("a\nb\nc\n", 0o600, "has 3 lines"), ("secret\n", 0o644, "chmod 600")],
)
def test_a_file_of_passwords_is_checked(
    pair: FakePair,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    mode: int,
    words_of_it: str,
) -> None:
    path = Path(fake_pair.write_password(tmp_path, text))
    path.chmod(mode)
    assert cli.main([*words, YES]) == 1
    err = capsys.readouterr().err
    assert words_of_it in err
    assert "secret" not in err.replace(str(path), "")
    assert pair.changes == []
