# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of a drill: what keeps it from beginning, what it asks, and what it has the cluster do."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest

from tests.unit.operate import pair_facts
from twinsan import cli
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure
from twinsan.host import command, rundir
from twinsan.operate import luns, remote
from twinsan.operate.drill import history, initiator, order
from twinsan.operate.facts import gathering
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.shape import Facts, NotSeen

CONSTRAINTS = "<constraints>"
LEFT_OVER = '<constraints><rsc_location id="cli-prefer-g_san" rsc="g_san" node="atlas" score="INFINITY"/>'
RESYNC = ("peer-disk:UpToDate", "peer-disk:Inconsistent")


class Pair:
    """A pair that does what the drill has the cluster do: `ran` has the commands, `here` the node it is typed on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.node = "atlas"
        self.changes: dict[str, object] = {}
        self.serves = "atlas"
        self.stuck = False
        self.failing = ""
        self.whole = True
        monkeypatch.setattr(gathering, "gather", self._facts)
        monkeypatch.setattr(cib, "query", lambda deadline: pair_facts.CIB)
        monkeypatch.setattr(command, "run", self._run)
        monkeypatch.setattr(luns, "running_on", lambda name, deadline: [self.serves])
        monkeypatch.setattr(history, "of", lambda node, since: history.History(""))
        monkeypatch.setattr(order, "_SECONDS_BEFORE", 0.0)
        monkeypatch.setattr(order, "_SECONDS_TO_MOVE", 0.2)

    def _facts(self, seconds: float) -> Facts:
        facts = pair_facts.make(node=self.node, **self.changes)  # type: ignore[arg-type]
        if self.whole:
            return facts
        return replace(facts, services=tuple(replace(s, node=None) for s in facts.services))

    def _run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        # What watches the writes runs beside.
        if argv[0] != "drbdsetup":
            self.ran.append(" ".join(argv))
        if self.failing and self.failing in argv:
            raise Failure("too late")
        if not self.stuck and ("--move" in argv or argv[0] == "stonith_admin"):
            self.serves = "zeus"
        return command.Result(argv, 0, "", "")


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Pair:
    """A pair that is well; atlas serves, and the command is typed there."""
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path))
    return Pair(monkeypatch)


def test_without_a_wish_it_says_that_it_is_safe_and_does_nothing(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drill"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("safe now: san is served by atlas, zeus can take over\n")
    assert "twinsan drill --go" in said
    assert pair.ran == []
    assert cli.main(["drill", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["safe"] is True
    assert (found["from"], found["to"]) == ("atlas", "zeus")
    assert found["switchover_seconds"] > 0
    assert found["obstacles"] == []


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"drbd": [RESYNC]}, "is Inconsistent"),
        ({"cib": [(CONSTRAINTS, LEFT_OVER)]}, "the constraint cli-prefer-g_san of an earlier move is left"),
        ({"told": [pair_facts.TOLD["atlas"]]}, "unknown"),
    ],
)
@pytest.mark.parametrize("words", [["--go"], ["--power-cut", "--fence", "atlas"]])
def test_what_is_not_safe_is_not_done(
    pair: Pair, capsys: pytest.CaptureFixture[str], changes: dict[str, object], because: str, words: list[str]
) -> None:
    pair.changes, pair.node = changes, "zeus" if "--power-cut" in words else "atlas"
    assert cli.main(["drill"]) == 1
    assert "not safe now" in capsys.readouterr().out
    assert cli.main(["drill", *words]) == 1
    assert because in capsys.readouterr().err
    assert pair.ran == []


def test_a_switchover_moves_what_moves_as_one_and_leaves_no_constraint(
    pair: Pair, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert cli.main(["drill", "--go", "--picture", f"{tmp_path}/drill.svg"]) == 0
    assert pair.ran[:2] == [
        "crm_resource --resource g_san --move --node zeus --lifetime PT10M",
        "crm_resource --resource g_san --clear",
    ]
    assert capsys.readouterr().out.startswith("switchover from atlas to zeus: ")
    with open(f"{tmp_path}/drill.svg", encoding="utf-8") as picture:
        assert picture.read().startswith("<svg")


def test_a_switchover_that_gets_nowhere_leaves_no_constraint_either(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.stuck = True
    assert cli.main(["drill", "--go"]) == 1
    assert "san is not served by zeus" in capsys.readouterr().err
    assert pair.ran[-1] == "crm_resource --resource g_san --clear"


def test_a_power_cut_is_for_the_other_node_and_needs_its_name(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["drill", "--power-cut", "--fence", "atlas"]) == 1
    assert "type this on zeus" in capsys.readouterr().err
    pair.node = "zeus"
    assert cli.main(["drill", "--power-cut", "--fence", "zeus"]) == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("atlas\nsan\n"))
    assert cli.main(["drill", "--power-cut"]) == 2
    assert "no terminal" in capsys.readouterr().err
    assert pair.ran == []
    assert cli.main(["drill", "--power-cut", "--fence", "atlas"]) == 0
    assert pair.ran[0] == "stonith_admin --reboot atlas"


@pytest.mark.parametrize(
    ("answers", "status"), [("atlas\nsan\n", 0), ("atlas\nzeus\n", 1), ("yes\nyes\n", 1), ("zeus\nsan\n", 1)]
)
def test_it_asks_twice(pair: Pair, monkeypatch: pytest.MonkeyPatch, answers: str, status: int) -> None:
    pair.node = "zeus"
    terminal = io.StringIO(answers)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert cli.main(["drill", "--power-cut"]) == status
    assert any("stonith_admin" in each for each in pair.ran) == (status == 0)


@pytest.mark.parametrize(
    "words",
    [
        ["--go", "--power-cut"],
        ["--go", "--resource", "sand"],
        ["--go", "--initiator", "esx; reboot"],
        ["--go", "--fence", "atlas"],
        ["--fence", "atlas"],
        ["--picture", "drill.svg"],
        ["--initiator", "esx:/dev/sdb"],
    ],
)
def test_what_cannot_be_meant(pair: Pair, words: list[str]) -> None:
    assert cli.main(["drill", *words]) == 2
    assert pair.ran == []


def test_a_node_that_tells_nothing_is_named(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(node: remote.Node, since: float) -> history.History:
        raise DeadlinePassed(f"ssh {node.name} is silent")

    monkeypatch.setattr(history, "of", refuse)
    begun = time.monotonic()
    assert cli.main(["drill", "--go"]) == 0
    assert "not seen: what zeus did: ssh zeus is silent" in capsys.readouterr().out
    assert time.monotonic() - begun < 5


def test_a_picture_without_a_place_is_refused_before_anything_moves(
    pair: Pair, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    for place in (f"{tmp_path}/missing/drill.svg", str(tmp_path)):
        assert cli.main(["drill", "--go", "--picture", place]) == 1
        assert f"{place} cannot be written" in capsys.readouterr().err
    assert pair.ran == []


def test_a_picture_in_the_folder_where_one_is(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["drill", "--go", "--picture", "drill.svg"]) == 0
    assert (tmp_path / "drill.svg").read_text().startswith("<svg")
    assert [each.name for each in tmp_path.iterdir() if "svg" in each.name] == ["drill.svg"]


def test_a_host_that_cannot_read_stops_it_in_time(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reader: initiator.Reader, seconds: float) -> None:
        raise Failure("esx does not read /dev/sdb: why")

    monkeypatch.setattr(initiator.Reader, "start", refuse)
    assert cli.main(["drill", "--go", "--initiator", "esx:/dev/sdb"]) == 1
    assert capsys.readouterr().err == "twinsan: esx does not read /dev/sdb: why\n"
    assert pair.ran == []


def test_a_move_whose_command_fails_leaves_no_constraint(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.failing = "--move"
    assert cli.main(["drill", "--go"]) == 1
    assert "too late" in capsys.readouterr().err
    assert pair.ran[-1] == "crm_resource --resource g_san --clear"


def test_a_constraint_that_stays_is_named(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.failing = "--clear"
    assert cli.main(["drill", "--go"]) == 1
    assert "it ends by itself after 10 min; crm_resource --resource g_san --clear" in capsys.readouterr().err


def test_what_moved_while_it_asked_is_not_fenced(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.node = "zeus"
    terminal = io.StringIO("atlas\nsan\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    read = terminal.readline

    def answer(*size: int) -> str:
        pair.changes = {"drbd": [RESYNC]}
        return read(*size)

    terminal.readline = answer  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert cli.main(["drill", "--power-cut"]) == 1
    assert "nothing was done" in capsys.readouterr().err
    assert pair.ran == []


def test_a_cluster_that_is_down_is_said_with_what_to_type(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(deadline: Deadline) -> str:
        raise Failure("cibadmin: Transport endpoint is not connected")

    monkeypatch.setattr(cib, "query", refuse)
    assert cli.main(["drill"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("twinsan: the cluster cannot be seen: cibadmin: Transport endpoint is not connected; see: ")


def test_what_is_served_in_part_is_not_safe(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.whole = False
    assert cli.main(["drill", "--go"]) == 1
    assert "atlas does not serve all of it" in capsys.readouterr().err
    assert pair.ran == []


def test_what_could_not_be_seen_is_told(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.changes = {"told": [], "not_seen": [NotSeen("what the nodes have told", "attrd is silent")]}
    assert cli.main(["drill"]) == 1
    assert "not seen: what the nodes have told, because attrd is silent" in capsys.readouterr().out
