# SPDX-License-Identifier: GPL-2.0-or-later
"""What the disks below a DRBD resource can do, and what a LUN of it would be, on each node: told to the cluster, and
noted here.

A node tells of its own disks in a private node attribute, volume by volume. What it knows of all nodes is in a file, so
that a monitor compares without a program, and the start of a LUN need not ask. The file is made anew when something has
changed here, and every few minutes. It may be removed at any time.
"""

from __future__ import annotations

import os

from twinsan import rundir
from twinsan.system import device_limits, prospect
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

# How the words begin that say what a LUN would be, which no version knows that does not look for it.
_PROSPECT = "would."


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

    def prospects(self, minor: int) -> dict[str, dict[str, str]]:
        """What a LUN of a device of this node would be on others, by their names: fields of its fingerprint."""
        here = os.uname().nodename
        words = [f"{_PROSPECT}{volume}:" for volume in self._volumes(minor)]
        told = {node: text.split() for node, text in self.told.items() if node != here}
        return {
            node: dict(pair.partition("=")[::2] for pair in word.removeprefix(words[0]).split(","))
            for node, found in told.items()
            for word in found
            if words and word.startswith(words[0])
        }

    def _of(self, text: str, minor: int) -> Limits | None:
        volumes = self._volumes(minor)
        return _parse(text).get(volumes[0]) if volumes else None

    def _volumes(self, minor: int) -> list[int]:
        return [volume for volume, own in self.minors.items() if own == minor]

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
    own = " ".join(word for volume, minor in minors.items() for word in _words(volume, minor))
    note = noted(resource.name)
    if note is not None and (note.own, note.minors) == (own, minors) and note.good(alone=resource.alone):
        return note
    # Forgotten first: where the cluster cannot be reached, the next monitor tries again.
    from twinsan.system import cluster

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


def prospects(minor: int) -> dict[str, dict[str, str]]:
    """What a LUN of a DRBD device of this node would be on others, by their names, as far as it is noted."""
    return {node: fields for note in _all() for node, fields in note.prospects(minor).items()}


def _learn(resource: str, minors: dict[int, int], own: str, deadline: Deadline) -> Note:
    from twinsan.system import cluster

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


def _words(volume: int, minor: int) -> list[str]:
    """Words such as ``0:logical_block_size=512,...`` and ``would.0:block_size=512,...``; none of a volume without a
    disk.
    """
    limits = device_limits.behind_drbd(minor)
    if limits is None:
        return []
    fields = ",".join(f"{name}={value}" for name, value in prospect.of(minor, limits).items())
    return [f"{volume}:{limits}", f"{_PROSPECT}{volume}:{fields}"]


def _parse(text: str) -> dict[int, Limits]:
    """The limits that `_words` gave; what is not understood, as of another version, is unknown."""
    found = {}
    for word in text.split():
        number, _, limits = word.partition(":")
        try:
            found[int(number)] = Limits.parse(limits)
        except (KeyError, ValueError):
            continue
    return found
