# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agents tell the cluster, its shells and the reader of a manual about themselves."""

from __future__ import annotations

import subprocess

import pytest
from lxml import etree

from tests.unit import agents
from tools.manual import page
from twinsan.ocf import metadata

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
    shipped = agents.ROOT / "man" / f"ocf_twinsan_{name}.7"
    assert shipped.is_file(), "type: make man"
    assert shipped.read_text() == page.render(agents.load(name)), f"{shipped.name} is out of date; type: make man"


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
