# SPDX-License-Identifier: GPL-2.0-or-later
"""Split brain: both replicas were written while they did not see each other, and DRBD refuses to connect them.

Its status does not tell a split brain from a connection that somebody took down: both are StandAlone. What tells it is
the handler ``split-brain``, which DRBD calls on each node as it refuses (``twinsan split-brain``). Nor does DRBD keep
the time, so the monitors note since when this node is Primary without its peer. Each node knows its own part only; it
tells the other by a private node attribute, and where it cannot, the other's part is unknown.

Which changes are thrown away is for the operator to decide. Nothing here changes DRBD.
"""

from __future__ import annotations

import os
import time

from twinsan import rundir
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

# The cluster's attribute daemon answers at once or is in trouble.
_SECONDS_TO_TELL = 5.0


class Part:
    """What one node did while it was alone: it was Primary from `begin` to `end` (0: unknown, and still), and
    `kibibytes` have changed there since (None: unknown).
    """

    def __init__(self, begin: int, end: int, kibibytes: int | None) -> None:
        self.begin = begin
        self.end = end
        self.kibibytes = kibibytes

    def __str__(self) -> str:
        return f"{self.begin} {self.end} {'?' if self.kibibytes is None else self.kibibytes}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """The part from the text of a node attribute. Raises ValueError for what is none."""
        begin, end, kibibytes = text.split()
        return cls(int(begin), int(end), None if kibibytes == "?" else int(kibibytes))

    def of(self, node: str) -> str:
        """The part in words."""
        changed = "an unknown amount" if self.kibibytes is None else f"{self.kibibytes} KiB"
        if not self.begin:
            return f"{node} changed {changed}, when is unknown"
        until = f"was Primary alone from {_clock(self.begin)} to {_clock(self.end)}"
        still = f"is Primary alone since {_clock(self.begin)}"
        return f"{node} {until if self.end else still} and changed {changed}"


def marker(name: str) -> str:
    """The path of a file that is there from the moment when DRBD found the split brain until the replicas are equal."""
    return rundir.path(f"split-brain.{name}")


def _alone_file(name: str) -> str:
    """The path of a file that holds since when this node is Primary without its peer; its own time says until when."""
    return rundir.path(f"primary-alone.{name}")


def record(name: str) -> None:
    """Note that DRBD has found a split brain. It finds it again at each attempt to connect: the first one counts."""
    rundir.write_first(marker(name), str(int(time.time())))


def watch(resource: Resource) -> None:
    """Note what of the state will be needed, should it be the beginning of a split brain."""
    path = _alone_file(resource.name)
    if not (resource.primary and resource.alone):
        return
    if not rundir.write_first(path, str(int(time.time()))):
        os.utime(path)


def forget(resource: Resource, deadline: Deadline) -> None:
    """Forget all once the replicas are equal again. Where nothing was noted, it costs two looks at a folder."""
    if not resource.in_sync:
        return
    healed = os.path.exists(marker(resource.name))
    for path in filter(os.path.exists, (_alone_file(resource.name), marker(resource.name))):
        os.unlink(path)
    if healed:
        _tell(resource.name, "", deadline)


def found(resource: Resource) -> bool:
    """Whether DRBD has found a split brain that is not healed."""
    return resource.alone and os.path.exists(marker(resource.name))


def ailment(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> str:
    """What is known of a split brain, and what to type; the other node is told this node's part."""
    here = os.uname().nodename
    own = _own_part(resource)
    try:
        _tell(resource.name, str(own), deadline)
        parts = {node: part for node, part in _told(resource.name, deadline).items() if node != here}
    except Failure as failure:
        note(f"this node and its peer cannot tell each other of the split brain: {failure}")
        parts = {}
    others = [part.of(node) for node, part in parts.items()] or ["what the other node changed is unknown here"]
    when = _clock(_first_line(marker(resource.name)))
    return (
        f"split brain of {resource.name}; the victim types '{discarding(resource)}', "
        f"then the survivor '{keeping(resource)}'; the victim's changes are thrown away. "
        f"Found {when}: {'; '.join([own.of(here), *others])}"
    )


def discarding(resource: Resource) -> str:
    """The commands for the victim, the node whose changes are to be thrown away. 8.4 takes it amiss if a connection is
    taken down that is none.
    """
    name = resource.name
    undo = "" if resource.speaks_8_4 else f"drbdadm disconnect {name}; "
    return f"{undo}drbdadm secondary {name}; drbdadm connect --discard-my-data {name}"


def keeping(resource: Resource) -> str:
    """The command for the survivor, the other node."""
    return f"drbdadm connect {resource.name}"


def _own_part(resource: Resource) -> Part:
    path = _alone_file(resource.name)
    begin = _first_line(path)
    still = resource.primary or not begin
    replicas = [replica for connection in resource.connections for replica in connection.volumes]
    amounts = [replica.out_of_sync for replica in replicas if replica.out_of_sync is not None]
    return Part(begin, 0 if still else int(os.stat(path).st_mtime), sum(amounts) if amounts else None)


def _first_line(path: str) -> int:
    """The time that a file holds; 0 where there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.readline())
    except (OSError, ValueError):
        return 0


def _clock(moment: int) -> str:
    """A time of today, or of another day with its date."""
    if not moment:
        return "at an unknown time"
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def _attribute(name: str) -> str:
    return f"twinsan-split-brain-{name}"


def _tell(name: str, text: str, deadline: Deadline) -> None:
    from twinsan.system import cluster

    cluster.set_node_attribute(_attribute(name), text, deadline.within(_SECONDS_TO_TELL), private=True)


def _told(name: str, deadline: Deadline) -> dict[str, Part]:
    from twinsan.system import cluster

    found = {}
    for node, text in cluster.get_node_attributes(_attribute(name), deadline.within(_SECONDS_TO_TELL)).items():
        try:
            found[node] = Part.parse(text)
        except ValueError:
            # From another version.
            continue
    return found
