# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster would do to bring everything up from nothing, as a graph that can be compared."""

from __future__ import annotations

import copy
from xml.etree import ElementTree as ET

from lab.machine import Machine

# Each action with all that it is told, and with the actions that it waits for.
Graph = dict[tuple[str, ...], tuple[frozenset[tuple[str, str]], frozenset[tuple[str, ...]]]]

_SCORE = "master-"


def configuration(server: Machine) -> ET.Element:
    """The cluster's configuration and state."""
    return ET.fromstring(server.succeed("cibadmin --query"))


def of(server: Machine, cib: ET.Element) -> Graph:
    """The graph of a configuration where nothing runs and all replicas are complete."""
    cib = copy.deepcopy(cib)
    for history in cib.iter("lrm_resources"):
        history.clear()
    # Scores that differ, so that the choice does not hang on who serves at the moment.
    for scores in cib.iter("transient_attributes"):
        for score in scores.iter("nvpair"):
            if str(score.get("name")).startswith(_SCORE):
                score.set("value", str(1000 + int(scores.get("id", "0"))))
    server.copy({"/run/plan.xml": ET.tostring(cib)})
    server.succeed("crm_simulate --simulate --quiet --xml-file /run/plan.xml --save-graph /run/graph.xml")
    graph = ET.fromstring(server.read("/run/graph.xml"))
    names = {action.get("id"): _name(action) for actions in graph.iter("action_set") for action in actions}
    return {
        names[action.get("id")]: (
            frozenset(told for attributes in action.findall("attributes") for told in attributes.items()),
            frozenset(names[cause.get("id")] for cause in synapse.iterfind("inputs/trigger/*")),
        )
        for synapse in graph.iter("synapse")
        for action in synapse.iterfind("action_set/*")
    }


def _name(action: ET.Element) -> tuple[str, ...]:
    return (action.tag, action.get("operation_key", action.get("operation", "")), action.get("on_node", ""))
