# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the programs print: a status comes of it, or a failure in one line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operate import pair_facts
from twinsan.drbd import events2
from twinsan.operate import status
from twinsan.operate.display import page, screen
from twinsan.operate.display.view import View
from twinsan.operate.facts import cluster, replication, services, votes
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.fact import as_json
from twinsan.operate.facts.overview import Overview

ODD = (
    "",
    "x",
    "-1",
    "0",
    "1e9",
    "99999999999999999999",
    "INFINITY",
    "-INFINITY",
    "p_drbd:1",
    "a_b",
    ":",
    "\u00e9\u2603",
    "true",
)


def spoilt(text: str, data: st.DataObject) -> str:
    """The XML with elements taken away, and attributes taken away or with odd values."""
    root = ET.fromstring(text)
    parents = {child: parent for parent in root.iter() for child in parent}
    elements = list(parents)
    for _ in range(data.draw(st.integers(1, 6))):
        element = elements[data.draw(st.integers(0, len(elements) - 1))]
        kind = data.draw(st.integers(0, 3))
        if kind and element.attrib:
            name = data.draw(st.sampled_from(sorted(element.attrib)))
            value = data.draw(st.sampled_from((None, *ODD)))
            if value is None:
                del element.attrib[name]
            else:
                element.set(name, value)
        elif element in list(parents[element]):
            parents[element].remove(element)
    return ET.tostring(root, encoding="unicode")


def shown(cib: str, overview: str, drbd: str, corosync: str, quorum: str = pair_facts.QUORUM) -> None:
    configuration = Configuration(cib)
    joined = cluster.join(configuration, Overview(overview), pair_facts.AT)
    resource = events2.parse(drbd, "san")
    seen = [] if resource is None else [replication.of(resource, split=None)]
    facts = pair_facts.make()
    found = type(facts)(
        **{
            **vars(facts),
            "cluster": joined,
            "votes": votes.of(votes.parse(corosync), quorum),
            "services": tuple(services.find(configuration, joined, seen)),
            "replication": tuple(seen),
        }
    )
    whole = status.of(found)
    view = View(whole)
    assert screen.text(view, colour=True)
    assert page.text(view)
    json.dumps(as_json(whole))


@settings(max_examples=30)
@given(st.data())
def test_spoilt_xml(data: st.DataObject) -> None:
    cib, overview = spoilt(pair_facts.CIB, data), spoilt(pair_facts.OVERVIEW, data)
    shown(cib, overview, pair_facts.DRBD, pair_facts.COROSYNC)


@settings(max_examples=30)
@given(st.data())
def test_spoilt_words(data: st.DataObject) -> None:
    """Words of DRBD's and of corosync.conf that are gone, or others."""
    texts = []
    for text in (pair_facts.DRBD, pair_facts.QNETD, pair_facts.QUORUM):
        words = text.split(" ")
        for _ in range(data.draw(st.integers(1, 5))):
            words[data.draw(st.integers(0, len(words) - 1))] = data.draw(
                st.sampled_from(("", *ODD, "{", "}\n", "disk:"))
            )
        texts.append(" ".join(words))
    shown(pair_facts.CIB, pair_facts.OVERVIEW, *texts)
