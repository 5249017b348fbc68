# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``crm_mon`` says: nodes, where each resource runs, failures, and who was fenced."""

from __future__ import annotations

import calendar
import time
import xml.etree.ElementTree as ET

from twinsan.cluster import values
from twinsan.errors import Failure, Reason
from twinsan.host import command
from twinsan.operate.facts import cluster_shape as shape
from twinsan.operate.facts.configuration import without_number

TYPE_CHECKING = False

# How much of crm_mon: what cibadmin does not say.
_INCLUDE = "--include=none,dc,nodes,resources,failures,fencing"
# From the first that holds; a node may be several.
_STATES = ("unclean", "pending", "standby", "standby_onfail", "maintenance", "shutdown")
_DEGRADED = (190, 191)

REFUSED = Reason(Failure, "crm_mon: {error}")
UNREADABLE = Reason(Failure, "crm_mon prints what is no XML: {error}", "try: crm_mon --one-shot")


def start_query() -> command.Started:
    """Start crm_mon, whose result `text` takes."""
    return command.start("crm_mon", "--one-shot", "--output-as=xml", "--inactive", _INCLUDE, "--fence-history=2")


def text(result: command.Result) -> str:
    """What crm_mon printed. Raises Failure if no cluster answers."""
    if not result.ok:
        raise REFUSED(error=_complaint(result))
    return result.stdout


def _complaint(result: command.Result) -> str:
    """What went wrong, from the XML that says it; the newest version has more in an element for each error."""
    try:
        status = ET.fromstring(result.stdout).find("status")  # noqa: S314
    except ET.ParseError:
        return result.complaint or "no message"
    errors = [(each.text or "").removeprefix("error: ") for each in status.iter("error")] if status is not None else []
    return "; ".join(errors) or (status.get("message", "") if status is not None else "no message")


class Overview:
    """What crm_mon printed. Raises Failure if that is no XML."""

    def __init__(self, text: str) -> None:
        try:
            self._root = ET.fromstring(text)  # noqa: S314  the cluster's own
        except ET.ParseError as error:
            raise UNREADABLE(error=error) from None

    @property
    def quorum(self) -> bool | None:
        """Whether this partition has quorum; None if there is no coordinator that says it."""
        coordinator = self._root.find("summary/current_dc")
        known = coordinator is not None and coordinator.get("with_quorum")
        return known == "true" if known else None

    def nodes(self) -> list[shape.Node]:
        """The nodes, in the order of crm_mon."""
        return [_node(each) for each in self._root.findall("nodes/node")]

    def instances(self) -> list[tuple[str, str, str, str | None, bool, bool]]:
        """(resource, agent, role, node, managed, failed) of each instance; the node is None for a stopped one."""
        found = []
        for each in self._root.iter("resource"):
            if each.get("resource_agent") is None:
                continue
            role = each.get("role", "Stopped")
            places: list[str | None] = [node.get("name") for node in each.findall("node")]
            head = (without_number(each.get("id", "")), each.get("resource_agent", ""), values.role(role))
            tail = (each.get("managed") != "false", each.get("failed") == "true")
            found += [(*head, place, *tail) for place in places or [None]]
        return found

    def failures(self) -> list[shape.Failure]:
        """The failed and degraded actions that the cluster has not forgotten."""
        return [_failure(each) for each in self._root.findall("failures/failure")]

    def fencings(self) -> tuple[shape.Fencing, ...] | None:
        """Who was fenced, the latest first; None if the fencer does not answer."""
        history = self._root.find("fence_history")
        if history is None:
            # It is left out if nobody was.
            return ()
        if history.get("status", "0") != "0":
            return None
        found = [_fencing(each) for each in history.findall("fence_event")]
        return tuple(sorted(found, key=lambda each: each.at or float("inf"), reverse=True))


def _node(element: ET.Element) -> shape.Node:
    state = next((each for each in _STATES if element.get(each) == "true"), "")
    if element.get("online") != "true" and state != "unclean":
        state = "offline"
    state = "standby" if state == "standby_onfail" else state or "online"
    return shape.Node(element.get("name", ""), state, element.get("is_dc") == "true")


def _failure(element: ET.Element) -> shape.Failure:
    # p_lun1_monitor_10000, in op_key; from an operation whose start is not known, in id.
    key = element.get("op_key", "") or element.get("id", "")
    resource, operation = [*key.rsplit("_", 2), "", ""][:2]
    code = element.get("exitcode", "")
    number = int(code) if code.isdecimal() else 1
    return shape.Failure(
        resource=without_number(resource),
        node=element.get("node", ""),
        operation=element.get("task") or operation,
        code=number,
        degraded=number in _DEGRADED,
        over=False,
        reason=element.get("exitreason", ""),
        at=moment(element.get("last-rc-change", "")),
    )


def _fencing(element: ET.Element) -> shape.Fencing:
    return shape.Fencing(
        node=element.get("target", ""),
        action=element.get("action", ""),
        status=element.get("status", ""),
        by=element.get("delegate", ""),
        at=moment(element.get("completed", "")),
    )


def moment(text: str) -> int | None:
    """A time as crm_mon writes it, in seconds since the epoch: ``2026-11-29 21:53:33Z``, ``... +02:00`` with or
    without parts of a second, or ``Sun Nov 29 21:53:33 2026`` by the local clock; None for anything else.
    """
    words = text.rstrip("Z").split()
    try:
        if len(words) == 5:
            return int(time.mktime(time.strptime(" ".join(words), "%a %b %d %H:%M:%S %Y")))
        if len(words) not in (2, 3):
            return None
        plain = calendar.timegm(time.strptime(f"{words[0]} {words[1].partition('.')[0]}", "%Y-%m-%d %H:%M:%S"))
        return plain - _offset(words[2]) if len(words) == 3 else plain
    except (ValueError, OverflowError):
        return None


def _offset(text: str) -> int:
    """Seconds east of Greenwich, of a text such as +02:00."""
    hours, _, minutes = text[1:].partition(":")
    seconds = int(hours) * 3600 + int(minutes or 0) * 60
    return -seconds if text.startswith("-") else seconds
