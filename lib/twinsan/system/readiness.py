# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each node could hold a portal address: told by the node itself, beforehand, and read by the others.

It is a private attribute of the node, which the cluster forgets with the node: who is not there is not ready.
"""

from __future__ import annotations

from twinsan.system import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

READY = "ready"

# A daemon that was started anew has forgotten what it was told; and what others told is not asked for in each monitor.
_SECONDS_UNTIL_REPEATED = 60.0

# What an attribute's value may not hold (see cluster.set_node_attribute); a fault quotes what to type.
_PLAIN = str.maketrans("\"'<>&\\", "      ")


def attribute(place: str) -> str:
    """The name of the node attribute for a place: a portal address, with the network device where one is named."""
    return f"twinsan-portal-{place.replace(':', '-')}"


def tell(place: str, fault: str, deadline: Deadline) -> None:
    """Tell that this node could hold the address, or why not, where that has changed or is long ago."""
    text = fault.translate(_PLAIN).encode("ascii", "replace").decode() or READY
    path = _note("told", place)
    if rundir.told(path, _SECONDS_UNTIL_REPEATED) == text:
        return
    from twinsan.system import cluster

    # Forgotten first: if the cluster cannot be reached, the next monitor tries again.
    rundir.forget(path)
    cluster.set_node_attribute(attribute(place), text, deadline, private=True)
    rundir.write(path, text)


def seconds_since_fault(place: str) -> float:
    """How long ago this node told that it could not hold the address; 0 where it tells that it could, or nothing."""
    path = _note("told", place)
    told = rundir.told(path, _SECONDS_UNTIL_REPEATED)
    return 0.0 if told in (None, READY) else rundir.age(path)


def of_others(place: str, node: str, deadline: Deadline) -> dict[str, str]:
    """What the nodes but `node` told last: READY, or why they could not hold the address."""
    from twinsan.system import cluster

    told = cluster.get_node_attributes(attribute(place), deadline)
    return {name: text for name, text in sorted(told.items()) if name != node}


def fault_of_others(place: str, node: str, deadline: Deadline) -> str:
    """The node that could not hold the address, and why, as it was at most a minute ago; "" where none says so."""
    path = _note("others", place)
    known = rundir.told(path, _SECONDS_UNTIL_REPEATED)
    if known is None:
        told = of_others(place, node, deadline)
        known = "".join([f"{name}: {text}" for name, text in told.items() if text != READY][:1])
        rundir.write(path, known)
    return known


def _note(kind: str, place: str) -> str:
    return rundir.path(f"portal-{kind}-{place.replace(':', '-')}")
