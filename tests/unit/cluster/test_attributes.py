# SPDX-License-Identifier: GPL-2.0-or-later
"""Scores are told once, attributes come back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan.cluster import attributes, cib, members
from twinsan.cluster.score import set_promotion_score
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import command, rundir

NOW = Deadline(10)


class Programs:
    """Answers to come, in order, and the commands that were run."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self.complaint = ""

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        self.calls.append(" ".join(argv))
        status, stdout = self.answers.pop(0) if self.answers else (0, "")
        if check and status:
            raise command.CommandFailed(command.Result(argv, status, stdout, "refused"))
        return command.Result(argv, status, stdout, self.complaint)


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    fake = Programs()
    monkeypatch.setattr(command, "run", fake.run)
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    return fake


def test_a_score_is_told_once(programs: Programs) -> None:
    set_promotion_score("p_drbd", 10000, NOW)
    set_promotion_score("p_drbd", 10000, NOW)
    set_promotion_score("p_other", 10000, NOW)
    assert programs.calls == [
        "attrd_updater --name master-p_drbd --update 10000",
        "attrd_updater --name master-p_other --update 10000",
    ]


def test_a_score_is_told_again_when_it_changes_when_asked_to_and_after_a_while(programs: Programs) -> None:
    set_promotion_score("p_drbd", 10000, NOW)
    set_promotion_score("p_drbd", None, NOW)
    set_promotion_score("p_drbd", None, NOW)
    set_promotion_score("p_drbd", None, NOW, always=True)
    assert programs.calls[1:] == ["attrd_updater --name master-p_drbd --delete"] * 2
    old = time.time() - 3600
    os.utime(rundir.path("promotion-score.p_drbd"), (old, old))
    set_promotion_score("p_drbd", None, NOW)
    assert len(programs.calls) == 4


def test_a_score_that_was_not_taken_is_not_remembered(programs: Programs) -> None:
    set_promotion_score("p_drbd", 1000, NOW)
    programs.answers = [(102, "")]
    with pytest.raises(Failure):
        set_promotion_score("p_drbd", 10000, NOW)
    set_promotion_score("p_drbd", 1000, NOW)
    assert len(programs.calls) == 3


def test_attributes_come_back(programs: Programs) -> None:
    programs.answers = [
        (0, 'name="peers" host="atlas" value="10.0.5.9:50123 [2001:db8::9]:4"\nname="peers" host="zeus" value=""\n')
    ]
    assert attributes.get_node_attributes("peers", NOW) == {"atlas": "10.0.5.9:50123 [2001:db8::9]:4"}
    programs.answers = [(105, "")]
    assert attributes.get_node_attributes("peers", NOW) == {}
    programs.answers = [(78, "")]
    programs.complaint = "attrd_updater: Could not query value of peers: attribute does not exist\n"
    assert attributes.get_node_attributes("peers", NOW) == {}
    programs.complaint = ""
    programs.answers = [(102, "")]
    with pytest.raises(Failure):
        attributes.get_node_attributes("peers", NOW)


# As crm_mon 3.0.0 prints it, and 2.1.5.
NODES = """<pacemaker-result api-version="2.38" request="crm_mon --one-shot --output-as=xml --include=none,nodes">
  <nodes>
    <node name="atlas" id="1" online="true" standby="false" standby_onfail="false" maintenance="false" pending="false"
      unclean="false" health="green" feature_set="3.20.0" shutdown="false" expected_up="true" is_dc="true"
      resources_running="6" type="member"/>
    <node name="zeus" id="2" online="true" standby="{standby}" standby_onfail="false" maintenance="false"
      pending="false" unclean="false" shutdown="false" is_dc="false" resources_running="1" type="member"/>
    <node name="witness" id="3" online="false" standby="false" maintenance="false" type="member"/>
  </nodes>
  <status code="0" message="OK"/>
</pacemaker-result>"""


@pytest.mark.parametrize(("standby", "nodes"), [("false", {"atlas", "zeus"}), ("true", {"atlas"})])
def test_who_is_in_service(programs: Programs, standby: str, nodes: set[str]) -> None:
    programs.answers = [(0, NODES.format(standby=standby))]
    assert members.in_service(NOW) == nodes


@pytest.mark.parametrize("answer", [(102, ""), (0, ""), (0, "<pacemaker-result>")])
def test_an_answer_about_nodes_that_is_none(programs: Programs, answer: tuple[int, str]) -> None:
    programs.answers = [answer]
    with pytest.raises(Failure):
        members.in_service(NOW)


def test_attributes_are_set_here_or_elsewhere(programs: Programs) -> None:
    attributes.set_node_attribute("peers", "10.0.5.9:50123", NOW)
    attributes.set_node_attribute("peers", "x", NOW, node="zeus", private=True)
    attributes.set_node_attribute("peers", "", NOW)
    assert programs.calls == [
        "attrd_updater --name peers --update 10.0.5.9:50123",
        "attrd_updater --name peers --update x --node zeus --private",
        "attrd_updater --name peers --delete",
    ]


@pytest.mark.parametrize("value", ['a"b', "a\nb", "a<b"])
def test_a_value_that_would_not_come_back_is_refused(value: str) -> None:
    with pytest.raises(Failure, match="do not come back"):
        attributes.set_node_attribute("peers", value, NOW)


def test_node_name(programs: Programs) -> None:
    programs.answers = [(0, "atlas\n"), (102, "")]
    assert members.node_name(NOW) == "atlas"
    assert members.node_name(NOW) == os.uname().nodename


@pytest.mark.parametrize(
    ("status", "printed", "lives"),
    [
        (0, "Controller on zeus in state S_NOT_DC: ok\n", True),
        (0, "Status of crmd@zeus: S_IDLE (ok)\n", True),
        (0, "Controller on zeus in state S_PENDING: ok\n", False),
        (0, "Controller on atlas in state S_IDLE: ok\n", False),
        (0, "", False),
        (124, "error: Timed out after 5000ms waiting for reply from controller API on zeus\n", False),
    ],
)
def test_only_an_answer_proves_life(programs: Programs, status: int, printed: str, *, lives: bool) -> None:
    programs.answers = [(status, printed)]
    assert cib.answers("zeus", NOW) == lives
