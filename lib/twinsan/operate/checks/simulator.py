# SPDX-License-Identifier: GPL-2.0-or-later
"""Pacemaker's scheduler, asked what it would do with a configuration: on a copy in a file, without a cluster."""

from __future__ import annotations

import os
import re
from copy import deepcopy

from twinsan.errors import Failure, Reason
from twinsan.host import command, private_folder
from twinsan.operate.checks.plan import Plan
from twinsan.operate.checks.xml import etree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration

# Plans until a cluster is at rest; more is no rest.
_MOST_PLANS = 5

# The first schema that has the role Promoted.
_SCHEMA = "pacemaker-3.7"

# Ids of constraints that somebody's command or a fault has left. They are told apart from what is configured.
PASSING = ("cli-prefer-", "cli-ban-", "cli-standby-", "drbd-fence-by-handler-")

# In the outermost element, the first one.
_VALIDATION = re.compile(rb'validate-with="([^"]*)"')

# The features of the oldest version: an older scheduler than these carries nothing out.
_FEATURES = "3.6.1"

# Between what was and what will be; Pacemaker 2.0 has small letters.
_REVISED = re.compile("Revised Cluster Status", re.IGNORECASE)

# What a clean cluster has of each node: all data, and nothing that runs.
_ONLINE = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
_SCORE = "10000"

UNUSABLE = Reason(Failure, "Pacemaker's scheduler refuses the configuration: {complaint}", "see: crm_verify -V -x FILE")


class Refused(Failure):
    """The scheduler does not take the configuration."""


class Simulator:
    """A cluster of two nodes, such as `clean_cluster`, in a folder that goes with `close`."""

    def __init__(self, cib: bytes, nodes: tuple[str, str], deadline: Deadline) -> None:
        self._deadline = deadline
        self._folder = private_folder.make()
        self._file = os.path.join(self._folder, "cib.xml")
        self._graph = os.path.join(self._folder, "graph.xml")
        found = _VALIDATION.search(cib)
        self._schema = found[1] if found else b""
        # Whether it was validated, and whether this version then does without.
        self._trusted, self._trusts = False, True
        self.nodes = nodes
        self.running: dict[str, set[str]] = {}
        self.promoted: dict[str, set[str]] = {}
        self.load(cib)

    def close(self) -> None:
        """Remove the copy."""
        private_folder.remove(self._folder)

    def load(self, cib: bytes) -> None:
        """Go on from another state."""
        with open(self._file, "wb") as file:
            file.write(cib)

    def saved(self) -> bytes:
        """The state, for `load`."""
        with open(self._file, "rb") as file:
            return file.read()

    def step(self, *words: str) -> Plan:
        """Carry out the next plan, and return it. Raises Refused.

        The first one validates the configuration, and the others trust it: that takes about half of the time.
        """
        ended = self._simulate(words)
        if not self._carried_out(ended) and self._trusted:
            # A version that trusts nobody.
            self._trusts = self._trusted = False
            ended = self._simulate(words)
        if not self._carried_out(ended):
            raise Refused(UNUSABLE.text(complaint=_complaint(ended)))
        self._trusted = self._trusts
        before, after = _REVISED.split(ended.stdout, 1)
        self.running, self.promoted = _located(after)
        with open(self._graph, "rb") as file:
            plan = Plan(file.read(), _located(before.partition("Transition Summary")[0])[0])
        os.unlink(self._graph)
        return plan

    def _simulate(self, words: tuple[str, ...]) -> command.Result:
        schema = b"none" if self._trusted else self._schema
        # A function, since a text would be read for backslashes.
        self.load(_VALIDATION.sub(lambda _: b'validate-with="' + schema + b'"', self.saved(), count=1))
        files = ("--xml-file", self._file, "--save-output", self._file, "--save-graph", self._graph)
        return command.run("crm_simulate", "--simulate", *files, *words, deadline=self._deadline, check=False)

    def _carried_out(self, ended: command.Result) -> bool:
        """Whether a plan was saved and carried out. One that a failure blocks is as well, with another exit status."""
        return os.path.exists(self._graph) and _REVISED.search(ended.stdout) is not None

    def settle(self, *words: str) -> list[Plan]:
        """Carry out plans until there is none; the first one with `words`. The last one does something if it does not
        come to rest.
        """
        plans = [self.step(*words)]
        while plans[-1].acts and len(plans) < _MOST_PLANS:
            plans.append(self.step())
        return plans

    def outdate(self, node: str) -> None:
        """Let a node have no data that can be served: no promotion score."""
        root = etree.fromstring(self.saved())
        for state in root.iterfind("status/node_state"):
            if state.get("uname") == node:
                for pair in list(state.iterfind("transient_attributes//nvpair")):
                    if pair.get("name", "").startswith("master-"):
                        pair.getparent().remove(pair)  # type: ignore[union-attr]
        self.load(etree.tostring(root))

    def prefer(self, node: str, resources: list[str]) -> None:
        """Let somebody want resources to be on a node."""
        root = etree.fromstring(self.saved())
        constraints = root.find("configuration/constraints")
        assert constraints is not None
        for name in resources:
            own = {"id": f"check-prefer-{name}", "rsc": name, "node": node, "score": "INFINITY"}
            etree.SubElement(constraints, "rsc_location", own)
        self.load(etree.tostring(root))

    def bring_back(self, node: str) -> None:
        """Let a node that was lost be there again, with complete data and nothing that runs."""
        root = etree.fromstring(self.saved())
        replicas = {each.get("name", "") for each in root.iterfind(".//transient_attributes//nvpair")}
        status = root.find("status")
        assert status is not None
        for number, state in enumerate(status):
            if state.get("uname") == node:
                names = {name for name in replicas if name.startswith("master-")}
                status[number] = _state(str(state.get("id")), node, names)
        self.load(etree.tostring(root))

    def standby(self, node: str) -> None:
        """Put a node to standby."""
        root = etree.fromstring(self.saved())
        for element in root.iterfind("configuration/nodes/node"):
            if element.get("uname") == node:
                own = etree.SubElement(element, "instance_attributes", id=f"check-{element.get('id')}")
                etree.SubElement(own, "nvpair", id=f"check-{element.get('id')}-s", name="standby", value="on")
        self.load(etree.tostring(root))


def clean_cluster(configuration: Configuration, nodes: tuple[str, str]) -> bytes:
    """A pair with a configuration as it is, without what is there for a time only: both nodes online, complete data on
    both, nothing that runs.
    """
    cib = etree.Element("cib", {"validate-with": configuration.cib.get("validate-with") or _schema(configuration)})
    cib.attrib.update({"crm_feature_set": _FEATURES, "admin_epoch": "0", "epoch": "1", "num_updates": "0"})
    cib.set("have-quorum", "1")
    copied = deepcopy(configuration.element)
    cib.append(copied)
    for tag, place in (("crm_config", 0), ("nodes", 1)):
        if copied.find(tag) is None:
            copied.insert(place, etree.Element(tag))
    for tag in ("resources", "constraints"):
        if copied.find(tag) is None:
            etree.SubElement(copied, tag)
    _clean(copied, nodes)
    scores = {f"master-{each.id}" for each in configuration.resources if each.clone}
    status = etree.SubElement(cib, "status")
    for number, node in enumerate(nodes, 1):
        status.append(_state(str(number), node, scores))
    return etree.tostring(cib)


def _schema(configuration: Configuration) -> str:
    """The newest schema that has every element of it."""
    return "pacemaker-3.7" if configuration.element.find("resources//master") is None else "pacemaker-3.6"


def _clean(copied: _Element, nodes: tuple[str, str]) -> None:
    """Take away what an administrator or a fault has left for a time, and name the nodes anew."""
    listed = copied.find("nodes")
    assert listed is not None
    listed[:] = [
        etree.Element("node", id=str(number), uname=node, type="member") for number, node in enumerate(nodes, 1)
    ]
    for constraint in list(copied.iterfind("constraints/*")):
        if constraint.get("id", "").startswith(PASSING):
            constraint.getparent().remove(constraint)  # type: ignore[union-attr]
    for pair in list(copied.iterfind("crm_config/cluster_property_set/nvpair")):
        if pair.get("name") in ("maintenance-mode", "stop-all-resources"):
            pair.getparent().remove(pair)  # type: ignore[union-attr]
    for pair in list(copied.iterfind("resources//meta_attributes/nvpair")):
        if pair.get("name") in ("target-role", "is-managed", "maintenance"):
            pair.getparent().remove(pair)  # type: ignore[union-attr]
    if not any(each.get("class") == "stonith" for each in copied.iter("primitive", "template")):
        # Without any, the scheduler would start nothing. That there is none is found elsewhere.
        own = {"id": "check-fence", "class": "stonith", "type": "fence_check"}
        etree.SubElement(copied.find("resources"), "primitive", own)  # type: ignore[arg-type]
    watchdog = copied.find("crm_config/cluster_property_set/nvpair[@name='stonith-watchdog-timeout']")
    have = copied.find("crm_config/cluster_property_set/nvpair[@name='have-watchdog']")
    if watchdog is not None and have is None:
        # What the cluster notes itself where SBD runs.
        etree.SubElement(
            watchdog.getparent(),  # type: ignore[arg-type]
            "nvpair",
            id="check-have-watchdog",
            name="have-watchdog",
            value="true",
        )


def _state(identity: str, node: str, scores: set[str]) -> _Element:
    state = etree.Element("node_state", {"id": identity, "uname": node, **_ONLINE})
    etree.SubElement(etree.SubElement(state, "lrm", id=identity), "lrm_resources")
    inner = etree.SubElement(etree.SubElement(state, "transient_attributes", id=identity), "instance_attributes")
    inner.set("id", f"status-{identity}")
    for number, name in enumerate(sorted(scores)):
        etree.SubElement(inner, "nvpair", id=f"status-{identity}-{number}", name=name, value=_SCORE)
    return state


def _located(printed: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """On which nodes each resource runs, and is promoted, as crm_simulate prints it; a clone by its own name.
    Pacemaker 2.0 prints no asterisks.
    """
    running: dict[str, set[str]] = {}
    promoted: dict[str, set[str]] = {}
    clone = ""
    for line in printed.splitlines():
        header = re.match(r"[ *]*Clone Set: (\S+) ", line)
        one = re.match(
            r"[ *]*(\S+)\s+\(\S+\):\s+(?:(?:Started|FAILED|Promoted|Master|Unpromoted|Slave)\s+)+(\S+)", line
        )
        several = re.match(r"[ *]*(Promoted|Masters|Unpromoted|Slaves|Started): \[ (.*) \]", line)
        if header:
            clone = header[1]
        elif several and clone:
            names = set(several[2].split())
            running.setdefault(clone, set()).update(names)
            if several[1] in ("Promoted", "Masters"):
                promoted.setdefault(clone, set()).update(names)
        elif one:
            running.setdefault(one[1], set()).add(one[2])
    return running, promoted


def _complaint(ended: command.Result) -> str:
    lines = [line.strip() for line in (ended.stderr + "\n" + ended.stdout).splitlines() if line.strip()]
    told = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
    return str(ascii("; ".join(told)[:300]))[1:-1]
