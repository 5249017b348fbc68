# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped configurations: loadable by every tool, valid for every schema, agreeing with the agents."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from tests.unit import agents
from twinsan.ocf.environment import Environment

SCHEMAS = Path("/usr/share/pacemaker")
# The roles Promoted and Unpromoted came with schema 3.7, in Pacemaker 2.1.0.
OLDEST_SCHEMA = (3, 7)
SECONDS = re.compile(r"(\d+)s")
# Level 20 reads the device, which is for who wants it.
DEEPEST = 10


# Of one disk; those of larger sites are tested in tests/unit/site.
TEMPLATES = [agents.ROOT / "cib-templates" / name for name in ("san.xml", "san-qnetd.xml")]


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def template(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def cib(template: Path) -> etree._Element:
    return etree.parse(template).getroot()


def schemas() -> list[Path]:
    """The schemas of the installed Pacemaker that know the roles."""
    found = {}
    for path in SCHEMAS.glob("pacemaker-*.rng"):
        match = re.fullmatch(r"pacemaker-(\d+)\.(\d+)\.rng", path.name)
        if match:
            found[int(match[1]), int(match[2])] = path
    return [path for version, path in sorted(found.items()) if version >= OLDEST_SCHEMA]


def primitives(cib: etree._Element, provider: str = "twinsan") -> list[etree._Element]:
    """The resources of one provider's agents."""
    return [each for each in cib.iter("primitive") if each.get("provider") == provider]


def parameters(primitive: etree._Element) -> dict[str, str]:
    """Names and values of a resource's parameters."""
    return {str(pair.get("name")): str(pair.get("value")) for pair in primitive.iterfind("instance_attributes/nvpair")}


def meta(element: etree._Element) -> dict[str, str]:
    """Names and values of a resource's meta attributes."""
    return {str(pair.get("name")): str(pair.get("value")) for pair in element.iterfind("meta_attributes/nvpair")}


def find(cib: etree._Element, identity: str) -> etree._Element:
    """The element with this id."""
    (found,) = [element for element in cib.iter("*") if element.get("id") == identity]
    return found


def test_a_schema_is_installed() -> None:
    assert schemas(), "install pacemaker-common"


@pytest.mark.parametrize("schema", schemas(), ids=lambda path: path.stem)
def test_it_is_valid_in_every_schema_that_knows_the_roles(schema: Path, cib: etree._Element) -> None:
    live = deepcopy(cib)
    for name, value in (("validate-with", schema.stem), ("admin_epoch", "0"), ("epoch", "1"), ("num_updates", "0")):
        live.set(name, value)
    configuration = live.find("configuration")
    assert configuration is not None
    nodes = etree.Element("nodes")
    for number, name in enumerate(("atlas", "zeus"), 1):
        etree.SubElement(nodes, "node", id=str(number), uname=name)
    properties = configuration.find("crm_config")
    assert properties is not None
    properties.addnext(nodes)
    etree.SubElement(live, "status")
    relaxng = etree.RelaxNG(etree.parse(schema))
    assert relaxng.validate(live), relaxng.error_log


def test_crmsh_can_read_it(template: Path) -> None:
    """It refuses a declaration with an encoding, and a root that is not <cib>."""
    content = template.read_bytes()
    assert content.isascii()
    assert b"encoding=" not in content
    assert etree.fromstring(content.decode()).tag == "cib"


def test_it_leaves_the_live_versions_alone(cib: etree._Element) -> None:
    """An attribute of the root would be merged: validate-with would take a live configuration to an older schema."""
    assert not cib.keys()


def test_comments_stand_where_crmsh_bears_them(cib: etree._Element) -> None:
    commented = [
        element.tag for element in cib.iter("*") if any(isinstance(child, etree._Comment) for child in element)
    ]
    assert commented == ["configuration"]


def test_it_takes_no_id_that_a_live_configuration_has(cib: etree._Element) -> None:
    taken = {"cib-bootstrap-options", "rsc-options", "op-options", "rsc_defaults-options", "op_defaults-options"}
    assert not taken & {str(element.get("id")) for element in cib.iter("*")}
    assert not list(cib.iter("node", "rsc_defaults", "op_defaults"))


def test_it_uses_no_deprecated_spelling(cib: etree._Element, template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"Master|Slave|<master|master-max|master-node-max", text)
    assert "stonith-enabled" not in text
    assert all(order.get("score") is None for order in cib.iter("rsc_order"))


def test_every_agent_is_in_use(cib: etree._Element) -> None:
    assert {primitive.get("type") for primitive in primitives(cib)} == set(agents.NAMES)


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_agents_accept_their_values(name: str) -> None:
    agent = agents.load(name)
    variables = agents.template_values(name)
    known = {f"OCF_RESKEY_{parameter.name}" for parameter in agent.parameters()}
    assert set(variables) <= known
    agent(Environment(variables), "monitor").check_parameters()


def test_operations_are_what_the_agents_advise(cib: etree._Element) -> None:
    for primitive in primitives(cib):
        given = {
            (str(op.get("name")), op.get("role") or "", level(op)): (
                seconds(op.get("timeout")),
                seconds(op.get("interval")),
            )
            for op in primitive.iter("op")
        }
        advised = {
            (listed.name, listed.role, listed.depth or 0): (listed.timeout, listed.interval or 0)
            for listed, _ in agents.load(str(primitive.get("type"))).actions()
            if listed.name in ("start", "stop", "promote", "demote", "monitor") and (listed.depth or 0) <= DEEPEST
        }
        assert given == advised, primitive.get("id")


def test_the_san_starts_from_the_lun_to_the_address_after_the_target_and_the_promotion(cib: etree._Element) -> None:
    group = find(cib, "g_san")
    assert [member.get("type") for member in group.iter("primitive")] == ["lio-lun", "portal-ip"]
    orders = {
        (str(order.get("first")), order.get("first-action"), str(order.get("then")), order.get("kind")): order
        for order in cib.iter("rsc_order")
    }
    assert set(orders) == {
        ("ms_drbd", "promote", "g_san", "Mandatory"),
        ("c_target", None, "g_san", "Mandatory"),
    }
    assert all(order.get("symmetrical") is None for order in orders.values()), "the mirror at a stop"


def test_the_san_is_where_the_disk_is_writable_and_the_target_stands(cib: etree._Element) -> None:
    said = {
        (place.get("rsc"), place.get("rsc-role"), place.get("with-rsc"), place.get("with-rsc-role"), place.get("score"))
        for place in cib.iter("rsc_colocation")
    }
    assert said == {
        ("g_san", None, "ms_drbd", "Promoted", "INFINITY"),
        ("g_san", None, "c_target", None, "INFINITY"),
        ("ms_drbd", "Promoted", "c_target", None, "100000"),
    }


def test_a_target_stands_on_each_node(cib: etree._Element) -> None:
    told = meta(find(cib, "c_target"))
    assert told.items() >= {"clone-max": "2", "clone-node-max": "1", "notify": "false"}.items()
    assert told["interleave"] == "true", "see tests/unit/site/test_controls.py"


def test_one_replica_on_each_node_and_one_of_them_promoted(cib: etree._Element) -> None:
    told = meta(find(cib, "ms_drbd"))
    assert told.items() >= {"promotable": "true", "promoted-max": "1", "clone-max": "2", "clone-node-max": "1"}.items()
    assert told["notify"] == "false", "each notification is one more agent to start in a switchover"


def test_each_node_is_fenced_by_the_other(cib: etree._Element) -> None:
    devices = {
        device.get("id"): parameters(device) for device in cib.iter("primitive") if device.get("class") == "stonith"
    }
    targets = {str(identity): values["pcmk_host_list"] for identity, values in devices.items()}
    assert sorted(targets.values()) == ["atlas", "zeus"]
    banned = {location.get("rsc"): location.get("node") for location in cib.iter("rsc_location")}
    assert banned == targets
    assert {location.get("score") for location in cib.iter("rsc_location")} == {"-INFINITY"}


def test_the_serving_node_shoots_first() -> None:
    cib = etree.parse(agents.TEMPLATE).getroot()
    (delay,) = [pair for pair in cib.iter("nvpair") if pair.get("name") == "priority-fencing-delay"]
    assert seconds(delay.get("value")) > 0
    assert int(meta(find(cib, "p_drbd"))["priority"]) > 0, "without a priority the delay has no effect"


def test_the_target_the_lun_and_the_address_belong_together(cib: etree._Element) -> None:
    target, lun, portal = (parameters(find(cib, identity)) for identity in ("p_target", "p_lun1", "p_portal"))
    assert lun["target_iqn"] == target["iqn"]
    assert target["portals"] == f"{portal['ip']}:3260"


def level(operation: etree._Element) -> int:
    """How closely a monitor looks."""
    return int(parameters(operation).get("OCF_CHECK_LEVEL", "0"))


def seconds(text: str | None) -> int:
    """A time as the template writes it."""
    match = SECONDS.fullmatch(text or "")
    assert match, f"{text!r} is no whole number of seconds"
    return int(match[1])
