# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert agent: decides what an event of the cluster means for an operator, and reports it once."""

from __future__ import annotations

import re
import time

from twinsan.alert import failover, kinds, report, status
from twinsan.alert.event import FENCING, NODE, RESOURCE
from twinsan.alert.report import Report
from twinsan.errors import Failure, Reason
from twinsan.host import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.alert.event import Event
    from twinsan.alert.memory import Memory
    from twinsan.deadline import Deadline

# What is remembered: fencing that does not succeed, which is tried again and again, and what is wrong with a resource.
FENCING_NOTE, PROBLEM = "fencing", "problem"

# A degraded monitor answers "well" now and then, so that the cluster shows its present reason (see
# ocf.reason_display). It is well if it has not said otherwise after two more of its intervals, and this time.
_SECONDS_UNTIL_WELL = 10.0

# The executor cuts a reason after 128 characters.
_CUT = 127
LOG = "all of it: journalctl -t '{agent}({resource})'"

NODE_LOST = Reason(Failure, "the cluster has lost {node}", "see: crm_mon -1, and the console of {node}")
NODE_LEFT = Reason(Failure, "{node} was shut down and has left the cluster", "see what runs: crm_mon -1")
NODE_BACK = Reason(Failure, "{node} is back in the cluster", "see what is left to do: crm_mon -1rf")
FENCED = Reason(Failure, "{node} was fenced: {said}", "see why: journalctl -t pacemaker-fenced")
NOT_FENCED = Reason(
    Failure,
    "{node} could not be fenced: {said}",
    "nothing of it starts elsewhere until then: look at its BMC; if it is off for sure: stonith_admin --confirm={node}",
)
TROUBLE = Reason(Failure, "{resource} on {node}: {reason}")
FAILED = Reason(Failure, "{resource} on {node}: {task} failed ({reason})", "see: crm_mon -1rf")
FENCE_DEVICE = Reason(
    Failure,
    "the fence device {resource} does not work on {node} ({reason}), so nobody could take over from the node it is for",
    "look at its BMC, network and password; then: crm_resource --cleanup --resource {resource}",
)
WELL = Reason(Failure, "{resource} on {node} is well again")


def reports(event: Event, memory: Memory, deadline: Deadline) -> list[Report]:
    """Return what there is to report of an event."""
    if event.kind == NODE:
        found = _node(event, memory, deadline)
    elif event.kind == FENCING:
        found = _fencing(event, memory)
    elif event.kind == RESOURCE and not event.says_nothing:
        found = _resource(event, memory, deadline)
    else:
        found = None
    return [found] if found else []


def _node(event: Event, memory: Memory, deadline: Deadline) -> Report | None:
    node = event.node
    if event.description == "lost":
        memory.note_loss(node, event.moment)
        if status.read(deadline).leaves(node):
            return Report("node-left", report.WARNING, NODE_LEFT.text(node=node), node=node)
        return Report("node-lost", report.CRITICAL, NODE_LOST.text(node=node), node=node)
    if not memory.note_return(node):
        return None
    return Report("node-back", report.NOTICE, NODE_BACK.text(node=node), node=node)


def _fencing(event: Event, memory: Memory) -> Report | None:
    # The reference is another one for each attempt. The task is the word of the fencer's protocol, st_notify_fence.
    said = event.description.partition(" (ref=")[0] or f"exit code {event.code}"
    if not event.code:
        memory.forget(FENCING_NOTE, event.node)
        line = FENCED.text(node=event.node, said=said)
        return Report("fencing", report.CRITICAL, line, node=event.node)
    if not memory.is_new(FENCING_NOTE, event.node, str(event.code)):
        return None
    line = NOT_FENCED.text(node=event.node, said=said)
    return Report("fencing-failed", report.CRITICAL, line, node=event.node)


def _resource(event: Event, memory: Memory, deadline: Deadline) -> Report | None:
    if not event.as_expected:
        return _trouble(event, memory, deadline)
    if event.task == "start":
        return failover.of(event, memory, deadline)
    return None


def _trouble(event: Event, memory: Memory, deadline: Deadline) -> Report | None:
    known, given = status.with_reason(event, deadline)
    agent, reason = known.agent(event.resource), given or event.description or f"exit code {event.code}"
    whole = reason if len(given) < _CUT else f"{reason}... ({LOG.format(agent=agent, resource=event.resource)})"
    names = {"resource": event.resource, "node": event.node, "reason": whole, "task": event.task}
    if event.degraded:
        kind, severity, line = kinds.of(reason), report.WARNING, TROUBLE.text(**names)
    elif agent == "stonith":
        kind, severity, line = kinds.NOT_READY, report.WARNING, FENCE_DEVICE.text(**names)
    else:
        kind, severity, line = kinds.FAILED, report.CRITICAL, FAILED.text(**names)
    if kind == kinds.SPLIT_BRAIN:
        severity = report.CRITICAL
    if not memory.is_new(PROBLEM, event.resource, f"{event.interval:g} {_constant(kind, reason)}"):
        return None
    return Report(kind, severity, line, node=event.node, resource=event.resource)


def _constant(kind: str, reason: str) -> str:
    """What stays the same while a trouble lasts: not the figures of its progress."""
    return f"{kind} {re.sub('[0-9]+', '#', reason.partition(';')[0])}"


def confirm_recovery(event: Event, memory: Memory, send: Callable[[Report], object]) -> bool:
    """If a monitor is well that was not before, wait in the background whether it stays so, and report it then. Returns
    whether something is waited for.
    """
    noted = memory.read(PROBLEM, event.resource)
    if noted is None or event.kind != RESOURCE or event.task != "monitor" or not event.as_expected:
        return False
    words = noted.split(" ", 2)
    same_monitor = len(words) == 3 and words[1] in (f"{event.interval:g}", "0")
    before = memory.since(PROBLEM, event.resource)

    def wait() -> None:
        time.sleep(2 * event.interval + _SECONDS_UNTIL_WELL)
        if memory.since(PROBLEM, event.resource) == before:
            memory.forget(PROBLEM, event.resource)
            if same_monitor:
                line = WELL.text(resource=event.resource, node=event.node)
                send(Report("well", report.NOTICE, line, node=event.node, resource=event.resource))

    child.run_detached(wait)
    return True
