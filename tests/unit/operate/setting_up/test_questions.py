# SPDX-License-Identifier: GPL-2.0-or-later
"""The questions in place of a site file: what is offered, what is refused, and the file that is written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.operate.setting_up.fake_pair import FakeNode, FakePair
from twinsan.errors import Failure
from twinsan.operate import remote
from twinsan.operate.setting_up import draft, questions
from twinsan.operate.setting_up import facts as told
from twinsan.site import reader

DISKS = (
    told.Candidate("/dev/sda", 1 << 40, "disk", "mounted on /", "Fast One"),
    told.Candidate("/dev/sdb", 1 << 41, "disk", "", "Large One"),
    told.Candidate("/dev/sdc", 1 << 30, "disk", "ext4", ""),
)

# Questions by their first words, and an answer to each.
ANSWERS = {
    "The other node": "zeus",
    "The name of the cluster": "",
    "The networks that link": "",
    "The address of the BMC of atlas": "",
    "The address of the BMC of zeus": "",
    "The user of both BMCs": "admin",
    "The disk of atlas to serve": "2",
    "The disk of zeus to serve": "",
    "The disk of atlas for the state": "3",
    "The disk of zeus for the state": "/dev/disk/by-id/small-1",
    "The address that initiators": "10.0.5.50",
    "The name of the target": "",
    "The names of the initiators": "iqn.1998-01.com.vmware:esx1 iqn.1998-01.com.vmware:esx2",
    "The site file": "",
}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[FakeNode, FakeNode]:
    pair = FakePair()
    by_name = {node.name: node for node in pair.nodes}
    for node in pair.nodes:
        node.facts = dataclasses.replace(node.facts, candidates=DISKS)
    here = os.uname()

    def uname() -> os.uname_result:
        return os.uname_result((here.sysname, "atlas", here.release, here.version, here.machine))

    monkeypatch.setattr(os, "uname", uname)
    monkeypatch.setattr(remote, "Node", by_name.__getitem__)
    monkeypatch.chdir(tmp_path)
    return pair.nodes


def answering(monkeypatch: pytest.MonkeyPatch, **more: object) -> list[str]:
    """Let the answers be those above; `more` has a list of answers, one after the other, by a word of the question."""
    asked: list[str] = []
    lists: dict[str, Iterator[str]] = {word: iter(answers) for word, answers in more.items()}  # type: ignore[call-overload]

    def answer(question: str) -> str:
        asked.append(question)
        for word, answers in lists.items():
            if word in question:
                return next(answers)
        (found,) = (answer for words, answer in ANSWERS.items() if question.startswith(words))
        return found

    monkeypatch.setattr("builtins.input", answer)
    return asked


@pytest.mark.usefixtures("nodes")
def test_the_answers_become_a_site_file_without_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answering(monkeypatch)
    assert questions.site_file() == "san.toml"
    site, mistakes = reader.load(str(tmp_path / "san.toml"))
    assert mistakes == []
    assert site is not None
    assert [node.name for node in site.nodes] == ["atlas", "zeus"]
    assert [node.links for node in site.nodes] == [("10.0.5.2", "10.0.6.12"), ("10.0.5.3", "10.0.6.13")]
    assert [node.bmc for node in site.nodes] == ["10.0.6.2", "10.0.6.3"]
    assert site.fencing.parameters["username"] == "admin"
    assert site.fencing.parameters["password"] == "lrm://"
    (resource,) = site.resources
    assert resource.luns[0].volume.disks == {"atlas": "/dev/sdb", "zeus": "/dev/sdb"}
    assert resource.state is not None
    assert resource.state.disks == {"atlas": "/dev/sdc", "zeus": "/dev/disk/by-id/small-1"}
    assert resource.iqn == "iqn.2003-01.org.example:san"
    assert resource.target["allowed_initiators"].split() == ANSWERS["The names of the initiators"].split()
    shown = capsys.readouterr().out
    assert "2       /dev/sdb  2 TiB  disk  nothing       Large One" in shown
    assert "10.0.6.0/24  10.0.6.12  10.0.6.13" in shown


# A word of the question, wrong answers, a right one, and what is said of the wrong ones.
WRONG = [
    ("cluster", ["9 lives", "san"], "is no name of a cluster"),
    ("link", ["7", "first", "1 2"], "type numbers of the list"),
    ("atlas, for", ["10.0.6", "10.0.6.2"], "is no IP address"),
    ("user", ['a"b', "admin"], "has a character"),
    ("atlas to", ["sdb", "2"], "type a number of the list, or a path"),
    ("initiators log", ["10.9.9.9", "10.0.5.2", "10.0.5.50"], "10.0.5.2 is used already"),
    ("target", ["iqn.2003-01.org.example:SAN", "iqn.2003-01.org.example:san"], "iqn.2003-01.org.example:san"),
    ("names of the initiators", ["esx", ""], "allowed_initiators"),
    ("site file", ["/nowhere/san.toml", "san.toml"], "cannot be written"),
]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(("word", "answers", "said"), WRONG, ids=[each[0] for each in WRONG])
def test_a_wrong_answer_is_named_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    word: str,
    answers: list[str],
    said: str,
) -> None:
    asked = answering(monkeypatch, **{word: answers})
    name = questions.site_file()
    assert len([question for question in asked if word in question]) == len(answers)
    assert said in capsys.readouterr().out
    assert reader.load(name)[1] == []


@pytest.mark.usefixtures("nodes")
def test_a_disk_that_serves_is_not_offered_for_the_state(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, **{"atlas for the state": ["2", "3"]})
    questions.site_file()
    assert "/dev/sdb of atlas is used already" in capsys.readouterr().out


@pytest.mark.usefixtures("nodes")
def test_a_site_file_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "san.toml").write_text("mine")
    answering(monkeypatch, **{"site file": ["", "other.toml"]})
    assert questions.site_file() == "other.toml"
    assert "san.toml is there already" in capsys.readouterr().out
    assert (tmp_path / "san.toml").read_text() == "mine"


def test_nodes_without_a_common_network_are_told(
    monkeypatch: pytest.MonkeyPatch, nodes: tuple[FakeNode, FakeNode]
) -> None:
    elsewhere = (told.Address("eth0", "10.1.5.3", 24),)
    nodes[1].facts = dataclasses.replace(nodes[1].facts, addresses=elsewhere)
    answering(monkeypatch)
    with pytest.raises(Failure, match=r"no network in common: atlas 10\.0\.5\.2 10\.0\.6\.12; zeus 10\.1\.5\.3"):
        questions.site_file()


def test_a_node_that_ssh_does_not_reach_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, nodes: tuple[FakeNode, FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    fails = iter([True, False])

    def require_name() -> None:
        if next(fails):
            raise Failure("ssh to zeus does not work")

    monkeypatch.setattr(nodes[1], "require_name", require_name)
    answering(monkeypatch, **{"other node": ["atlas", "zeus", "zeus"]})
    questions.site_file()
    assert "ssh to zeus does not work" in capsys.readouterr().out


def test_names_with_dots_are_keys_as_well() -> None:
    made = draft.Draft(("atlas.example.org", "zeus.example.org"))
    made.values["disk1"] = "/dev/sdx"
    site, mistakes = reader.parse(made.text().encode())
    assert site is not None, [str(each) for each in mistakes]
    assert site.resources[0].luns[0].volume.disks["zeus.example.org"] == "/dev/sdx"
