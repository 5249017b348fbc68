# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert agent in a configuration: only where the site file wants it, and in every form."""

from __future__ import annotations

import shlex

import pytest
from lxml import etree

from tests.unit.site import sites
from tests.unit.site.test_cib import as_live, schemas
from twinsan.site import cib, crmsh, pcs
from twinsan.site.model import Site

WANTED = 'alerts = { command = "/usr/local/sbin/page  --to ops" }\nname = "san"'


@pytest.fixture
def tree() -> etree._Element:
    return cib.tree(sites.site(sites.changed("san", ('name = "san"', WANTED))))


def test_without_the_table_there_is_none() -> None:
    site = sites.site(sites.text())
    assert site.alerts is None
    assert cib.tree(site).find("configuration/alerts") is None


def test_the_agent_gets_the_command(tree: etree._Element) -> None:
    (alert,) = tree.iterfind("configuration/alerts/alert")
    assert alert.get("path") == "/usr/share/twinsan/alert"
    (pair,) = alert.iterfind("instance_attributes/nvpair")
    assert (pair.get("name"), pair.get("value")) == ("command", "/usr/local/sbin/page --to ops")


def test_it_needs_no_command() -> None:
    tree = cib.tree(sites.site(sites.changed("san", ('name = "san"', 'alerts = {}\nname = "san"'))))
    (alert,) = tree.iterfind("configuration/alerts/alert")
    assert list(alert) == []
    for text in (crmsh.text(tree), pcs.text(tree)):
        assert "/usr/share/twinsan/alert" in text
        assert "command=" not in text


def test_every_schema_accepts_it(tree: etree._Element) -> None:
    for schema in schemas():
        validator = etree.RelaxNG(etree.parse(schema))
        assert validator.validate(as_live(tree, schema)), f"{schema.stem}: {validator.error_log}"


def test_the_reason_stands_in_the_configuration(tree: etree._Element) -> None:
    assert "twinsan-alert: the cluster calls it" in " ".join(cib.text(_site()).split())
    assert "twinsan-alert" not in cib.text(sites.site(sites.text()))


def _site() -> Site:
    return sites.site(sites.changed("san", ('name = "san"', WANTED)))


def words(text: str, first: list[str]) -> list[str]:
    """The words of the command that begins with `first`."""
    lines = [shlex.split(line) for line in text.replace(" \\\n", " ").splitlines() if not line.startswith("#")]
    (found,) = [line for line in lines if line[: len(first)] == first]
    return found[len(first) :]


def test_crmsh_and_pcs_say_the_same(tree: etree._Element) -> None:
    said = words(crmsh.text(tree), ["alert"])
    assert said[:2] == ["twinsan-alert", "/usr/share/twinsan/alert"]
    assert said[3:] == ["attributes", "command=/usr/local/sbin/page --to ops"]
    said = words(pcs.text(tree), ["change", "alert", "create"])
    assert said[:2] == ["path=/usr/share/twinsan/alert", "id=twinsan-alert"]
    assert said[3:] == ["options", "command=/usr/local/sbin/page --to ops"]


@pytest.mark.parametrize(
    ("value", "key", "told"),
    [
        ('{ command = "page" }', "alerts.command", "write it absolutely"),
        ('{ command = " " }', "alerts.command", "write it absolutely"),
        ('{ command = "/bin/a/../b" }', "alerts.command", "no path that twinsan takes"),
        ("{ command = '/bin/page \"x\"' }", "alerts.command", "without quotes"),
        ("{ command = 5 }", "alerts.command", "this is a number and not a text"),
        ("{ comand = '/bin/page' }", "alerts.comand", "did you mean command?"),
        ("5", "alerts", "this is a number and not a table"),
    ],
)
def test_a_mistake_is_told(value: str, key: str, told: str) -> None:
    (mistake,) = sites.mistakes(sites.changed("san", ('name = "san"', f'alerts = {value}\nname = "san"')))
    assert mistake.key == key
    assert told in str(mistake)
