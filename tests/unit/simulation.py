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

import pytest
from lxml import etree

from tests.unit import agents

NODES = ("atlas", "zeus")
# Where Debian and others have programs that only root is thought to need.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_HARD = 1_000_000

_BASE = """\
<cib validate-with="pacemaker-3.7" crm_feature_set="3.16.1" admin_epoch="0" epoch="1" num_updates="0" have-quorum="1">
  <configuration><crm_config/><nodes/><resources/><constraints/></configuration>
  <status/>
</cib>"""
_NODE = """\
<node_state id="{number}" uname="{node}" in_ccm="true" crmd="online" join="member" expected="member">
  <lrm id="{number}"><lrm_resources/></lrm>
  <transient_attributes id="{number}"><instance_attributes id="status-{number}">
    <nvpair id="status-{number}-score" name="master-p_drbd" value="10000"/>
  </instance_attributes></transient_attributes>
</node_state>"""


class Cluster:
    """Both nodes with the shipped template, complete data on both, and nothing started yet."""

    def __init__(self, folder: Path) -> None:
        for program in ("crm_simulate", "cibadmin"):
            if shutil.which(program, path=_PATH) is None:
                pytest.skip(f"{program} is not installed (Debian: apt install pacemaker-cli-utils)")
        self._cib = folder / "cib.xml"
        self.now = int(time.time())
        self._failures: collections.Counter[str] = collections.Counter()
        root = etree.fromstring(_BASE)
        for number, node in enumerate(NODES, 1):
            etree.SubElement(root.find("configuration/nodes"), "node", id=str(number), uname=node)
            root.find("status").append(etree.fromstring(_NODE.format(number=number, node=node)))
        etree.ElementTree(root).write(self._cib)
        self._run("cibadmin", "--modify", "--allow-create", "--xml-file", str(agents.TEMPLATE))

    def go(self, *failing: str, seconds: int = 0) -> list[str]:
        """Let `seconds` pass, and have the scheduler's next plan carried out.

        An action in `failing`, as in ``p_lun1_start_0@atlas=1``, ends so. Returns the actions, in their order, without
        those that only look.
        """
        self.now += seconds
        arguments = ["--xml-file", str(self._cib), "--simulate", "--save-output", str(self._cib)]
        arguments += ["--set-datetime", time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self.now))]
        for failure in failing:
            arguments += ["--op-fail", failure]
        printed = self._run("crm_simulate", *arguments)
        done = [
            f"fence {fenced}" if fenced else f"{resource} {action}"
            for resource, action, fenced in re.findall(
                r"\* (?:Resource action: (\S+?)(?::\d+)? +(\S+ on \S+)|Fencing (\S+))", printed
            )
        ]
        for failure in failing:
            self._count(*re.fullmatch(r"(\w+?)_((?:start|promote|stop|monitor)_\d+)@(\w+)=(\d+)", failure).groups())
        return [action for action in done if not re.search(" (monitor|cancel|notify)[ =]", action)]

    def configure(self, xpath: str, **values: str) -> None:
        """Set attributes of the elements at `xpath`."""
        tree = etree.parse(self._cib)
        for element in tree.xpath(xpath):
            element.attrib.update(values)
        tree.write(self._cib)

    def lose(self, node: str) -> None:
        """Let a node be off, known to be off."""
        states = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
        self.configure(f"//node_state[@uname='{node}']", **states)

    def standby(self, node: str) -> None:
        """Put a node to standby."""
        tree = etree.parse(self._cib)
        (element,) = tree.xpath(f"//node[@uname='{node}']")
        attributes = etree.SubElement(element, "instance_attributes", id=f"nodes-{node}")
        etree.SubElement(attributes, "nvpair", id=f"nodes-{node}-standby", name="standby", value="on")
        tree.write(self._cib)

    def _count(self, resource: str, operation: str, node: str, status: str) -> None:
        tree = etree.parse(self._cib)
        (attributes,) = tree.xpath(f"//node_state[@uname='{node}']/transient_attributes/instance_attributes")
        fatal = operation.startswith("stop") or (
            operation.startswith("start") and not tree.xpath("//nvpair[@name='start-failure-is-fatal'][@value='false']")
        )
        self._failures[f"{node} {resource} {operation}"] += _HARD if fatal else 1
        for key, value in (
            (f"fail-count-{resource}#{operation}", self._failures[f"{node} {resource} {operation}"]),
            (f"last-failure-{resource}#{operation}", self.now),
        ):
            for old in attributes.xpath("nvpair[@name=$key]", key=key):
                attributes.remove(old)
            identity = re.sub(r"[^\w-]", "_", f"{attributes.get('id')}-{key}")
            etree.SubElement(attributes, "nvpair", id=identity, name=key, value=str(value))
        for entry in tree.xpath(f"//node_state[@uname='{node}']//lrm_rsc_op[@rc-code='{status}']"):
            if entry.get("operation_key", entry.get("id")) == f"{resource}_{operation}" or entry.get("id") in (
                f"{resource}_{operation}",
                f"{resource}_last_failure_0",
            ):
                entry.set("last-rc-change", str(self.now))
        tree.write(self._cib)

    def _run(self, *argv: str) -> str:
        variables = {**os.environ, "PATH": _PATH, "CIB_file": str(self._cib)}
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
