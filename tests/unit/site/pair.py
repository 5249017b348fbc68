# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair with the configuration of a site, in Pacemaker's simulator: what runs where, and the plan as a graph."""

from __future__ import annotations

import re
import time
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.unit.simulation import Cluster, _one
from twinsan.site.model import Resource, Site

# crm_simulate writes what runs where as "* p_lun1 (ocf:twinsan:lio-lun): Started atlas".
_STARTED = re.compile(r"\* (\S+)\s+\((?:ocf|stonith):\S+\):\s+(Started|FAILED) (\w+)")


class Graph:
    """A plan: which of its actions has to wait for which."""

    def __init__(self, path: Path) -> None:
        self._inputs: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        for synapse in ET.parse(path).iter("synapse"):
            before = {str(each.get("id")) for each in synapse.findall("inputs/trigger/*")}
            for action in synapse.findall("action_set/*"):
                number = str(action.get("id"))
                self._inputs[number] = before
                key = re.sub(r":\d+_", "_", str(action.get("operation_key", "")))
                node = action.get("on_node", "")
                if action.get("operation") == "stonith":
                    key, node = "fence", str(action.get("on_node"))
                if action.tag != "pseudo_event" or node:
                    self._names[number] = f"{re.sub('_0$', '', key)} {node}"
        self.actions = set(self._names.values())

    def delay(self, node: str, path: Path) -> int:
        """The priority-fencing-delay of the fencing of a node, in s."""
        (found,) = [
            attributes.get("CRM_meta_priority_fencing_delay", "0")
            for event in ET.parse(path).iter("crm_event")
            if event.get("operation") == "stonith" and event.get("on_node") == node
            for attributes in event.findall("attributes")
        ]
        return int(found.rstrip("s"))

    def before(self, first: str, then: str) -> bool:
        """Whether the action `then`, as in "p_lun1_start atlas", waits for `first`."""
        waiting = [number for number, name in self._names.items() if name == then]
        seen: set[str] = set()
        while waiting:
            number = waiting.pop()
            for each in self._inputs.get(number, set()) - seen:
                if self._names.get(each) == first:
                    return True
                seen.add(each)
                waiting.append(each)
        return False


def _running(printed: str) -> dict[str, str]:
    return {name: node for name, _, node in _STARTED.findall(printed) if name.startswith(("p_lun", "p_portal"))}


class Pair(Cluster):
    """Both nodes with the configuration of `site`, complete data on both, and nothing started yet."""

    def __init__(self, folder: Path, template: Path, site: Site) -> None:
        super().__init__(folder, template)
        self.site = site
        self.ran: dict[str, str] = {}
        self.template = template.read_text()
        self._graph = folder / "graph.xml"
        tree = ET.parse(self._cib)
        for state in tree.iter("node_state"):
            attributes = _one(state, "transient_attributes/instance_attributes")
            for resource in site.resources:
                name = f"master-{resource.called('p_drbd')}"
                if attributes.find(f"nvpair[@name='{name}']") is None:
                    identity = f"{attributes.get('id')}-{name}"
                    ET.SubElement(attributes, "nvpair", id=identity, name=name, value="10000")
        # What the cluster notes itself where SBD runs.
        options = ET.SubElement(_one(tree, "crm_config"), "cluster_property_set", id="cib-bootstrap-options")
        watchdog = str(site.fencing.by == "watchdog").lower()
        ET.SubElement(options, "nvpair", id="cib-bootstrap-options-w", name="have-watchdog", value=watchdog)
        tree.write(self._cib)
        self._scores = {
            str(state.get("uname")): deepcopy(_one(state, "transient_attributes")) for state in tree.iter("node_state")
        }

    def _run(self, *argv: str) -> str:
        """Keep the plan that is carried out, and what ran before."""
        if "--simulate" not in argv:
            return super()._run(*argv)
        printed = super()._run(*argv, "--save-graph", str(self._graph))
        self.ran = _running(printed.partition("\nTransition Summary")[0])
        return printed

    def carried_out(self) -> Graph:
        """The plan that `go` has carried out."""
        return Graph(self._graph)

    def plan(self, *more: str) -> Graph:
        """The plan that `go` would carry out."""
        moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self.now))
        words = ["--xml-file", str(self._cib), "--run", "--save-graph", str(self._graph), "--set-datetime", moment]
        self._run("crm_simulate", *words, *more)
        return Graph(self._graph)

    def delay(self, node: str) -> int:
        """How long the fencing of a node would wait, in s, if the other one lost it now."""
        return self.plan("--node-fail", node).delay(node, self._graph)

    def verify(self) -> None:
        """Let crm_verify look at the configuration: it may say nothing."""
        assert self._run("crm_verify", "-V", "--xml-file", str(self._cib)) == ""

    def saved(self) -> str:
        """The cluster as it is, for `load`."""
        return self._cib.read_text()

    def load(self, saved: str) -> None:
        """Go back to what was saved of a cluster with the same configuration."""
        self._cib.write_text(saved)

    def configure(self, template: str) -> None:
        """Put another configuration in place of the present one; what runs goes on."""
        tree, new = ET.parse(self._cib), ET.fromstring(template)
        for tag in ("resources", "constraints"):
            present = _one(tree, tag)
            present[:] = list(_one(new, tag))
        tree.write(self._cib)

    def remove(self, identity: str) -> None:
        """Take a constraint out of the configuration."""
        tree = ET.parse(self._cib)
        constraints = _one(tree, "constraints")
        constraints.remove(_one(constraints, f"*[@id='{identity}']"))
        tree.write(self._cib)

    def constraints(self) -> list[str]:
        """The names of all constraints but those of fence devices."""
        listed = [str(each.get("id")) for each in _one(ET.parse(self._cib), "constraints")]
        return [each for each in listed if not each.startswith("fence_")]

    def outdate(self, node: str) -> None:
        """Let a node have no data that can be served: no promotion score."""
        tree = ET.parse(self._cib)
        attributes = _one(tree, f"node_state[@uname='{node}']/transient_attributes/instance_attributes")
        for pair in list(attributes):
            if pair.get("name", "").startswith("master-"):
                attributes.remove(pair)
        tree.write(self._cib)

    def back(self, node: str) -> None:
        """Let a node that was lost be there again, with nothing running and complete data."""
        tree = ET.parse(self._cib)
        state = _one(tree, f"node_state[@uname='{node}']")
        state.attrib.update(in_ccm="true", crmd="online", join="member", expected="member")
        for old in (*state.findall("lrm"), *state.findall("transient_attributes")):
            state.remove(old)
        state.append(deepcopy(self._scores[node]))
        ET.SubElement(ET.SubElement(state, "lrm", id=str(state.get("id"))), "lrm_resources")
        tree.write(self._cib)

    def active(self, node: str) -> None:
        """Take a node out of standby."""
        tree = ET.parse(self._cib)
        element = _one(tree, f"node[@uname='{node}']")
        element.remove(_one(element, f"instance_attributes[@id='nodes-{node}']"))
        tree.write(self._cib)

    def where(self) -> dict[str, str]:
        """The node on which each LUN and each address runs."""
        return _running(self._run("crm_simulate", "--xml-file", str(self._cib)))

    def serving(self, resource: Resource) -> str:
        """The node that has all LUNs and addresses of a resource; "" if none has all."""
        here = self.where()
        nodes = {here.get(name, "") for name in resource.parts}
        return nodes.pop() if len(nodes) == 1 else ""
