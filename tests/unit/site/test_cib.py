# SPDX-License-Identifier: GPL-2.0-or-later
"""The configurations that are made of the shipped site files: valid, loadable by every tool, and the ones we ship."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from tests.unit import agents
from tests.unit.site import sites
from tools import templates
from twinsan.ocf.environment import Environment
from twinsan.site import cib, elements

SCHEMAS = Path("/usr/share/pacemaker")
# The roles Promoted and Unpromoted came with schema 3.7, in Pacemaker 2.1.0.
OLDEST_SCHEMA = (3, 7)
# Values that twinsan.site.cib has in the comment of the configuration, or in its head.
UNEXPLAINED = {"promotable", "promoted-max", "clone-max", "clone-node-max"}


@pytest.fixture(params=sites.SHIPPED, ids=lambda path: path.stem)
def tree(request: pytest.FixtureRequest) -> etree._Element:
    return cib.tree(sites.load(request.param))


def schemas() -> list[Path]:
    """The schemas of the installed Pacemaker that know the roles."""
    found = {}
    for path in SCHEMAS.glob("pacemaker-*.rng"):
        match = re.fullmatch(r"pacemaker-(\d+)\.(\d+)\.rng", path.name)
        if match:
            found[int(match[1]), int(match[2])] = path
    return [path for version, path in sorted(found.items()) if version >= OLDEST_SCHEMA]


def as_live(tree: etree._Element, schema: Path) -> etree._Element:
    """A configuration as a cluster has it, with nodes and a status."""
    live = deepcopy(tree)
    for name, value in (("validate-with", schema.stem), ("admin_epoch", "0"), ("epoch", "1"), ("num_updates", "0")):
        live.set(name, value)
    options = live.find("configuration/crm_config")
    assert options is not None
    nodes = etree.Element("nodes")
    for number, name in enumerate(("atlas", "zeus"), 1):
        etree.SubElement(nodes, "node", id=str(number), uname=name)
    options.addnext(nodes)
    etree.SubElement(live, "status")
    return live


@pytest.mark.parametrize("name", templates.NAMES)
def test_a_template_is_what_is_made_of_its_site_file(name: str) -> None:
    assert templates.render(name) == (sites.TEMPLATES / f"{name}.xml").read_text(), "type: make templates"


def test_each_template_has_its_site_file() -> None:
    assert {path.stem for path in sites.TEMPLATES.glob("*.xml")} == set(templates.NAMES)


@pytest.mark.parametrize("schema", schemas(), ids=lambda path: path.stem)
def test_it_is_valid_in_every_schema_that_knows_the_roles(schema: Path, tree: etree._Element) -> None:
    relaxng = etree.RelaxNG(etree.parse(schema))
    assert relaxng.validate(as_live(tree, schema)), relaxng.error_log


@pytest.mark.parametrize("path", sites.SHIPPED, ids=lambda path: path.stem)
def test_crmsh_can_read_it(path: Path) -> None:
    """It refuses a declaration with an encoding, a root that is not <cib>, and comments elsewhere than here."""
    text = cib.text(sites.load(path))
    assert text.isascii()
    root = etree.fromstring(text)
    assert "encoding=" not in text
    assert (root.tag, root.keys()) == ("cib", [])
    commented = [each.tag for each in root.iter("*") if any(isinstance(child, etree._Comment) for child in each)]
    assert commented == ["configuration"]
    assert max(map(len, text.partition("<cib>")[0].splitlines())) <= 120


def test_it_takes_no_id_that_a_live_configuration_has(tree: etree._Element) -> None:
    taken = {"cib-bootstrap-options", "rsc-options", "op-options", "rsc_defaults-options", "op_defaults-options"}
    ids = [str(each.get("id")) for each in tree.iter("*") if each.tag != "resource_ref" and each.get("id")]
    assert not taken & set(ids)
    assert len(ids) == len(set(ids))


def test_the_agents_accept_their_values(tree: etree._Element) -> None:
    types = set()
    for primitive in tree.iter("primitive"):
        if primitive.get("provider") != "twinsan":
            continue
        agent = agents.load(str(primitive.get("type")))
        given = elements.values(primitive, "instance_attributes")
        assert set(given) <= {parameter.name for parameter in agent.parameters()}
        variables = {f"OCF_RESKEY_{name}": value for name, value in given.items()}
        agent(Environment(variables), "monitor").check_parameters()
        types.add(agent.name)
    assert types == set(agents.NAMES)


@pytest.mark.parametrize("path", sites.SHIPPED, ids=lambda path: path.stem)
def test_each_option_limit_and_score_has_its_reason(path: Path) -> None:
    """In the comment, by its name; a constraint by its own, without the suffix of its resource."""
    site = sites.load(path)
    tree = cib.tree(site)
    (comment,) = (str(each.text) for each in tree.iter(etree.Comment))
    named = {str(pair.get("name")) for pair in tree.iterfind(".//meta_attributes/nvpair")}
    named |= {str(pair.get("name")) for pair in tree.iterfind(".//crm_config//nvpair")}
    named |= {"role", "Stopped", "INFINITY", "Mandatory"}
    assert [name for name in sorted(named - UNEXPLAINED) if name not in comment] == []
    if any(each.preferred for each in site.resources):
        assert "prefers: " in comment
    if any(not each.grouped for each in site.resources):
        assert "luns-after-promotion" in comment or len(site.resources[0].luns) == 1


def test_a_portal_in_ipv6_stands_in_brackets() -> None:
    site = sites.site(
        sites.changed(
            "san",
            ('storage = "10.0.5.0/24"', 'storage = "10.0.5.0/24"\nsix = "2001:db8::/64"'),
            ('"10.0.5.50"', '"2001:DB8::50", port = 3261'),
        )
    )
    tree = cib.tree(site)
    values = [elements.values(each, "instance_attributes") for each in tree.iter("primitive")]
    assert values[3]["portals"] == "[2001:db8::50]:3261"
    assert values[-1] == {"ip": "2001:db8::50", "cidr_netmask": "64", "port": "3261"}


def test_a_parameter_of_an_agent_goes_to_its_resource() -> None:
    change = "lun = 1", 'lun = 1\nvaai = ["ats", "xcopy"]\nis_nonrot = true\nsize = 1048576'
    tree = cib.tree(sites.site(sites.changed("san", change)))
    (lun,) = [each for each in tree.iter("primitive") if each.get("id") == "p_lun1"]
    given = elements.values(lun, "instance_attributes")
    assert given.items() >= {"vaai": "ats xcopy", "is_nonrot": "yes", "size": "1048576"}.items()


def test_two_things_of_one_name_are_a_mistake() -> None:
    """Two nodes whose names would give their fence devices the same ids."""
    content = sites.text().replace("atlas", "a").replace("zeus", "a-stop")
    (mistake,) = sites.mistakes(content)
    assert "fence_a-stop" in str(mistake)


@pytest.mark.parametrize(
    ("key", "told", "pair"),
    [
        ("", "password, which is empty here", ("password", "")),
        ('password = "lrm://"', "password, which the cluster keeps", ("password", "lrm://")),
        ('password_script = "/etc/bmc"', "password_script, a program", ("password_script", "/etc/bmc")),
    ],
)
def test_the_head_says_where_the_password_comes_from(key: str, told: str, pair: tuple[str, str]) -> None:
    text = cib.text(sites.site(sites.changed("san", ('by = "ipmi"', f'by = "ipmi"\n{key}'))))
    assert told in " ".join(text.split())
    devices = [each for each in etree.fromstring(text).iter("primitive") if each.get("class") == "stonith"]
    assert all(pair in elements.values(each, "instance_attributes").items() for each in devices)
    assert len(devices) == 2


@pytest.mark.parametrize(("luns", "seconds"), [(2, 10), (10, 10), (11, 20), (20, 20), (32, 40), (70, 60)])
def test_a_node_starts_at_most_one_monitor_of_a_lun_in_a_second(luns: int, seconds: int) -> None:
    """Within limits: a fault may not go unnoticed for more than a minute."""
    more = "".join(
        f'[[resources.san.luns]]\nlun = {number}\ndevice = "/dev/drbd{number}"\ndisk = "/dev/mapper/lun{number}"\n'
        for number in range(2, luns + 1)
    )
    made = cib.tree(sites.site(sites.text("san") + more))
    found = made.findall(".//primitive[@type='lio-lun']/operations/op[@name='monitor']")
    assert [each.get("interval") for each in found] == [f"{seconds}s"] * luns
