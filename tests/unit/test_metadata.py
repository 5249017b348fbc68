# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agents tell the cluster, its shells and the reader of a manual about themselves."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from tests.unit import agents
from twinsan import errors
from twinsan.ocf import diagnostics, manpage, metadata

SCHEMA = agents.ROOT / "tests" / "unit" / "data" / "ocf-1.1.rng"
COMMON = {"start", "stop", "monitor", "validate-all", "meta-data"}


@pytest.fixture(params=agents.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(name: str) -> etree._Element:
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
    return etree.fromstring(metadata.render(agents.load(name)).encode(), parser)


def test_it_validates(document: etree._Element) -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    assert schema.validate(document), schema.error_log


def test_the_schema_refuses_what_is_wrong(document: etree._Element) -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    shortdesc = document.find("parameters/parameter/shortdesc")
    assert shortdesc is not None
    shortdesc.text = " "
    assert not schema.validate(document)


def test_the_agent_is_called_as_its_file(name: str, document: etree._Element) -> None:
    assert document.get("name") == name
    assert agents.load(name).name == name


def test_its_actions_are_complete(name: str, document: etree._Element) -> None:
    promotable = {"promote", "demote", "notify"} if name == "drbd-vaai" else set()
    assert {str(action.get("name")) for action in document.iter("action")} >= COMMON | promotable


def test_a_promotable_agent_is_monitored_in_each_role() -> None:
    monitors = [listed for listed, _ in agents.load("drbd-vaai").actions() if listed.name == "monitor"]
    assert {listed.role for listed in monitors} == {"Promoted", "Unpromoted"}
    assert len({listed.interval for listed in monitors}) == 2, "the cluster tells monitors apart by their interval"


def test_a_required_parameter_has_no_default(name: str) -> None:
    assert not [each.name for each in agents.load(name).parameters() if each.required and each.default is not None]


def test_the_manual_page_is_current(name: str) -> None:
    page = agents.ROOT / "man" / f"ocf_twinsan_{name}.7"
    assert page.is_file(), "type: make man"
    assert page.read_text() == manpage.render(agents.load(name)), f"{page.name} is out of date; type: make man"


def test_every_failure_has_an_entry_in_the_manual_page(name: str) -> None:
    """What is written in an agent as a reason stands in its page, words and all. (Runner checks each that is given.)"""
    page = _plain(agents.ROOT / "man" / f"ocf_twinsan_{name}.7")
    calls = [
        call
        for call in ast.walk(ast.parse((agents.FOLDER / name).read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and hasattr(errors, call.func.id)
    ]
    for call in calls:
        for literal in ast.walk(call):
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                for piece in re.split("; ", literal.value):
                    assert piece.strip(" :(),").lower() in page.lower(), literal.value


def test_a_reason_is_found_wherever_it_is_written(tmp_path: Path) -> None:
    """Through a function, a property, a loop, a list, two branches and a child; and not in a log line."""
    (tmp_path / "agent").write_text(_ROUNDABOUT)
    (tmp_path / "twinsan" / "system").mkdir(parents=True)
    for module in ("errors", "system/helper"):
        shipped = agents.ROOT / "lib" / "twinsan" / f"{module}.py"
        text = shipped.read_text() if shipped.exists() else _HELPER
        (tmp_path / "twinsan" / f"{module}.py").write_text(text)
    found = diagnostics.of(str(tmp_path / "agent"), str(tmp_path))
    shown = {kind: [reason.text.replace("\0", "|") for reason in reasons] for kind, reasons in found.items()}
    assert shown == {
        "Failure": ["by a loop; one", "by a loop; two", "|PATH| is gone; look", "by a property", "in a list |WHY|"],
        "NotHere": ["this |NAME| at most 7; or that", "that"],
        "DeadlinePassed": ["gave up waiting until the end"],
        "degraded": ["slow; bear it"],
    }


_HELPER = """
from twinsan.errors import Failure, NotHere

_MOST = 7

class Thing:
    @property
    def fault(self):
        return "by a property"

def one():
    return "by a loop; one"

def two():
    return "by a loop; two"

def looked():
    for look in (one, two):
        text = look()
        if text:
            return text

def check(path, name):
    if path:
        raise Failure(f"{path} is gone; look")
    raise NotHere(f"this {name} at most {_MOST}; or that" if name else "that")

def unused():
    raise Failure("never")
"""

_ROUNDABOUT = """
from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import helper
from twinsan.system.helper import Thing

class Agent:
    def start(self):
        helper.check("/", self.name)
        raise Failure(helper.looked())

    def stop(self):
        self.log("no reason; at all")
        self.deadline.wait_until(lambda: True, "the end")
        try:
            self.deadline.wait_until(lambda: True, "what is borne")
        except DeadlinePassed:
            pass

    def monitor(self):
        thing = Thing()
        reasons = [""]
        reasons.append(f"in a list {_why()}")
        if thing.fault:
            raise Failure(thing.fault)
        if reasons:
            raise Failure(reasons[-1])
        return self.degraded(slow if (slow := "slow; bear it") else "")
"""


def _plain(page: Path) -> str:
    """The words of a page, without its marks."""
    text = re.sub(r"\\f[IRB]|^\.[A-Z]+ ?|\\&", "", page.read_text(), flags=re.MULTILINE)
    return text.replace("\\-", "-").replace("\\e", "\\")


def test_only_a_group_of_one_is_unique(name: str, document: etree._Element) -> None:
    """To crmsh, which knows no groups, each of two parameters in one would have to be unique by itself."""
    groups = [parameter.unique_group for parameter in agents.load(name).parameters()]
    for element in document.iter("parameter"):
        alone = groups.count(element.get("unique-group") or "none") == 1
        assert element.get("unique") == str(int(alone))
    assert groups.count("lun") == (2 if name == "lio-lun" else 0)


@pytest.mark.parametrize("name", agents.NAMES)
def test_what_can_be_reloaded_has_an_action_for_it(name: str) -> None:
    agent = agents.load(name)
    reloads = any(listed.name == "reload-agent" for listed, _ in agent.actions())
    assert reloads == any(parameter.reloadable for parameter in agent.parameters())
    fixed = [parameter.name for parameter in agent.parameters() if parameter.unique_group and parameter.reloadable]
    assert fixed == [], "what makes a resource this one cannot change while it runs"


@pytest.mark.runs_programs
def test_the_manual_page_formats_without_a_warning(name: str) -> None:
    page = agents.ROOT / "man" / f"ocf_twinsan_{name}.7"
    formatted = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-z", str(page)], capture_output=True, text=True, check=True
    )
    assert formatted.stderr == ""


@pytest.mark.runs_programs
def test_the_executable_prints_it(name: str) -> None:
    printed = subprocess.run(
        [str(agents.FOLDER / name), "meta-data"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    )
    assert printed.stdout == metadata.render(agents.load(name))
    assert printed.stderr == ""
