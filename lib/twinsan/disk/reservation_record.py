# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster knows of the persistent reservations of a LUN: a private attribute of every node.

Without a state volume the attribute holds the reservations themselves. With one it only says whether the LUN is
reserved, because a node that cannot read the volume has to know that. It must not be taken for the reservations later.
"""

from __future__ import annotations

import time

from twinsan.cluster import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# The text instead of the reservations if they are in the state volume: whether there are any.
RESERVED = "reserved, in the state volume"
UNRESERVED = "not reserved, by the state volume"


class Record:
    """`time` is when it was published, in seconds since the epoch by the clock of the publishing node. `text` has the
    reservations as the kernel writes them, or is one of the two texts above.
    """

    __slots__ = ("text", "time")

    def __init__(self, time: float, text: str) -> None:
        self.time = time
        self.text = text

    @property
    def in_volume(self) -> bool:
        """Whether the reservations, if any, are in the state volume."""
        return self.text in (RESERVED, UNRESERVED)


def attribute(serial: str) -> str:
    """Return the name of the node attribute of the LUN with this unit serial."""
    return f"twinsan-reservations-{serial}"


def summary(*, reserved: bool) -> str:
    """Return the text that is published for reservations in the state volume."""
    return RESERVED if reserved else UNRESERVED


def read(serial: str, deadline: Deadline) -> Record | None:
    """Return the latest record; None if no node has one. Raises Failure if the cluster does not answer."""
    records = [_parse(value) for value in attributes.get_node_attributes(attribute(serial), deadline).values()]
    # The attributes of the nodes are set one after the other, so they may differ.
    return max(records, key=lambda record: record.time, default=None)


def publish(serial: str, text: str, deadline: Deadline) -> None:
    """Set the attribute of every node. Raises Failure if the cluster does not accept it."""
    attributes.set_on_every_node(attribute(serial), f"{time.time():.3f};" + text.replace("\n", ";"), deadline)


def _parse(value: str) -> Record:
    seconds, _, text = value.partition(";")
    try:
        return Record(float(seconds), text.replace(";", "\n"))
    except ValueError:
        return Record(0.0, "")
