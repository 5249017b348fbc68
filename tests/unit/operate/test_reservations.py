# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan reservations``, on fakes of the kernel, the cluster and the state volume."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit import fake_configfs
from tests.unit.disk import test_reservations
from tests.unit.disk.test_reservations import IN_CLUSTER, ONE, SERIAL, TWO, Cluster, Node, reserved_on, run
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.host import command
from twinsan.lio import reservations

CIB = f"""
<cib><configuration><resources><group id="g"><primitive id="p_lun1" class="ocf" provider="twinsan" type="lio-lun">
<instance_attributes id="a"><nvpair id="b" name="target_iqn" value="{run._values["target_iqn"]}"/>
<nvpair id="c" name="lun" value="1"/><nvpair id="d" name="path" value="/dev/drbd0"/></instance_attributes>
</primitive></group></resources></configuration></cib>
"""
# Fixtures.
cluster, nodes = test_reservations.cluster, test_reservations.nodes
HOLDER, OTHER = "iqn.1998-01.com.vmware:0", "iqn.1998-01.com.vmware:1"


@pytest.fixture
def running(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The nodes that the cluster says the LUN runs on, and its configuration."""
    found: list[str] = []

    def answer(*argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        if argv[0] == "cibadmin":
            return command.Result(argv, 0, CIB, "")
        if argv[0] == "crm_resource":
            lines = [f"resource p_lun1 is running on: {node} " for node in found] or ["resource p_lun1 is NOT running"]
            return command.Result(argv, 0, "\n".join(lines) + "\n", "")
        return cluster.run(*argv, deadline=deadline, check=check)

    monkeypatch.setattr(command, "run", answer)
    return found


@pytest.mark.parametrize("path", ["", '<nvpair id="d" name="path" value="/dev/drbd0"/>'])
def test_a_lun_from_a_template(
    nodes: tuple[Node, Node],
    running: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """What the primitive gives itself counts, and the template's for the rest."""
    template = CIB.replace('primitive id="p_lun1"', 'template id="t"').replace("</primitive></group>", "</template>")
    template = template.replace('<group id="g">', "").replace("/dev/drbd0", "/dev/other" if path else "/dev/drbd0")
    primitive = (
        f'<primitive id="p_lun1" template="t"><instance_attributes id="e">{path}</instance_attributes></primitive>'
    )
    monkeypatch.setattr(f"{__name__}.CIB", template.replace("</resources>", f"{primitive}</resources>"))
    here, _ = nodes
    here.start()
    here.change(ONE)
    here.stop()
    (lun,) = told(capsys)
    assert (lun["lun"], lun["serial"], lun["known"]) == ("p_lun1", SERIAL, True)
    assert lun["registrations"]


def told(capture: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capture.readouterr()
    assert cli.main(["reservations", "--json", *words]) == 0
    found: list[dict[str, object]] = json.loads(capture.readouterr().out)
    return found


@pytest.mark.parametrize("number", ["one", "-1", ""])
def test_one_with_a_wrong_number_hides_no_other(
    nodes: tuple[Node, Node],
    running: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: str,
) -> None:
    wrong = CIB.partition('<group id="g">')[2].partition("</group>")[0].replace("p_lun1", "p_wrong")
    wrong = wrong.replace('name="lun" value="1"', f'name="lun" value="{number}"')
    monkeypatch.setattr(f"{__name__}.CIB", CIB.replace("</group>", f"{wrong}</group>"))
    here, _ = nodes
    here.start()
    assert cli.main(["reservations"]) == 0
    printed = capsys.readouterr()
    assert "p_lun1" in printed.out
    assert "p_wrong" not in printed.out
    assert printed.err == f"twinsan: without p_wrong: its parameter lun is {number!r}, which is no number\n"


def test_they_are_shown(nodes: tuple[Node, Node], running: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    here, _ = nodes
    here.start()
    here.change(TWO)
    (lun,) = told(capsys)
    assert (lun["lun"], lun["serial"], lun["type"], lun["known"]) == ("p_lun1", SERIAL, 8, True)
    assert lun["registrations"] == [
        {"initiator": HOLDER, "session": "00023d000000", "key": "0xabc", "holder": True},
        {"initiator": OTHER, "session": "00023d000001", "key": "0x7", "holder": True},
    ]
    assert cli.main(["reservations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["LUN", "INITIATOR", "KEY", "HOLDS", "KEPT", "IN"]
    assert lines[1].split()[:3] == ["p_lun1", HOLDER, "0xabc"]
    assert "Exclusive Access, All Registrants" in lines[1]
    here.change(reservations.NONE)
    assert told(capsys, "--lun", "p_lun1")[0]["registrations"] == []
    assert told(capsys, "--lun", "another") == []


def test_they_are_shown_where_the_lun_is_stopped(
    nodes: tuple[Node, Node], running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    here, _ = nodes
    here.start()
    here.change(ONE)
    here.stop()
    (lun,) = told(capsys)
    assert [each["initiator"] for each in lun["registrations"]] == [HOLDER]  # type: ignore[attr-defined]


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_what_is_in_a_volume_elsewhere_is_not_known(
    nodes: tuple[Node, Node], running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    reserved_on(here)
    here.stop()
    there.mounts = False
    assert there.try_to_start() == 1
    (lun,) = told(capsys)
    assert (lun["known"], lun["registrations"]) == (False, [])
    assert cli.main(["reservations"]) == 0
    assert "reserved: type this on the node that serves it" in capsys.readouterr().out


def test_one_is_taken_away_while_nobody_serves(
    nodes: tuple[Node, Node], running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    running.append("atlas")
    assert cli.main(["reservations", "--remove", HOLDER, "--lun", "p_lun1"]) == 1
    said = capsys.readouterr().err
    assert "p_lun1 is served by atlas" in said
    assert "crm_resource --resource p_lun1 --meta --set-parameter target-role --parameter-value Stopped" in said
    running.clear()
    # The cluster may not know of one that was made by hand.
    assert cli.main(["reservations", "--remove", HOLDER, "--lun", "p_lun1"]) == 1
    here.stop()
    assert cli.main(["reservations", "--remove", "iqn.1998-01.com.vmware:9", "--lun", "p_lun1"]) == 1
    assert f"who is: {HOLDER} {OTHER}" in capsys.readouterr().err
    assert cli.main(["reservations", "--remove", HOLDER, "--lun", "p_lun1"]) == 0
    assert "--delete-parameter target-role" in capsys.readouterr().out
    there.start()
    assert there.taken() == ["0x0000000000000007"]
    assert run("monitor", **IN_CLUSTER) in (0, 190)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--remove", HOLDER], "of which LUN? Type: twinsan reservations --remove"),
        (["--remove", HOLDER, "--lun", "p_lun9"], "there is no LUN p_lun9; those that there are: p_lun1"),
    ],
)
def test_a_wrong_call_says_what_to_type(
    nodes: tuple[Node, Node], running: list[str], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    nodes[0].start()
    assert cli.main(["reservations", *words]) == 1
    assert said in capsys.readouterr().err


def test_without_a_cluster_it_shows_what_this_node_serves(
    nodes: tuple[Node, Node], cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes[0].start()
    nodes[0].change(ONE)
    cluster.answers = False
    (lun,) = told(capsys)
    assert len(lun["registrations"]) == 1  # type: ignore[arg-type]


def test_nothing_is_there(
    running: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    (lun,) = told(capsys)
    assert (lun["registrations"], lun["kept_in"]) == ([], "cluster")
    assert os.listdir(tmp_path / "run") == []
