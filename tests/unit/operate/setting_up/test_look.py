# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node tells of itself goes over as JSON, and comes from what its programs print."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.operate.setting_up.fake_pair import LUN_DISK, STATE_DISK, FakePair
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.setting_up import facts, look, software

PRINTED = {
    "systemctl": (
        "Id=drbd.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n\n"
        "Id=target.service\nLoadState=masked\nActiveState=inactive\nUnitFileState=masked\n\n"
        "Id=pacemaker.service\nLoadState=loaded\nActiveState=activating\nUnitFileState=enabled\n"
    ),
    "ip": json.dumps(
        [
            {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
            {"ifname": "eth0", "addr_info": [{"local": "10.0.5.2", "prefixlen": 24, "scope": "global"}]},
        ]
    ),
    "cibadmin": (
        '<cib><configuration><nodes><node id="1" uname="node1"/></nodes><resources><group id="g">'
        '<primitive id="p_one"/></group></resources></configuration></cib>'
    ),
    "ipmitool": "Set in Progress         : Set Complete\nIP Address              : 10.0.6.2\n",
    "lsblk": json.dumps(
        {
            "blockdevices": [
                {"path": "/dev/sr0", "size": 0, "type": "rom"},
                {
                    "path": "/dev/sda",
                    "size": 1024,
                    "type": "disk",
                    "pttype": "gpt",
                    "model": "One ",
                    "children": [{"path": "/dev/sda1", "size": 512, "type": "part", "mountpoint": "/"}],
                },
            ]
        }
    ),
    "modinfo": "9.2.11\n",
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> facts.Facts:
    monkeypatch.setattr(setup, "MODULE", str(tmp_path / "none"))
    monkeypatch.setattr(setup, "PROC", str(tmp_path / "none"))
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, PRINTED.get(argv[0], ""), ""))
    return look.here([], Deadline(20), candidates=True)


def test_what_the_programs_print_is_read(here: facts.Facts) -> None:
    assert here.node == os.uname().nodename
    assert here.services == (
        facts.Service("drbd", True, True, False),
        facts.Service("target", False, False, False),
        facts.Service("pacemaker", True, True, True),
    )
    assert not here.service("ufw").installed
    assert here.addresses == (facts.Address("eth0", "10.0.5.2", 24),)
    assert here.cluster == facts.Cluster(("node1",), ("p_one",))
    assert here.bmc == "10.0.6.2"
    assert here.candidates == (
        facts.Candidate("/dev/sda", 1024, "disk", "gpt", "One"),
        facts.Candidate("/dev/sda1", 512, "part", "mounted on /", ""),
    )
    assert here.drbd == "9.2.11"
    assert here.events == ""


def test_a_cluster_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(102, ""), (0, "no XML"), (0, "<cib/>"), (0, PRINTED["cibadmin"])])

    def run(*argv: str, **_: object) -> command.Result:
        result = command.Result(argv, *next(answers), "no connection")
        if not result.ok:
            raise command.CommandFailed(result)
        return result

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert look._cluster(Deadline(20)) == facts.Cluster(("node1",), ("p_one",))
    monkeypatch.setattr(look, "_SECONDS_FOR_CLUSTER", 0.0)
    answers = iter([(102, "")])
    assert look._cluster(Deadline(20)) is None


def test_it_goes_over_as_json(here: facts.Facts) -> None:
    assert facts.parse(here.json()) == here
    pair = FakePair()
    told = pair.zeus.tell([LUN_DISK, STATE_DISK])
    assert facts.parse(told.json()) == told


def test_another_version_is_told(pair: FakePair, monkeypatch: pytest.MonkeyPatch) -> None:
    for printed in ("", "twinsan: error", '{"node": "zeus"}', "[]"):
        monkeypatch.setattr(pair.zeus, "_twinsan", lambda _words, _given, told=printed: (2, told, "invalid choice"))
        with pytest.raises(Failure, match="twinsan on zeus is another version"):
            facts.ask(pair.zeus, [], Deadline(1))  # type: ignore[arg-type]


def test_the_checksum_of_the_library_changes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "one.py").write_text("1")
    monkeypatch.setattr(look, "_FOLDER", str(tmp_path))
    before = look.digest()
    assert before == look.digest()
    (tmp_path / "room" / "one.pyc").write_text("2")
    assert look.digest() == before
    (tmp_path / "room" / "one.py").write_text("2")
    assert look.digest() != before


@pytest.mark.runs_programs
def test_a_node_answers_by_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["inventory", str(tmp_path / "none")]) == 0
    told = facts.parse(capsys.readouterr().out)
    assert told.disk(str(tmp_path / "none")).fault == "No such file or directory"
    assert cli.main(["inventory", "--zero", str(tmp_path / "none")]) == 0
    assert json.loads(capsys.readouterr().out) == {"zero": {str(tmp_path / "none"): None}}


@pytest.mark.parametrize(
    ("system", "command_line"),
    [
        (("debian",), "apt install drbd-utils"),
        (("ubuntu", "debian"), "apt install drbd-utils"),
        (("rhel", "fedora"), "dnf install drbd-utils (of LINBIT or ELRepo)"),
        (("opensuse-leap", "suse", "opensuse"), "zypper install drbd-utils"),
        (("sles", "suse"), "zypper install drbd-utils"),
    ],
)
def test_packages_have_the_names_of_the_distribution(system: tuple[str, ...], command_line: str) -> None:
    assert software.packages(["drbdadm", "drbdadm"], system) == command_line
