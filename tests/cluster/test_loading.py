# SPDX-License-Identifier: GPL-2.0-or-later
"""The site file of two servers and one disk becomes a SAN by each of the ways to load what is made of it.

The pair is made of it with cibadmin. Then the cluster is emptied and loaded again with each of the other tools. The
initiator has the same disk each time, with what it wrote, and the cluster would do exactly the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest

from lab.site_pair import SitePair
from tests.cluster import graph, initiator
from tests.cluster.graph import Graph

_SITE = "data0.toml"

pytestmark = [pytest.mark.procedure, pytest.mark.parametrize("whole_pair", [_SITE], indirect=True)]

# Each as the head of its file says.
_WAYS = {
    "crmsh, XML": ("cib.xml", "crm configure load xml update cib.xml"),
    "crmsh": ("cib.crm", "crm configure load update cib.crm"),
    "pcs": ("cib.pcs.sh", "sh cib.pcs.sh"),
}
_BLOCK = "bs=4096 count=1"
_MARKER = "written through the first of the ways"


@dataclass(frozen=True)
class First:
    """What cibadmin made: the configuration and its state, the graph of it, and the disk as the initiator knows it."""

    cib: ET.Element
    graph: Graph
    disk: dict[str, str]


@pytest.fixture(scope="module")
def first(whole_pair: SitePair) -> First:
    """What cibadmin made, and a marker on the disk."""
    esx, server = whole_pair.esx, whole_pair.wait_until_serving()
    whole_pair.wait_until_settled()
    esx.succeed(f"printf '%-4096s' '{_MARKER}' | dd of={whole_pair.disk} {_BLOCK} oflag=direct status=none")
    cib = graph.configuration(server)
    return First(cib, graph.of(server, cib), initiator.identity(esx, whole_pair.disk))


@pytest.fixture
def emptied(site_pair: SitePair, first: First) -> Iterator[SitePair]:
    """A cluster without resources, as after its first start; afterwards all is settled again."""
    site_pair.log_out()
    server = site_pair.atlas
    server.succeed("crm_attribute --type crm_config --name stop-all-resources --update true")
    site_pair.wait_until_idle()
    server.succeed("cibadmin --replace --scope configuration --xml-pipe", stdin=ET.tostring(_without_san(first.cib)))
    site_pair.wait_until_idle()
    assert not re.search("ocf:twinsan|stonith:", server.succeed("crm_mon -1 --inactive"))
    yield site_pair
    site_pair.recover()


def _without_san(cib: ET.Element) -> ET.Element:
    """The configuration that the cluster had before anything was loaded."""
    configuration = _configuration(ET.fromstring(ET.tostring(cib)))
    for name in ("resources", "constraints"):
        inner = configuration.find(name)
        assert inner is not None
        inner.clear()
    options = configuration.find("crm_config")
    assert options is not None
    for each in options.findall("cluster_property_set"):
        if each.get("id") != "cib-bootstrap-options":
            options.remove(each)
    return configuration


def _configuration(cib: ET.Element) -> ET.Element:
    configuration = cib.find("configuration")
    assert configuration is not None
    return configuration


def _in_the_state_of(first: First, cib: ET.Element) -> ET.Element:
    """A configuration, in the state that the cluster had with the first."""
    whole = ET.fromstring(ET.tostring(first.cib))
    whole.remove(_configuration(whole))
    whole.insert(0, _configuration(cib))
    return whole


def _serves_the_same_disk_and_moves(pair: SitePair, first: First) -> None:
    assert initiator.identity(pair.esx, pair.disk) == first.disk
    pair.move(pair.peer_of(pair.wait_until_serving()))
    assert _MARKER in pair.esx.succeed(f"dd if={pair.disk} {_BLOCK} iflag=direct status=none")
    assert initiator.identity(pair.esx, pair.disk) == first.disk
    assert "I/O error" not in pair.esx.succeed("dmesg")


def test_cibadmin(site_pair: SitePair, first: First) -> None:
    """What it loaded serves. A constraint less is seen in the graph, so equal graphs say something."""
    server = site_pair.wait_until_serving()
    assert server.succeed("crm_verify --live-check --verbose 2>&1") == ""
    less = ET.fromstring(ET.tostring(first.cib))
    (constraints,) = less.iter("constraints")
    (order,) = constraints.findall("rsc_order[@id='promote-before-san']")
    constraints.remove(order)
    assert graph.of(server, less) != first.graph
    _serves_the_same_disk_and_moves(site_pair, first)
    site_pair.recover()


@pytest.mark.parametrize("way", _WAYS)
def test_another_way(emptied: SitePair, first: First, way: str) -> None:
    pair, server = emptied, emptied.atlas
    name, command = _WAYS[way]
    server.copy({f"/root/{name}": pair.site.files[name].encode()})
    begin = time.monotonic()
    result = server.run(f"cd /root && {command}", timeout=600)
    loaded = time.monotonic()
    said = result.stdout + result.stderr
    assert result.status == 0, said
    assert not re.search("warning|error|deprecated", said, re.IGNORECASE), said
    pair.wait_until_serving()
    print(f"{way}: loaded in {loaded - begin:.1f} s, served {time.monotonic() - loaded:.1f} s later")
    pair.wait_until_settled()
    assert server.succeed("crm_verify --live-check --verbose 2>&1; crm configure verify 2>&1") == ""
    again = graph.of(server, _in_the_state_of(first, graph.configuration(server)))
    assert again.keys() == first.graph.keys()
    assert again == first.graph
    pair.disk = pair.log_in()
    _serves_the_same_disk_and_moves(pair, first)
