# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster's configuration and status say of an event beyond what Pacemaker tells an alert agent: the reason,
the agent of a resource, when it stopped on another node, and why it had to move.
"""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from twinsan.cluster import cib, values
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.alert.event import Event
    from twinsan.deadline import Deadline

# The controller writes a result to the CIB and calls the agents at the same time.
_SECONDS_UNTIL_WRITTEN = 4.0

# The least that leaves the administrator's command its time, if the cluster does not answer.
_SECONDS_FOR_CIB = 4.0

# The clock of the executor, which dates a result, and that of the controller are one; but a date has no fractions.
_SECONDS_EARLIER = 2.0

# A failure that is older did not make a resource move now.
_SECONDS_OF_A_CAUSE = 600.0

# Results of an action that are no failure.
_WELL = frozenset(("0", "7", "8", "190", "191", "193"))

STANDBY = Reason(Failure, "{node} is in standby", "when it shall serve again: crm_standby --node {node} --delete")
MOVED = Reason(
    Failure,
    "the constraint {constraint} asks for it",
    "it stays until somebody types: crm_resource --clear --resource {resource}",
)
SHUTS_DOWN = Reason(Failure, "{node} shuts down", "see: crm_mon -1")
FAILED = Reason(Failure, "{resource} failed there ({reason})", "see: crm_mon -1rf")
LOST = Reason(Failure, "the cluster has lost {node}", "see why: its console, its BMC's log, and journalctl -b -1 there")
UNKNOWN = Reason(Failure, "the cluster chose so", "see why: journalctl -t pacemaker-schedulerd")


class Status:
    """The CIB of a moment. Without one, nothing is known."""

    def __init__(self, text: str = "<cib/>") -> None:
        try:
            self._cib = ET.fromstring(text)  # noqa: S314  the cluster's own
        except ET.ParseError:
            self._cib = ET.Element("cib")

    def agent(self, resource: str) -> str:
        """Return the agent of a resource, such as portal-ip, and "stonith" for a fence device; "" if unknown."""
        templates = {template.get("id"): template for template in self._cib.iter("template")}
        for primitive in self._cib.iter("primitive"):
            if primitive.get("id") == resource:
                source = templates.get(primitive.get("template"), primitive)
                return "stonith" if source.get("class") == "stonith" else source.get("type", "")
        return ""

    def parameter(self, resource: str, name: str) -> str:
        """Return the value of a resource's parameter; "" if it has none."""
        for primitive in self._cib.iter("primitive"):
            if primitive.get("id") == resource:
                for pair in primitive.findall("instance_attributes/nvpair"):
                    if pair.get("name") == name:
                        return pair.get("value", "")
        return ""

    def reason(self, event: Event) -> str | None:
        """Return the exit reason of the event's action, "" if it gave none; None if the result is not there yet."""
        for result in self._results(event.node, event.resource):
            same = result.get("operation", "") == event.task and result.get("rc-code") == str(event.code)
            if same and _moment(result) >= event.moment - _SECONDS_EARLIER - _seconds(result, "exec-time"):
                return result.get("exit-reason", "")
        return None

    def last_reason(self, event: Event) -> str:
        """Return the exit reason of the last such result, however old; "" if there is none."""
        found = [
            result
            for result in self._results(event.node, event.resource)
            if result.get("operation") == event.task and result.get("rc-code") == str(event.code)
        ]
        return max(found, key=_moment).get("exit-reason", "") if found else ""

    def stops_elsewhere(self, node: str, resource: str) -> dict[str, float]:
        """Return when other nodes stopped a resource, by their names, if that was the last they did with it."""
        found = {}
        for name in self.nodes:
            results = [each for each in self._results(name, resource) if each.get("operation") in ("start", "stop")]
            last = max(results, key=_moment) if results else None
            if name != node and last is not None and last.get("operation") == "stop":
                found[name] = _moment(last) + _seconds(last, "exec-time")
        return found

    def cause(self, node: str, resource: str) -> str:
        """Return why a resource left a node that has stopped it, with what to type."""
        attributes = self._attributes(node)
        if values.is_true(attributes.get("standby")):
            return STANDBY.text(node=node)
        if attributes.get("shutdown", "0") not in ("", "0"):
            return SHUTS_DOWN.text(node=node)
        failure = self._last_failure(node)
        if failure is not None:
            name, result = failure
            reason = result.get("exit-reason") or f"{result.get('operation')}: exit code {result.get('rc-code')}"
            return FAILED.text(resource=name, reason=reason.partition(";")[0])
        for constraint in self._cib.iter("rsc_location"):
            if _asks_to_leave(constraint, node):
                return MOVED.text(constraint=constraint.get("id"), resource=constraint.get("rsc", resource))
        return UNKNOWN.text()

    def leaves(self, node: str) -> bool:
        """Whether a node leaves the cluster because somebody asks for it."""
        states = [each for each in self._cib.iter("node_state") if each.get("uname") == node]
        asked = self._attributes(node).get("shutdown", "0") not in ("", "0")
        return asked or any(state.get("expected") == "down" for state in states)

    def _last_failure(self, node: str) -> tuple[str, ET.Element] | None:
        """The newest failure of an action on a node, with its resource, if it was in the last ten minutes."""
        found = []
        for history in self._histories(node):
            for result in history.findall("lrm_rsc_op"):
                failed = result.get("rc-code", "0") not in _WELL or result.get("op-status") not in ("0", "-1")
                if failed and time.time() - _moment(result) < _SECONDS_OF_A_CAUSE:
                    found.append((_moment(result), history.get("id", "?"), result))
        return max(found, key=lambda each: each[0])[1:] if found else None

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes that the cluster knows."""
        return [state.get("uname", "") for state in self._cib.iter("node_state")]

    def _histories(self, node: str) -> Iterator[ET.Element]:
        for state in self._cib.iter("node_state"):
            if state.get("uname") == node:
                yield from state.iter("lrm_resource")

    def _results(self, node: str, resource: str) -> list[ET.Element]:
        """The results of a resource's actions on a node."""
        return [
            result
            for history in self._histories(node)
            if history.get("id") == resource
            for result in history.findall("lrm_rsc_op")
        ]

    def _attributes(self, node: str) -> dict[str, str]:
        """The attributes of a node, those until its next start above the permanent ones."""
        found = {}
        places = [each for each in self._cib.iter("node") if each.get("uname") == node]
        places += [each for each in self._cib.iter("node_state") if each.get("uname") == node]
        for place in places:
            for pair in place.iter("nvpair"):
                found[pair.get("name", "")] = pair.get("value", "")
        return found


def read(deadline: Deadline) -> Status:
    """Return the present status; an empty one if the cluster does not answer soon."""
    try:
        return Status(cib.query(deadline.within(_SECONDS_FOR_CIB)))
    except (Failure, OSError):
        return Status()


def with_reason(event: Event, deadline: Deadline) -> tuple[Status, str]:
    """Return the status and the exit reason of the event's action, as soon as it is in the CIB."""
    patience = deadline.within(_SECONDS_UNTIL_WRITTEN)
    while True:
        status = read(deadline)
        reason = status.reason(event)
        if reason is not None:
            return status, reason
        if patience.expired():
            return status, status.last_reason(event)
        time.sleep(0.5)


def _asks_to_leave(constraint: ET.Element, node: str) -> bool:
    """Whether it is a constraint of crm_resource --move or --ban that keeps a resource from a node. One that ends by
    itself names its node in a rule.
    """
    name, named = constraint.get("id", ""), constraint.get("node")
    return (name.startswith("cli-ban-") and named in (node, None)) or (name.startswith("cli-prefer-") and named != node)


def _moment(result: ET.Element) -> float:
    """When a result was, in seconds since the epoch: of a recurring action, when it became what it is."""
    text = result.get("last-rc-change", "0")
    return float(text) if text.isdecimal() else 0.0


def _seconds(result: ET.Element, name: str) -> float:
    text = result.get(name, "0")
    return int(text) / 1000 if text.isdecimal() else 0.0
