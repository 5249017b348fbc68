# SPDX-License-Identifier: GPL-2.0-or-later
"""Split brain: both replicas were written while they were not connected, and DRBD refuses to connect them.

DRBD's status shows StandAlone for it, but also for a connection that somebody took down. So it is detected by the
handler ``split-brain`` (``twinsan split-brain``), which DRBD calls on each node when it refuses to connect. DRBD does
not record times either, so the monitors note since when this node is Primary without its peer. Each node knows only its
own part, and publishes it in a private node attribute. If that fails, the other node's part is unknown.

The operator decides which changes are thrown away. Nothing here changes DRBD.
"""

from __future__ import annotations

import os
import time

from twinsan.errors import Degraded, Failure, Reason
from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

SPLIT_BRAIN = Reason(
    Degraded,
    "split brain of {resource}",
    "the victim types 'drbdadm disconnect {resource}; drbdadm secondary {resource}; drbdadm connect --discard-my-data "
    "{resource}', then the survivor 'drbdadm connect {resource}'; the victim's changes are thrown away. "
    "Found {when}: {parts}",
)
# On 8.4 `disconnect` fails if there is no connection.
SPLIT_BRAIN_8_4 = Reason(
    Degraded,
    "split brain of {resource}",
    "the victim types 'drbdadm secondary {resource}; drbdadm connect --discard-my-data {resource}', then the survivor "
    "'drbdadm connect {resource}'; the victim's changes are thrown away. Found {when}: {parts}",
)

# The cluster's attribute daemon answers at once or is in trouble.
_SECONDS_FOR_CLUSTER = 5.0


class Part:
    """What one node did while it was alone. It was Primary from `begin` to `end`, in seconds since the epoch. `begin`
    is 0 if unknown; `end` is 0 if `begin` is, or if the node is still Primary. `kibibytes` is the amount that changed
    there; None if unknown.
    """

    def __init__(self, begin: int, end: int, kibibytes: int | None) -> None:
        self.begin = begin
        self.end = end
        self.kibibytes = kibibytes

    def __str__(self) -> str:
        return f"{self.begin} {self.end} {'?' if self.kibibytes is None else self.kibibytes}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part whose `str` is `text`. Raises ValueError for any other text."""
        begin, end, kibibytes = text.split()
        return cls(int(begin), int(end), None if kibibytes == "?" else int(kibibytes))

    def describe(self, node: str) -> str:
        """Return the part in words, with `node` as the name of its node."""
        changed = "an unknown amount" if self.kibibytes is None else f"{self.kibibytes} KiB"
        if not self.begin:
            return f"{node} changed {changed}, when is unknown"
        until = f"was Primary alone from {_clock(self.begin)} to {_clock(self.end)}"
        still = f"is Primary alone since {_clock(self.begin)}"
        return f"{node} {until if self.end else still} and changed {changed}"


def found_note(name: str) -> Note:
    """Return the note that exists from when DRBD found the split brain until the replicas are equal again."""
    return Note(f"split-brain.{name}")


def _alone_note(name: str) -> Note:
    """The note that holds since when this node is Primary without its peer. Its modification time is until when."""
    return Note(f"primary-alone.{name}")


def record(name: str) -> None:
    """Note when DRBD found a split brain. It finds it again at each attempt to connect; the first time is kept."""
    found_note(name).create(str(int(time.time())))


def note_primary_alone(resource: Resource) -> None:
    """Note since when, and until when, this node is Primary without its peer, in case of a split brain."""
    note = _alone_note(resource.name)
    if not (resource.primary and resource.alone):
        return
    if not note.create(str(int(time.time()))):
        note.touch()


def forget(resource: Resource, deadline: Deadline) -> None:
    """Once the replicas are equal again, remove the notes, and the node attribute if a split brain had been found.
    Raises Failure if the cluster cannot be reached. If nothing was noted, the cost is a few system calls.
    """
    if not resource.in_sync:
        return
    healed = found_note(resource.name).exists()
    _alone_note(resource.name).forget()
    found_note(resource.name).forget()
    if healed:
        _publish(resource.name, "", deadline)


def is_unresolved(resource: Resource) -> bool:
    """Whether DRBD has found a split brain of the resource, and it is not healed."""
    return resource.alone and found_note(resource.name).exists()


def ailment(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> str:
    """Return the reason for an unresolved split brain, with what is known of both nodes' parts. Publishes this node's
    part. If the cluster cannot be reached, `note` is called with why.
    """
    here = os.uname().nodename
    own = _own_part(resource)
    try:
        _publish(resource.name, str(own), deadline)
        parts = {node: part for node, part in _published(resource.name, deadline).items() if node != here}
    except Failure as failure:
        note(f"this node and its peer cannot tell each other of the split brain: {failure}")
        parts = {}
    others = [part.describe(node) for node, part in parts.items()] or ["what the other node changed is unknown here"]
    when = _clock(_moment(found_note(resource.name)))
    reason = SPLIT_BRAIN_8_4 if resource.speaks_8_4 else SPLIT_BRAIN
    return reason.text(resource=resource.name, when=when, parts="; ".join([own.describe(here), *others]))


def _own_part(resource: Resource) -> Part:
    note = _alone_note(resource.name)
    begin = _moment(note)
    still = resource.primary or not begin
    replicas = [replica for connection in resource.connections for replica in connection.volumes]
    amounts = [replica.out_of_sync for replica in replicas if replica.out_of_sync is not None]
    return Part(begin, 0 if still else int(note.modified()), sum(amounts) if amounts else None)


def _moment(note: Note) -> int:
    """The time that a note holds; 0 if it holds none."""
    try:
        return int(note.read() or 0)
    except ValueError:
        return 0


def _clock(moment: int) -> str:
    """A time as HH:MM:SS; with the date if it is not today."""
    if not moment:
        return "at an unknown time"
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def _attribute(name: str) -> str:
    return f"twinsan-split-brain-{name}"


def _publish(name: str, text: str, deadline: Deadline) -> None:
    from twinsan.cluster import attributes

    attributes.set_node_attribute(_attribute(name), text, deadline.within(_SECONDS_FOR_CLUSTER), private=True)


def _published(name: str, deadline: Deadline) -> dict[str, Part]:
    from twinsan.cluster import attributes

    found = {}
    for node, text in attributes.get_node_attributes(_attribute(name), deadline.within(_SECONDS_FOR_CLUSTER)).items():
        try:
            found[node] = Part.parse(text)
        except ValueError:
            # From another version.
            continue
    return found
