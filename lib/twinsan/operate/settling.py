# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait until the cluster has done all that it is going to do, and see what is not well then."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The exit status of crm_resource if the cluster does more (CRM_EX_TIMEOUT).
_WORKING = 124
_SECONDS_OF_A_ROUND = 3

UNREADABLE = Reason(Failure, "crm_mon: {error}")

FAILED = Reason(
    Failure, "{resource} on {node}: {why}", "when that is mended: crm_resource --cleanup --resource {resource}"
)
BLOCKED = Reason(Failure, "{resource} is blocked: the cluster cannot stop it", "see: crm_mon -1 and journalctl")
NOT_RUNNING = Reason(Failure, "{resource} does not run", "see: crm_resource --why --resource {resource}")
OFFLINE = Reason(Failure, "node {node} is not online", "see there: systemctl status pacemaker")


def wait(seconds: float, tell: Callable[[str], None]) -> str:
    """Wait until the cluster has settled, for at most `seconds`. Tells what takes long. Returns what it is still doing
    in the end, "" for nothing. Raises Failure if the cluster does not answer.
    """
    deadline, told = Deadline(seconds), ""
    while True:
        round_of = max(1, min(_SECONDS_OF_A_ROUND, int(deadline.remaining())))
        try:
            result = command.run(
                "crm_resource", "--wait", "--timeout", f"{round_of}s", deadline=Deadline(round_of + 30), check=False
            )
        except DeadlinePassed as passed:
            return str(passed)
        if result.ok:
            return ""
        if result.status != _WORKING:
            raise command.CommandFailed(result)
        doing = ", ".join(_pending(f"{result.stdout}\n{result.stderr}")) or "the cluster is busy"
        if deadline.expired():
            return doing
        if doing != told:
            tell(f"waiting for: {doing}")
        told = doing


def _pending(printed: str) -> Iterator[str]:
    """The actions that crm_resource lists, as in "Action 12: p_lun1_start_0 on atlas"."""
    for line in printed.splitlines():
        number, colon, action = line.strip().partition(": ")
        if colon and number.startswith("Action "):
            yield action.replace("\t", " ").strip()


def ailments(deadline: Deadline) -> list[str]:
    """Return what is not well with the cluster, each with what to type."""
    shown = command.run("crm_mon", "--one-shot", "--output-as=xml", "--inactive", deadline=deadline).stdout
    try:
        tree = ET.fromstring(shown)  # noqa: S314  from the cluster's own program
    except ET.ParseError as error:
        raise UNREADABLE(error=error) from None
    return list(dict.fromkeys(_found(tree)))


def _found(tree: ET.Element) -> Iterator[str]:
    for node in tree.findall("nodes/node"):
        if node.get("online") != "true":
            yield OFFLINE.text(node=node.get("name"))
    for failure in tree.findall("failures/failure"):
        resource, _, _ = failure.get("op_key", "").rpartition("_")
        resource = resource.rpartition("_")[0] or failure.get("op_key", "")
        why = failure.get("exitreason") or f"{failure.get('task')} ended with {failure.get('exitstatus')}"
        yield FAILED.text(resource=resource, node=failure.get("node"), why=why)
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
