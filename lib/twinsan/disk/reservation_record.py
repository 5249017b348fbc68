# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster knows of the persistent reservations of a LUN: a private attribute of every node.

Without a state volume the attribute holds the reservations themselves. With one it only says whether the LUN is
reserved: a node that cannot read the volume has to know that, and nothing there may be taken for a reservation later.
"""

from __future__ import annotations

import time

from twinsan.cluster import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# In the place of the reservations, where they are in the state volume: whether there are any.
RESERVED = "reserved, in the state volume"
UNRESERVED = "not reserved, by the state volume"


class Record:
    """`time` is when it was published, in seconds since the epoch by the clock of the node that did. `text` are the
    reservations as the kernel writes them, or one of the two texts above.
    """

    __slots__ = ("text", "time")

    def __init__(self, time: float, text: str) -> None:
        self.time = time
        self.text = text

    @property
    def in_volume(self) -> bool:
        """Whether the reservations are in the state volume, if there are any."""
        return self.text in (RESERVED, UNRESERVED)


def attribute(serial: str) -> str:
    """Return the name of the node attribute of the LUN with this unit serial."""
    return f"twinsan-reservations-{serial}"


def summary(*, reserved: bool) -> str:
    """Return the text that stands for reservations which are in the state volume."""
    return RESERVED if reserved else UNRESERVED


def read(serial: str, deadline: Deadline) -> Record | None:
    """Return the latest record; None where no node has one. Raises Failure where the cluster does not answer."""
    records = [_parse(value) for value in attributes.get_node_attributes(attribute(serial), deadline).values()]
    # The nodes were told one after the other.
    return max(records, key=lambda record: record.time, default=None)


def publish(serial: str, text: str, deadline: Deadline) -> None:
    """Set the attribute of every node. Raises Failure where the cluster does not take it."""
    attributes.set_on_every_node(attribute(serial), f"{time.time():.3f};" + text.replace("\n", ";"), deadline)


def _parse(value: str) -> Record:
    seconds, _, text = value.partition(";")
    try:
        return Record(float(seconds), text.replace(";", "\n"))
    except ValueError:
        return Record(0.0, "")
