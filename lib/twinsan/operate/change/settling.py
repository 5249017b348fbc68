# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait until the cluster has done all that it is going to do, and see what is not well then."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from twinsan.cluster import plan
from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.host import command
from twinsan.operate.facts import cluster, configuration, overview

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from twinsan.operate.facts.cluster_shape import Failure as Failed

_SECONDS_TO_ANSWER = 60.0
_SECONDS_BETWEEN = 0.5
_SECONDS_IN_SILENCE = 2.0
_MOST_SHOWN = 6

UNREADABLE = Reason(Failure, "crm_mon: {error}")

FAILED = Reason(
    Failure, "{resource} on {node}: {why}", "when that is mended: crm_resource --cleanup --resource {resource}"
)
DEGRADED = Reason(Failure, "{resource} on {node}: {why}", "when that is mended, its next monitor finds it well")
BLOCKED = Reason(Failure, "{resource} is blocked: the cluster cannot stop it", "see: crm_mon -1 and journalctl")
NOT_RUNNING = Reason(Failure, "{resource} does not run", "see: crm_resource --why --resource {resource}")
OFFLINE = Reason(Failure, "node {node} is not online", "see there: systemctl status pacemaker")


def wait(seconds: float, tell: Callable[[str], None]) -> str:
    """Wait until the cluster has settled, for at most `seconds`. Tells what takes more than two seconds. Returns what
    it is still doing in the end, "" for nothing. Raises Failure if the cluster does not answer.
    """
    deadline, told = Deadline(seconds), ""
    begun = time.monotonic()
    while True:
        doing = _doing()
        if not doing or deadline.expired():
            return doing
        if doing != told and time.monotonic() > begun + _SECONDS_IN_SILENCE:
            tell(f"waiting for the cluster: {doing}")
            told = doing
        time.sleep(_SECONDS_BETWEEN)


def _doing() -> str:
    """What the cluster does now, or has still to do. `crm_resource --wait` asks the same; with Pacemaker 3.0.0 it does
    not end if a monitor was cancelled before its first result, and its resource moved.
    """
    idle = plan.is_idle(Deadline(_SECONDS_TO_ANSWER))
    left = plan.left(Deadline(_SECONDS_TO_ANSWER))
    if left:
        shown = ", ".join(map(str, left[:_MOST_SHOWN]))
        return shown if len(left) <= _MOST_SHOWN else f"{shown} and {len(left) - _MOST_SHOWN} more"
    return "" if idle else "the coordinator is busy"


def ailments(deadline: Deadline, mended: Collection[str] = ()) -> list[str]:
    """Return what is not well with the cluster, each with what to type. Raises Failure if the cluster does not answer.

    The cluster remembers a failure until failure-timeout has passed. It is none any more if the resource was `mended`,
    or if it was degraded, and its monitor has found it well since.
    """
    shown = command.run("crm_mon", "--one-shot", "--output-as=xml", "--inactive", deadline=deadline).stdout
    try:
        tree = ET.fromstring(shown)  # noqa: S314  from the cluster's own program
    except ET.ParseError as error:
        raise UNREADABLE(error=error) from None
    cib = configuration.Configuration(command.run("cibadmin", "--query", deadline=deadline).stdout)
    remembered = cluster.failures(cib, overview.Overview(shown), time.time())
    return list(dict.fromkeys(_found(tree, remembered, mended)))


def _found(tree: ET.Element, remembered: Iterable[Failed], mended: Collection[str]) -> Iterator[str]:
    for node in tree.findall("nodes/node"):
        if node.get("online") != "true":
            yield OFFLINE.text(node=node.get("name"))
    for failure, shown in zip(remembered, tree.iterfind("failures/failure")):
        if failure.resource in mended or (failure.over and failure.degraded):
            continue
        why = failure.reason or f"{failure.operation} ended with {shown.get('exitstatus')}"
        reason = DEGRADED if failure.degraded else FAILED
        yield reason.text(resource=failure.resource, node=failure.node, why=why)
    for each in tree.iter("resource"):
        name = each.get("id", "")
        if each.get("blocked") == "true":
            yield BLOCKED.text(resource=name)
        elif each.get("role") == "Stopped" and _wanted(each):
            yield NOT_RUNNING.text(resource=name)


def _wanted(resource: ET.Element) -> bool:
    """Whether the cluster would run a resource if it could."""
    left = resource.get("managed") != "true" or resource.get("orphaned") == "true"
    return not left and resource.get("target_role") != "Stopped"
