# SPDX-License-Identifier: GPL-2.0-or-later
"""The limits of the disks below a DRBD resource on each node, and the fingerprint that a LUN on it would have there.

Each node publishes its own, for each volume, in a private node attribute. What this node knows of all nodes is in a
file in /run/twinsan, so that a monitor can compare without starting a program, and the start of a LUN need not ask the
cluster. The file is rewritten when something has changed here, and every few minutes. It may be removed at any time.
"""

from __future__ import annotations

import os

from twinsan.cluster.published import Published
from twinsan.disk import expected_fingerprint
from twinsan.host import device_limits, rundir
from twinsan.host.device_limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

# How long the file is current: what was published may get lost (by an operator's clean-up), and a peer may get another
# disk. The second value is for nodes that start together, which know nothing of each other at first.
_SECONDS = 300.0
_SECONDS_WITHOUT_PEER = 30.0

_PREFIX = "device-limits."

# The beginning of a word with the fields of a fingerprint. Versions that do not know it skip it.
_EXPECTED = "would."


class KnownLimits:
    """What this node knows of a DRBD resource. `minors` has the minor numbers here, by volume number. `published` has
    the text of each node, by node name. `age` is how old that is, in seconds.
    """

    def __init__(self, resource: str, minors: dict[int, int], published: dict[str, str], age: float = 0.0) -> None:
        self.resource = resource
        self.minors = minors
        self.published = published
        self.age = age

    @property
    def own(self) -> str:
        """The text of this node."""
        return self.published.get(os.uname().nodename, "")

    def peers(self, minor: int) -> dict[str, Limits]:
        """Return the limits of the disks of other nodes, by node name, for the volume that has the minor number `minor`
        here.
        """
        here = os.uname().nodename
        found = {node: self._of(text, minor) for node, text in self.published.items() if node != here}
        return {node: limits for node, limits in found.items() if limits is not None}

    def limits(self, minor: int) -> Limits | None:
        """Return the limits of the disk below a device of this node; None if it has no disk now."""
        return self._of(self.own, minor)

    def expected_fingerprints(self, minor: int) -> dict[str, dict[str, str]]:
        """Return the fields of the fingerprint that a LUN on the device `minor` of this node would have on other nodes,
        by node name.
        """
        here = os.uname().nodename
        words = [f"{_EXPECTED}{volume}:" for volume in self._volumes(minor)]
        texts = {node: text.split() for node, text in self.published.items() if node != here}
        return {
            node: dict(pair.partition("=")[::2] for pair in word.removeprefix(words[0]).split(","))
            for node, found in texts.items()
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
        """Whether the text of another node differs from that of this one."""
        return any(text != self.own for text in self.published.values())

    def is_current(self, *, alone: bool) -> bool:
        """Whether the cluster need not be asked again. `alone` is whether no peer is expected to have published."""
        complete = alone or any(node != os.uname().nodename for node in self.published)
        return 0 <= self.age < (_SECONDS if complete else _SECONDS_WITHOUT_PEER)


def share(resource: Resource, deadline: Deadline) -> KnownLimits:
    """Publish the limits of this node's disks, and return those of all nodes. Starts no program if nothing has changed
    and the file is current. Raises Failure if the cluster does not answer.
    """
    minors = {volume.number: volume.minor for volume in resource.volumes}
    own = " ".join(word for volume, minor in minors.items() for word in _words(volume, minor))
    known = load(resource.name)
    if known is not None and (known.own, known.minors) == (own, minors) and known.is_current(alone=resource.alone):
        return known
    # Forget the file first: if the cluster cannot be reached, the next monitor tries again.
    from twinsan.cluster import attributes

    _file(resource.name).forget()
    attributes.set_node_attribute(_attribute(resource.name), own, deadline, private=True)
    return _learn(resource.name, minors, own, deadline)


def load(resource: str) -> KnownLimits | None:
    """Read the file of a DRBD resource; None if there is none or it cannot be read."""
    try:
        file = _file(resource)
        age = file.age()
        first, *lines = (file.read() or "").splitlines() or [""]
        numbers = [word.partition("=")[::2] for word in first.split()]
        minors = {int(volume): int(minor) for volume, minor in numbers}
    except (OSError, ValueError):
        return None
    return KnownLimits(resource, minors, dict(line.partition(" ")[::2] for line in lines), age)


def expected_fingerprints(minor: int) -> dict[str, dict[str, str]]:
    """Return the fields of the fingerprint that a LUN on the DRBD device `minor` of this node would have on other
    nodes, by node name, as far as they are known.
    """
    return {node: fields for known in _all() for node, fields in known.expected_fingerprints(minor).items()}


def _learn(resource: str, minors: dict[int, int], own: str, deadline: Deadline) -> KnownLimits:
    from twinsan.cluster import attributes

    published = attributes.get_node_attributes(_attribute(resource), deadline)
    published[os.uname().nodename] = own
    lines = [" ".join(f"{volume}={minor}" for volume, minor in minors.items())]
    lines += [f"{node} {text}" for node, text in sorted(published.items())]
    _file(resource).replace("\n".join(lines) + "\n")
    return KnownLimits(resource, minors, published)


def _all() -> list[KnownLimits]:
    try:
        names = os.listdir(rundir.DIRECTORY)
    except FileNotFoundError:
        return []
    found = [load(name.removeprefix(_PREFIX)) for name in names if name.startswith(_PREFIX)]
    return [known for known in found if known is not None]


def _file(resource: str) -> Published:
    return Published(_PREFIX + resource)


def _attribute(resource: str) -> str:
    return f"twinsan-device-limits-{resource}"


def _words(volume: int, minor: int) -> list[str]:
    """Words such as ``0:logical_block_size=512,...`` and ``would.0:block_size=512,...``; none for a volume without a
    disk.
    """
    limits = device_limits.of_backing_device(minor)
    if limits is None:
        return []
    fields = ",".join(f"{name}={value}" for name, value in expected_fingerprint.fields(minor, limits).items())
    return [f"{volume}:{limits}", f"{_EXPECTED}{volume}:{fields}"]


def _parse(text: str) -> dict[int, Limits]:
    """The limits in a text of `_words`, by volume number. Words of another version are skipped."""
    found = {}
    for word in text.split():
        number, _, limits = word.partition(":")
        try:
            found[int(number)] = Limits.parse(limits)
        except (KeyError, ValueError):
            continue
    return found
