# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each node could take a resource over: published by the node itself, in advance, and read by the others.

It is a private attribute of the node. The cluster forgets it when it loses the node: an absent node is not ready.
"""

from __future__ import annotations

from twinsan.cluster.publication import Publication
from twinsan.cluster.published import Published
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

READY = "ready"

# The attribute is set again after this time, since a daemon that has been restarted has lost it. Those of the other
# nodes are read this often, and not in each monitor.
_SECONDS_UNTIL_REPEATED = 60.0

# How long the cluster may take to answer; without an answer, the next monitor tries again.
_SECONDS_TO_ASK = 2.0

# What an attribute's value may not hold (see attributes.set_node_attribute). A fault may, since it quotes a command.
_PLAIN = str.maketrans("\"'<>&\\", "      ")


class Readiness:
    """What the nodes publish about `what`: a portal ("portal-ADDRESS" or "portal-ADDRESS-NIC").

    `node` is the name of this node; with "" nothing is published, and no fault is known. `log` is called with a line
    for each failure of the cluster: none fails an action.
    """

    def __init__(self, what: str, node: str, deadline: Deadline, log: Callable[[str], None]) -> None:
        self._what = what.replace(":", "-")
        self._node = node
        self._deadline = deadline
        self._log = log

    def publish(self, fault: str) -> None:
        """Publish why this node could not take over, or with "" that it could, if that has changed or was published
        more than 60 s ago. Takes 2 s at most. Never raises Failure or OSError: they are logged.
        """
        if not self._node:
            return
        value = fault.translate(_PLAIN).encode("ascii", "replace").decode() or READY
        publication = self._publication
        try:
            publication.publish(value, self._deadline.within(_SECONDS_TO_ASK), _SECONDS_UNTIL_REPEATED)
        except (Failure, OSError) as failure:
            self._log(f"the other node does not know whether this one could take over: {failure}")

    def seconds_since_fault(self) -> float:
        """How many seconds ago this node published that it could not take over; 0 if it has published that it could, or
        nothing in the last 60 s.
        """
        note = self._publication.note
        return 0.0 if note.recent(_SECONDS_UNTIL_REPEATED) in (None, READY) else note.age()

    def ready_elsewhere(self) -> bool:
        """Whether another node publishes that it could take over, and is in service; False if that is unknown."""
        from twinsan.cluster import members

        ready = {name for name, value in self._others().items() if value == READY}
        try:
            return bool(ready) and not ready.isdisjoint(members.in_service(self._deadline.within(_SECONDS_TO_ASK)))
        except Failure as failure:
            self._log(f"whether {' '.join(sorted(ready))} is in service is unknown: {failure}")
            return False

    def fault_elsewhere(self) -> str:
        """Another node that could not take over, a colon, and why, as of the last 60 s; "" if there is none."""
        known = self._others_note.recent(_SECONDS_UNTIL_REPEATED) if self._node else ""
        if known is None:
            known = next((f"{name}: {value}" for name, value in self._others().items() if value != READY), "")
            self._others_note.replace(known)
        return known

    def _others(self) -> dict[str, str]:
        """What the other nodes published last, by their names; empty if the cluster does not answer."""
        from twinsan.cluster import attributes

        try:
            values = attributes.get_node_attributes(self._attribute, self._deadline.within(_SECONDS_TO_ASK))
        except (Failure, OSError) as failure:
            self._log(f"whether the other node could take over is unknown: {failure}")
            return {}
        return {name: value for name, value in sorted(values.items()) if name != self._node}

    @property
    def _attribute(self) -> str:
        return f"twinsan-{self._what}"

    @property
    def _publication(self) -> Publication:
        return Publication(self._attribute, f"{self._what}-told")

    @property
    def _others_note(self) -> Published:
        """The note of the fault that another node published last."""
        return Published(f"{self._what}-others")
