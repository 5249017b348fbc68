# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster in a file, which Pacemaker's scheduler makes plans for: what it does about failures, and when.

The simulator knows what an action's failure leaves in the history, and dates it by the clock of this host. How the
controller counts failures, and when they were by the time of the test, is done here.

The cluster may be of any version that `lab.pacemaker_tools` has. What is loaded is validated with the schema of that
version. The plans are made without a validation, which would take half of their time.
"""

from __future__ import annotations

import collections
import os
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from lab import pacemaker_tools
from tests.unit import agents

NODES = ("atlas", "zeus")
_HARD = 1_000_000


class Version(NamedTuple):
    """What a cluster has that was made on a version of Pacemaker: its newest schema, and its feature set."""

    schema: str
    feature_set: str


VERSIONS = {
    "2.0.5": Version("pacemaker-3.5", "3.6.1"),
    "2.1.5": Version("pacemaker-3.9", "3.16.1"),
    "3.0.0": Version("pacemaker-4.0", "3.20.0"),
}
NEWEST = "3.0.0"
# Before Pacemaker 2.1 no schema knows the present names. The README has the same as a command.
_OLD_ROLES = (('role="Promoted"', 'role="Master"'), ('role="Unpromoted"', 'role="Slave"'))

_BASE = """\
<cib validate-with="{schema}" crm_feature_set="{feature_set}" admin_epoch="0" epoch="1" num_updates="0" have-quorum="1">
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
# A schema that allows everything.
_ANYTHING = """\
<grammar xmlns="http://relaxng.org/ns/structure/1.0">
  <start><ref name="any"/></start>
  <define name="any"><element><anyName/><zeroOrMore><choice>
    <attribute><anyName/></attribute><text/><ref name="any"/>
  </choice></zeroOrMore></element></define>
</grammar>"""
_BEGIN = int(time.time())
# Clusters as they are after a configuration was loaded, by version and configuration.
_LOADED: dict[tuple[str, str], str] = {}


def in_words_of(version: str, template: str) -> str:
    """A configuration as a version of Pacemaker knows it."""
    for new, old in _OLD_ROLES if version.startswith("2.0") else ():
        template = template.replace(new, old)
    return template


class Cluster:
    """Both nodes with the shipped template or another one, complete data on both, and nothing started yet."""

    def __init__(self, folder: Path, template: Path = agents.TEMPLATE, version: str = NEWEST) -> None:
        self.version = version
        self._cib = folder / "cib.xml"
        self.now = _BEGIN
        self._failures: collections.Counter[str] = collections.Counter()
        known = VERSIONS[version]
        # The folder with a schema that allows everything.
        self.anything = folder / "anything"
        self.anything.mkdir(exist_ok=True)
        (self.anything / f"{known.schema}.rng").write_text(_ANYTHING)
        nodes = "".join(f'<node id="{number}" uname="{node}"/>' for number, node in enumerate(NODES, 1))
        states = "".join(_NODE.format(number=number, node=node) for number, node in enumerate(NODES, 1))
        self._cib.write_text(_BASE.format(nodes=nodes, states=states, **known._asdict()))
        self._load(in_words_of(version, template.read_text()))

    def _load(self, template: str) -> None:
        """Load a configuration into the cluster as it is made. That is the same for each test, and done once."""
        key = (self.version, template)
        if key not in _LOADED:
            file = self._cib.with_name("loaded.xml")
            file.write_text(template)
            self._run("cibadmin", "--modify", "--allow-create", "--xml-file", str(file))
            _LOADED[key] = self._cib.read_text()
        self._cib.write_text(_LOADED[key])

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
        found = re.fullmatch(r"(\w+?)_((start|promote|demote|stop|monitor)_\d+)@(\w+)=\d+", failure)
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

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a program of this cluster's version."""
        schemas = str(pacemaker_tools.schemas(self.version))
        return {**os.environ, "LC_ALL": "C", "CIB_file": str(self._cib), "PCMK_schema_directory": schemas}

    def words(self, program: str, *words: str) -> list[str]:
        """What starts a program of this cluster's version."""
        return [*pacemaker_tools.command(self.version, program), *words]

    def _run(self, program: str, *words: str) -> str:
        variables = self.variables
        if program == "crm_simulate":
            variables["PCMK_schema_directory"] = str(self.anything)
        done = self._start(self.words(program, *words), variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start(self, argv: list[str], variables: dict[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with `given` as its standard input."""
        return subprocess.run(argv, env=variables, input=given, capture_output=True, text=True, timeout=60, check=False)


def _one(tree: ET.ElementTree[ET.Element] | ET.Element, what: str) -> ET.Element:
    found = tree.find(f".//{what}")
    assert found is not None, what
    return found
