# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a pair with a third vote: what it changes, and what the scheduler makes of it without quorum."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from tests.unit import agents
from tests.unit.simulation import Cluster

TEMPLATE = agents.ROOT / "cib-templates" / "san-qnetd.xml"
EXAMPLES = agents.ROOT / "examples"
OPTIONS = {"priority-fencing-delay", "no-quorum-policy"}

TAKE_OVER = ["p_drbd promote on zeus", "p_lun1 start on zeus", "p_portal start on zeus"]
GIVE_UP = ["p_portal stop on atlas", "p_lun1 stop on atlas"]


def _options(path: Path) -> dict[str, str]:
    """The options that a third vote may change, as this template has them."""
    pairs = etree.parse(path).getroot().iterfind(".//crm_config//nvpair")
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs if pair.get("name") in OPTIONS}


def _others(path: Path) -> bytes:
    """All that a third vote does not change, without comments and spaces."""
    root = etree.parse(path, etree.XMLParser(remove_comments=True, remove_blank_text=True)).getroot()
    for pair in root.findall(".//crm_config//nvpair"):
        if pair.get("name") in OPTIONS:
            parent = pair.getparent()
            assert parent is not None
            parent.remove(pair)
    return etree.tostring(root)


def test_it_differs_from_the_template_of_two_votes_in_two_options() -> None:
    assert _others(TEMPLATE) == _others(agents.TEMPLATE)
    assert _options(agents.TEMPLATE) == {"priority-fencing-delay": "3s"}
    assert _options(TEMPLATE) == {"priority-fencing-delay": "0s", "no-quorum-policy": "freeze"}


def _settings(name: str) -> str:
    """A corosync.conf without its comments and empty lines."""
    text = (EXAMPLES / name).read_text()
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))


def test_corosync_conf_differs_from_that_of_two_votes_in_the_quorum() -> None:
    names = ("corosync.conf", "corosync-qnetd.conf")
    two, three = (re.split(r"(?m)^(quorum \{\n.*?^\})$", _settings(name), flags=re.DOTALL) for name in names)
    assert (three[0], three[2]) == (two[0], two[2])
    assert "two_node: 1" in two[1]
    assert "two_node" not in three[1]


def test_a_lost_node_is_given_up_by_qnetd_within_token_and_consensus() -> None:
    """A heartbeat comes every 0.8 timeouts, and is missed after 1.5 of these (corosync-qdevice(8), -qnetd(8))."""
    settings = _settings("corosync-qnetd.conf")
    token, consensus, timeout, sync_timeout = (
        int(re.search(rf"(?m)^ *{name}: (\d+)$", settings)[1])  # type: ignore[index]
        for name in ("token", "consensus", "timeout", "sync_timeout")
    )
    assert 1.5 * 0.8 * timeout < token + consensus < sync_timeout


def test_the_target_that_decides_a_tie_is_that_of_the_template() -> None:
    iqn = etree.parse(TEMPLATE).getroot().find(".//nvpair[@id='p_target-iqn']")
    assert iqn is not None
    assert f"iscsi/{iqn.get('value')}/tpgt_1/enable" in _settings("corosync-qnetd.conf")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """It serves on atlas."""
    serving = Cluster(tmp_path, TEMPLATE)
    assert serving.go()[-1] == "p_portal start on atlas"
    return serving


@pytest.mark.runs_programs
@pytest.mark.long
def test_the_survivor_with_the_vote_fences_and_serves(cluster: Cluster) -> None:
    cluster.lose("atlas")
    assert cluster.go() == ["fence atlas", *TAKE_OVER]


@pytest.mark.runs_programs
@pytest.mark.long
def test_the_node_that_serves_goes_on_without_the_vote(cluster: Cluster) -> None:
    cluster.lose("zeus")
    cluster.lose_quorum()
    assert cluster.go() == []


@pytest.mark.runs_programs
@pytest.mark.long
def test_without_that_policy_it_would_stop(cluster: Cluster) -> None:
    """The control: why the policy is not the default."""
    cluster.change("nvpair[@name='no-quorum-policy']", value="stop")
    cluster.lose("zeus")
    cluster.lose_quorum()
    assert set(GIVE_UP) <= set(cluster.go())
