# SPDX-License-Identifier: GPL-2.0-or-later
"""A portal address that came up: whether that was a failover, from which node, why, and how long nobody served."""

from __future__ import annotations

from twinsan.alert import report, status
from twinsan.alert.report import Report
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.alert.event import Event
    from twinsan.alert.memory import Memory
    from twinsan.alert.status import Status
    from twinsan.deadline import Deadline

# The agent's script looks for these: which resources are portal addresses and which are not, so that it starts nothing
# for the others, and when an address was stopped here.
PORTAL, OTHER, STOPPED = "portal", "other", "stopped"

# When an address was started here last.
_STARTED = "started"

# An address that comes up later than this was not moved, but started anew.
_LONGEST = 86400.0

FAILOVER = Reason(Failure, "{node} serves {address} ({resource}), {seconds:.0f} s after {other} stopped: {cause}")
RESTARTED = Reason(
    Failure,
    "{node} serves {address} ({resource}) again, {seconds:.0f} s after it stopped here",
    "see why: crm_mon -1rf",
)
SERVES = Reason(Failure, "{node} serves {address} ({resource})", "see: crm_mon -1")


def of(event: Event, memory: Memory, deadline: Deadline) -> Report | None:
    """Return the report of a start that succeeded; None if it is that of no portal address."""
    known = status.read(deadline)
    agent = known.agent(event.resource)
    if agent != "portal-ip":
        if agent:
            memory.write(OTHER, event.resource)
        return None
    memory.write(PORTAL, event.resource)
    stopped_here = memory.since(STOPPED, event.resource)
    started_here = memory.since(_STARTED, event.resource)
    memory.write(_STARTED, event.resource)
    other, ended, lost = _end_elsewhere(event, memory, known)
    values = {
        "node": event.node,
        "resource": event.resource,
        "address": known.parameter(event.resource, "ip") or "its address",
    }
    if ended > max(stopped_here, started_here) and event.moment - ended < _LONGEST:
        seconds = max(0.0, event.moment - ended)
        cause = status.LOST.text(node=other) if lost else known.cause(other, event.resource)
        line = FAILOVER.text(other=other, seconds=seconds, cause=cause, **values)
        facts = {"time": event.moment, "resource": event.resource, "from": other, "seconds": round(seconds, 1)}
        memory.add_failover({**facts, "lost": lost})
        return _report("failover", report.CRITICAL if lost else report.WARNING, line, event)
    if stopped_here > started_here:
        line = RESTARTED.text(seconds=max(0.0, event.moment - stopped_here), **values)
        return _report("restarted", report.WARNING, line, event)
    return _report("serves", report.NOTICE, SERVES.text(**values), event)


def _report(kind: str, severity: str, line: str, event: Event) -> Report:
    return Report(kind, severity, line, node=event.node, resource=event.resource)


def _end_elsewhere(event: Event, memory: Memory, known: Status) -> tuple[str, float, bool]:
    """The other node that served last, when it stopped, and whether the cluster had lost it then."""
    ends = [(moment, name, False) for name, moment in known.stops_elsewhere(event.node, event.resource).items()]
    ends += [(memory.loss(name), name, True) for name in known.nodes if name != event.node]
    moment, name, lost_then = max(ends, default=(0.0, "", False))
    return name, moment, lost_then
