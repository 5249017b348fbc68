# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker's scheduler would do with a configuration and the status of a cluster, by crm_simulate."""

from __future__ import annotations

from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

UNREADABLE = Reason(Failure, "crm_simulate: {error}", "try: crm_simulate --live-check")

# What interrupts a resource that runs. "recover" is a restart after a failure, "stop" may be in role Stopped.
INTERRUPTING = frozenset(("restart", "recover", "move", "migrate", "stop", "demote", "re-promote", "promote-recover"))


class Action:
    """What is done with a `resource`, a primitive: start, stop, restart, reload, move, promote, demote ... on a `node`,
    and why, as the scheduler says it.
    """

    __slots__ = ("node", "reason", "resource", "verb")

    def __init__(self, verb: str, resource: str, node: str, reason: str) -> None:
        self.verb = verb
        self.resource = resource
        self.node = node
        self.reason = reason

    @property
    def interrupts(self) -> bool:
        """Whether it interrupts what runs."""
        return self.verb in INTERRUPTING

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Action) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} on {self.node}"

    def _key(self) -> tuple[str, str, str]:
        return self.verb, self.resource, self.node


def of(file: str, deadline: Deadline) -> list[Action]:
    """Return what the cluster of a file with configuration and status would do. Raises Failure."""
    return _asked("--xml-file", file, deadline=deadline)


def left(deadline: Deadline) -> list[Action]:
    """Return what the running cluster has still to do. Raises Failure."""
    return _asked("--live-check", deadline=deadline)


def is_idle(deadline: Deadline) -> bool:
    """Whether the cluster has a coordinator that carries out nothing. What is left to do may be more."""
    found = command.run("crmadmin", "--dc_lookup", deadline=deadline, check=False)
    node = found.stdout.partition(" is: ")[2].split()
    if not found.ok or not node:
        return False
    # Pacemaker 2.0 takes the bare number as milliseconds, 2.1 as seconds; the deadline is the real limit.
    state = command.run("crmadmin", "--timeout", "5000", "--status", node[0], deadline=deadline, check=False)
    return "S_IDLE" in state.stdout


def _asked(*words: str, deadline: Deadline) -> list[Action]:
    # Imported only here: it takes longer than a monitor may.
    import xml.etree.ElementTree as ET

    asked = command.run("crm_simulate", *words, "--run", "--output-as=xml", deadline=deadline, check=False)
    try:
        tree = ET.fromstring(asked.stdout)  # noqa: S314  from the cluster's own program
    except ET.ParseError as error:
        raise UNREADABLE(error=asked.complaint or error) from None
    if not asked.ok:
        raise UNREADABLE(error=" ".join(each.text or "" for each in tree.iter("error")) or asked.complaint)
    found = [
        Action(
            each.get("action", ""),
            each.get("resource", "").partition(":")[0],
            each.get("source") or each.get("node") or each.get("dest") or "",
            each.get("reason", ""),
        )
        for each in tree.iter("rsc_action")
    ]
    fenced = [Action("fence", "", each.get("node", ""), each.get("reason", "")) for each in tree.iter("node_action")]
    return fenced + found
