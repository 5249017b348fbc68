# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each node could take a resource over: told by the node itself, beforehand, and read by the others.

It is a private attribute of the node, which the cluster forgets with the node: who is not there is not ready.
"""

from __future__ import annotations

from twinsan import rundir
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

# What an attribute's value may not hold (see cluster.set_node_attribute); a fault quotes what to type.
_PLAIN = str.maketrans("\"'<>&\\", "      ")


class Readiness:
    """What the nodes tell of `what`: "portal-" and an address, or "target-" and a name. `node` is this one; "" where
    nobody can be told, and nothing is known.
    """

    def __init__(self, what: str, node: str, deadline: Deadline, log: Callable[[str], None]) -> None:
        self._what = what.replace(":", "-")
        self._node = node
        self._deadline = deadline
        self._log = log

    def tell(self, fault: str) -> None:
        """Tell that this node could take over, or why not, where that has changed or is long ago."""
        text = fault.translate(_PLAIN).encode("ascii", "replace").decode() or READY
        if not self._node or rundir.told(self._note("told"), _SECONDS_UNTIL_REPEATED) == text:
            return
        from twinsan.system import cluster

        # Forgotten first: if the cluster cannot be reached, the next monitor tries again.
        rundir.forget(self._note("told"))
        try:
            cluster.set_node_attribute(self._attribute, text, self._deadline.within(_SECONDS_TO_ASK), private=True)
            rundir.write(self._note("told"), text)
        except (Failure, OSError) as failure:
            self._log(f"the other node does not know whether this one could take over: {failure}")

    def seconds_since_fault(self) -> float:
        """How long ago this node told that it could not take over; 0 where it tells that it could, or nothing."""
        told = rundir.told(self._note("told"), _SECONDS_UNTIL_REPEATED)
        return 0.0 if told in (None, READY) else rundir.age(self._note("told"))

    def ready_elsewhere(self) -> bool:
        """Whether a node tells that it could take over, and is in service; what is unknown is no reason to leave."""
        from twinsan.system import cluster

        ready = {name for name, text in self._others().items() if text == READY}
        try:
            return bool(ready) and not ready.isdisjoint(
                cluster.nodes_in_service(self._deadline.within(_SECONDS_TO_ASK))
            )
        except Failure as failure:
            self._log(f"whether {' '.join(sorted(ready))} is in service is unknown: {failure}")
            return False

    def fault_elsewhere(self) -> str:
        """The node that could not take over, a colon, and why, as of the last minute; "" where none says so."""
        known = rundir.told(self._note("others"), _SECONDS_UNTIL_REPEATED) if self._node else ""
        if known is None:
            known = next((f"{name}: {text}" for name, text in self._others().items() if text != READY), "")
            rundir.write(self._note("others"), known)
        return known

    def _others(self) -> dict[str, str]:
        """What the nodes but this one told last."""
        from twinsan.system import cluster

        try:
            told = cluster.get_node_attributes(self._attribute, self._deadline.within(_SECONDS_TO_ASK))
        except (Failure, OSError) as failure:
            self._log(f"whether the other node could take over is unknown: {failure}")
            return {}
        return {name: text for name, text in sorted(told.items()) if name != self._node}

    @property
    def _attribute(self) -> str:
        return f"twinsan-{self._what}"

    def _note(self, kind: str) -> str:
        return rundir.path(f"{self._what}-{kind}")
