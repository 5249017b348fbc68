# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each node could take a resource over: told by the node itself, beforehand, and read by the others.

It is a private attribute of the node, which the cluster forgets with the node: who is not there is not ready.
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

# A daemon that was started anew has forgotten what it was told; and what others told is not asked for in each monitor.
_SECONDS_UNTIL_REPEATED = 60.0

# What is not known now is left to the next monitor.
_SECONDS_TO_ASK = 2.0

# What an attribute's value may not hold (see attributes.set_node_attribute); a fault quotes what to type.
_PLAIN = str.maketrans("\"'<>&\\", "      ")


class Readiness:
    """What the nodes tell of `what`: "portal-" and an address, or "target-" and an iSCSI name.

    `node` is the name of this node; where it is "", nobody can be told, and no fault is known. `log` takes a line for
    each failure of the cluster: none fails an action.
    """

    def __init__(self, what: str, node: str, deadline: Deadline, log: Callable[[str], None]) -> None:
        self._what = what.replace(":", "-")
        self._node = node
        self._deadline = deadline
        self._log = log

    def tell(self, fault: str) -> None:
        """Tell the others why this node could not take over, or with "" that it could, where that has changed or was
        told more than 60 s ago. Takes 2 s at most.
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
        """How many seconds ago this node told that it could not take over; 0 where it tells that it could, or nothing,
        or told it more than 60 s ago.
        """
        note = self._publication.note
        return 0.0 if note.recent(_SECONDS_UNTIL_REPEATED) in (None, READY) else note.age()

    def ready_elsewhere(self) -> bool:
        """Whether another node tells that it could take over, and is in service; False where that is unknown."""
        from twinsan.cluster import members

        ready = {name for name, value in self._others().items() if value == READY}
        try:
            return bool(ready) and not ready.isdisjoint(members.in_service(self._deadline.within(_SECONDS_TO_ASK)))
        except Failure as failure:
            self._log(f"whether {' '.join(sorted(ready))} is in service is unknown: {failure}")
            return False

    def fault_elsewhere(self) -> str:
        """A node that could not take over, a colon, and why, as of the last 60 s; "" where none says so."""
        known = self._others_note.recent(_SECONDS_UNTIL_REPEATED) if self._node else ""
        if known is None:
            known = next((f"{name}: {value}" for name, value in self._others().items() if value != READY), "")
            self._others_note.replace(known)
        return known

    def _others(self) -> dict[str, str]:
        """What the nodes but this one told last; nothing where the cluster does not answer."""
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
        """The note of what the others told last."""
        return Published(f"{self._what}-others")
