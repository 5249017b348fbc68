# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair with the configuration of a site, in Pacemaker's simulator: what runs where, and the plan as a graph."""

from __future__ import annotations

import re
import time
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.unit import simulation
from tests.unit.simulation import Cluster, _one
from tests.unit.site.graph import Graph
from tests.unit.site.laws import PROMOTED, RUNNING, State
from twinsan.fence.view import View, constraint_id
from twinsan.site.model import Resource, Site

# crm_simulate writes what runs where as "* p_lun1 (ocf:twinsan:lio-lun): Started atlas".
_STARTED = re.compile(r"\* (\S+)\s+\((?:ocf|stonith):\S+\):\s+(Started|FAILED) (\w+)")


def _running(printed: str) -> dict[str, str]:
    return {name: node for name, _, node in _STARTED.findall(printed) if name.startswith(("p_lun", "p_portal"))}


def _role(operation: str, status: str) -> str:
    """What a resource is after its last operation. What failed is still what it was, or may be what it should be."""
    if operation == "monitor":
        return {"0": RUNNING, "8": PROMOTED, "190": RUNNING, "191": PROMOTED}.get(status, "")
    if operation == "promote" or (operation == "demote" and status != "0"):
        return PROMOTED
    return "" if operation == "stop" and status == "0" else RUNNING


class Pair(Cluster):
    """Both nodes with the configuration of `site`, complete data on both, and nothing started yet."""

    def __init__(self, folder: Path, template: Path, site: Site, version: str = simulation.NEWEST) -> None:
        super().__init__(folder, template, version)
        self.site = site
        self.ran: dict[str, str] = {}
        self.template = template.read_text()
        # The cluster when all was served first, see scenarios.begin_settled.
        self.settled = ""
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
        self._first, self._began = self.saved(), self.now

    def begin(self, saved: str = "") -> None:
        """Go back to what was saved of this cluster, or to the time before anything ran."""
        self.load(saved or self._first)
        self.now = self._began
        self._failures.clear()

    def _run(self, program: str, *words: str) -> str:
        """Keep the plan that is carried out, and what ran before."""
        if "--simulate" not in words:
            return super()._run(program, *words)
        printed = super()._run(program, *words, "--save-graph", str(self._graph))
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
        return self.plan("--node-fail", node).delays[node]

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

    def crash(self, node: str) -> None:
        """Let a node be gone, without a word."""
        self.change(f"node_state[@uname='{node}']", in_ccm="false", crmd="offline", join="down", expected="member")

    def fence_constraint(self, resource: Resource, owner: str) -> None:
        """Let the fence handler of `owner` have only that node promoted."""
        xml = View(self._cib.read_text()).new_constraint(resource.name, owner)
        self._run("cibadmin", "--create", "--scope", "constraints", "--xml-text", xml)

    def lift_constraint(self, resource: Resource) -> None:
        """Let the fence handler remove its constraint."""
        name = constraint_id(resource.name, View(self._cib.read_text()).clone_of(resource.name))
        self._run("cibadmin", "--delete", "--xml-text", f'<rsc_location id="{name}"/>')

    def clear(self, resource: str) -> None:
        """What `crm_resource --clear` of a resource does."""
        self.remove(f"cli-prefer-{resource}")

    def maintenance(self, value: str) -> None:
        """Set maintenance-mode."""
        tree = ET.parse(self._cib)
        options = _one(tree, "cluster_property_set[@id='cib-bootstrap-options']")
        for old in options.findall("nvpair[@name='maintenance-mode']"):
            options.remove(old)
        ET.SubElement(options, "nvpair", id="cib-bootstrap-options-m", name="maintenance-mode", value=value)
        tree.write(self._cib)

    def change_root(self, **values: str) -> None:
        """Give the whole configuration other attributes."""
        tree = ET.parse(self._cib)
        tree.getroot().attrib.update(values)
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

    def state(self) -> State:
        """What runs where, as the history of each node tells."""
        found: State = {}
        for node in ET.parse(self._cib).iter("node_state"):
            for history in node.iter("lrm_resource"):
                for entry in history.findall("lrm_rsc_op"):
                    if str(entry.get("id")).endswith("_last_0"):
                        name = re.sub(r":\d+$", "", str(history.get("id")))
                        role = _role(str(entry.get("operation")), str(entry.get("rc-code")))
                        if role:
                            found[name, str(node.get("uname"))] = role
        return found

    def monitors(self) -> set[tuple[str, str, int]]:
        """The monitors that run: the name of what they look at, the node, the interval in s."""
        return {
            (str(history.get("id")), str(node.get("uname")), int(entry.get("interval", "0")) // 1000)
            for node in ET.parse(self._cib).iter("node_state")
            for history in node.iter("lrm_resource")
            for entry in history.findall("lrm_rsc_op")
            if entry.get("operation") == "monitor" and entry.get("interval", "0") != "0"
        }

    def where(self) -> dict[str, str]:
        """The node on which each LUN and each address runs."""
        return _running(self._run("crm_simulate", "--xml-file", str(self._cib)))

    def serving(self, resource: Resource) -> str:
        """The node that has all LUNs and addresses of a resource; "" if none has all."""
        here = self.where()
        nodes = {here.get(name, "") for name in resource.parts}
        return nodes.pop() if len(nodes) == 1 else ""
