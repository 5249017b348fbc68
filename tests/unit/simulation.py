# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster in a file, which Pacemaker's scheduler makes plans for: what it does about failures, and when.

The simulator knows what an action's failure leaves in the history, and dates it by the clock of this host. How the
controller counts failures, and when they were by the time of the test, is done here.
"""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.unit import agents

NODES = ("atlas", "zeus")
# Where Debian and others have programs that only root is thought to need.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_HARD = 1_000_000

_BASE = """\
<cib validate-with="pacemaker-3.7" crm_feature_set="3.16.1" admin_epoch="0" epoch="1" num_updates="0" have-quorum="1">
  <configuration><crm_config/><nodes>{nodes}</nodes><resources/><constraints/></configuration>
  <status>{states}</status>
</cib>"""
_NODE = """\
<node_state id="{number}" uname="{node}" in_ccm="true" crmd="online" join="member" expected="member">
  <lrm id="{number}"><lrm_resources/></lrm>
  <transient_attributes id="{number}"><instance_attributes id="status-{number}">
    <nvpair id="status-{number}-score" name="master-p_drbd" value="10000"/>
  </instance_attributes></transient_attributes>
</node_state>"""


class Cluster:
    """Both nodes with the shipped template or another one, complete data on both, and nothing started yet."""

    def __init__(self, folder: Path, template: Path = agents.TEMPLATE) -> None:
        for program in ("crm_simulate", "cibadmin"):
            found = shutil.which(program, path=_PATH)
            assert found is not None, f"{program} is not installed; type: apt-get install pacemaker-cli-utils"
        self._cib = folder / "cib.xml"
        self.now = int(time.time())
        self._failures: collections.Counter[str] = collections.Counter()
        nodes = "".join(f'<node id="{number}" uname="{node}"/>' for number, node in enumerate(NODES, 1))
        states = "".join(_NODE.format(number=number, node=node) for number, node in enumerate(NODES, 1))
        self._cib.write_text(_BASE.format(nodes=nodes, states=states))
        self._run("cibadmin", "--modify", "--allow-create", "--xml-file", str(template))

    def go(self, *failing: str, seconds: int = 0, inject: str = "") -> list[str]:
        """Let `seconds` pass, and have the scheduler's next plan carried out.

        An action in `failing`, as in ``p_lun1_start_0@atlas=1``, ends so; `inject` has ended so
        already. Returns the actions, in their order, without
        those that only look.
        """
        self.now += seconds
        arguments = ["--xml-file", str(self._cib), "--simulate", "--save-output", str(self._cib)]
        arguments += ["--set-datetime", time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self.now))]
        for failure in failing:
            arguments += ["--op-fail", failure]
        arguments += ["--op-inject", inject] if inject else []
        printed = self._run("crm_simulate", *arguments)
        done = [
            f"fence {fenced}" if fenced else f"{resource} {action}"
            for resource, action, fenced in re.findall(
                r"\* (?:Resource action: (\S+?)(?::\d+)? +(\S+ on \S+)|Fencing (\S+))", printed
            )
        ]
        for failure in failing:
            self._count(failure)
        return [action for action in done if not re.search(" (monitor|cancel|notify)[ =]", action)]

    def fatal_start_failures(self) -> None:
        """Take back what the template says of them."""
        self.change("nvpair[@name='start-failure-is-fatal']", value="true")

    def forget(self, resource: str, node: str) -> None:
        """What `crm_resource --cleanup` does, by which the agents have the failures of a resource forgotten."""
        tree = ET.parse(self._cib)
        state = _one(tree, f"node_state[@uname='{node}']")
        resources = _one(state, "lrm/lrm_resources")
        for history in resources.findall(f"lrm_resource[@id='{resource}']"):
            resources.remove(history)
        attributes = _one(state, "transient_attributes/instance_attributes")
        for pair in attributes.findall("nvpair"):
            if f"-{resource}#" in pair.get("name", ""):
                attributes.remove(pair)
        self._failures.clear()
        tree.write(self._cib)

    def lose(self, node: str) -> None:
        """Let a node be off, known to be off."""
        self.change(f"node_state[@uname='{node}']", in_ccm="false", crmd="offline", join="down", expected="down")

    def lose_quorum(self) -> None:
        """Let the node that makes the plans have no quorum."""
        tree = ET.parse(self._cib)
        tree.getroot().set("have-quorum", "0")
        tree.write(self._cib)

    def move(self, node: str, resource: str = "g_san") -> None:
        """What `crm_resource --move` of a resource does."""
        tree = ET.parse(self._cib)
        constraints = _one(tree, "constraints")
        ET.SubElement(
            constraints, "rsc_location", id=f"cli-prefer-{resource}", rsc=resource, node=node, score="INFINITY"
        )
        tree.write(self._cib)

    def standby(self, node: str) -> None:
        """Put a node to standby."""
        tree = ET.parse(self._cib)
        attributes = ET.SubElement(_one(tree, f"node[@uname='{node}']"), "instance_attributes", id=f"nodes-{node}")
        ET.SubElement(attributes, "nvpair", id=f"nodes-{node}-standby", name="standby", value="on")
        tree.write(self._cib)

    def change(self, what: str, **values: str) -> None:
        """Give the element `what`, a path of ElementTree, other attributes."""
        tree = ET.parse(self._cib)
        _one(tree, what).attrib.update(values)
        tree.write(self._cib)

    def _count(self, failure: str) -> None:
        """Count a failure, and date it, as the controller does."""
        found = re.fullmatch(r"(\w+?)_((start|promote|stop|monitor)_\d+)@(\w+)=\d+", failure)
        assert found, failure
        resource, operation, verb, node = found.groups()
        tree = ET.parse(self._cib)
        state = _one(tree, f"node_state[@uname='{node}']")
        fatal = verb == "stop" or (
            verb == "start" and _one(tree, "nvpair[@name='start-failure-is-fatal']").get("value") == "true"
        )
        self._failures[failure] += _HARD if fatal else 1
        attributes = _one(state, "transient_attributes/instance_attributes")
        for name, value in (
            (f"fail-count-{resource}#{operation}", self._failures[failure]),
            (f"last-failure-{resource}#{operation}", self.now),
        ):
            for old in attributes.findall(f"nvpair[@name='{name}']"):
                attributes.remove(old)
            identity = re.sub(r"[^\w-]", "_", f"{attributes.get('id')}-{name}")
            ET.SubElement(attributes, "nvpair", id=identity, name=name, value=str(value))
        for entry in state.iter("lrm_rsc_op"):
            if entry.get("operation_key", entry.get("id")) == f"{resource}_{operation}":
                entry.set("last-rc-change", str(self.now))
        tree.write(self._cib)

    def _run(self, *argv: str) -> str:
        variables = {**os.environ, "PATH": _PATH, "CIB_file": str(self._cib)}
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _one(tree: ET.ElementTree[ET.Element] | ET.Element, what: str) -> ET.Element:
    found = tree.find(f".//{what}")
    assert found is not None, what
    return found
