# SPDX-License-Identifier: GPL-2.0-or-later
"""What the disks below a DRBD resource can do, on each node: told to the cluster, and noted here.

A node tells of its own disks in a private node attribute, volume by volume. What it knows of all nodes is in a file, so
that a monitor compares without a program, and the start of a LUN need not ask. The file is made anew when something has
changed here, and every few minutes. It may be removed at any time.
"""

from __future__ import annotations

import os

from twinsan.errors import Failure
from twinsan.system import cluster, device_limits, rundir
from twinsan.system.device_limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

# How long a note is good: what the cluster was told may get lost (an operator's clean-up), and
# a peer may get another disk. Nodes that start together know nothing of each other at first.
_SECONDS = 300.0
_SECONDS_WITHOUT_PEER = 30.0

_PREFIX = "device-limits."


class Note:
    """What is known of a resource: its volumes' minor numbers here, and for each node what it told."""

    def __init__(self, resource: str, minors: dict[int, int], told: dict[str, str], age: float = 0.0) -> None:
        self.resource = resource
        self.minors = minors
        self.told = told
        self.age = age

    @property
    def own(self) -> str:
        """What this node told."""
        return self.told.get(os.uname().nodename, "")

    def peers(self, minor: int) -> dict[str, Limits]:
        """What the disks of other nodes can do, by their names, for the volume of a device of this node."""
        here = os.uname().nodename
        found = {node: self._of(text, minor) for node, text in self.told.items() if node != here}
        return {node: limits for node, limits in found.items() if limits is not None}

    def limits(self, minor: int) -> Limits | None:
        """What the disk below a device of this node can do; None where it has none now."""
        return self._of(self.own, minor)

    def _of(self, text: str, minor: int) -> Limits | None:
        volumes = [volume for volume, own in self.minors.items() if own == minor]
        return _parse(text).get(volumes[0]) if volumes else None

    @property
    def unequal(self) -> bool:
        """Whether any node told anything else than this one."""
        return any(text != self.own for text in self.told.values())

    def good(self, *, alone: bool) -> bool:
        """Whether nobody has to be asked; `alone` says that no peer is expected to have told anything."""
        complete = alone or any(node != os.uname().nodename for node in self.told)
        return 0 <= self.age < (_SECONDS if complete else _SECONDS_WITHOUT_PEER)


def share(resource: Resource, deadline: Deadline) -> Note:
    """Tell the cluster what the disks of this node can do, and learn it of the others. Nothing is run where nothing has
    changed.
    """
    minors = {volume.number: volume.minor for volume in resource.volumes}
    own = _text({volume: device_limits.behind_drbd(minor) for volume, minor in minors.items()})
    note = noted(resource.name)
    if note is not None and (note.own, note.minors) == (own, minors) and note.good(alone=resource.alone):
        return note
    # Forgotten first: where the cluster cannot be reached, the next monitor tries again.
    rundir.forget(rundir.path(_PREFIX + resource.name))
    cluster.set_node_attribute(_attribute(resource.name), own, deadline, private=True)
    return _learn(resource.name, minors, own, deadline)


def noted(resource: str) -> Note | None:
    """What is noted of a resource."""
    try:
        path = rundir.path(_PREFIX + resource)
        age = rundir.age(path)
        with open(path, encoding="ascii") as file:
            first, *lines = file.read().splitlines() or [""]
        numbers = [word.partition("=")[::2] for word in first.split()]
        minors = {int(volume): int(minor) for volume, minor in numbers}
    except (OSError, ValueError):
        return None
    return Note(resource, minors, dict(line.partition(" ")[::2] for line in lines), age)


def unable_to_discard(path: str, deadline: Deadline) -> str:
    """Another node whose disk below `path` cannot discard, as far as is known; "" for none.

    The cluster is asked only where what is noted would be a reason to fail: it may be old.
    """
    for minor in device_limits.drbd_below(path):
        note = next((note for note in _all() if minor in note.minors.values()), None)
        if note is None or not _unable(note, minor):
            continue
        try:
            note = _learn(note.resource, note.minors, note.own, deadline)
        except Failure:
            pass
        node = _unable(note, minor)
        if node:
            return node
    return ""


def _unable(note: Note, minor: int) -> str:
    return next((node for node, limits in note.peers(minor).items() if not limits.discards), "")


def _learn(resource: str, minors: dict[int, int], own: str, deadline: Deadline) -> Note:
    told = cluster.get_node_attributes(_attribute(resource), deadline)
    told[os.uname().nodename] = own
    lines = [" ".join(f"{volume}={minor}" for volume, minor in minors.items())]
    lines += [f"{node} {text}" for node, text in sorted(told.items())]
    rundir.write(rundir.path(_PREFIX + resource), "\n".join(lines) + "\n")
    return Note(resource, minors, told)


def _all() -> list[Note]:
    try:
        names = os.listdir(rundir.DIRECTORY)
    except FileNotFoundError:
        return []
    notes = [noted(name.removeprefix(_PREFIX)) for name in names if name.startswith(_PREFIX)]
    return [note for note in notes if note is not None]


def _attribute(resource: str) -> str:
    return f"twinsan-device-limits-{resource}"


def _text(volumes: dict[int, Limits | None]) -> str:
    """Words such as ``0:logical_block_size=512,...``; a volume without a disk is left out."""
    return " ".join(f"{number}:{limits}" for number, limits in volumes.items() if limits is not None)


def _parse(text: str) -> dict[int, Limits]:
    """What `_text` gave; what is not understood, as of another version, is unknown."""
    found = {}
    for word in text.split():
        number, _, limits = word.partition(":")
        try:
            found[int(number)] = Limits.parse(limits)
        except (KeyError, ValueError):
            continue
    return found
