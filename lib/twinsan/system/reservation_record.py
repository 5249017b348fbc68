# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster knows of the persistent reservations of a LUN: a private attribute of every node.

Without a state volume the reservations themselves are in it. With one it says no more than whether the LUN is
reserved: what a node has to know that cannot read the volume, and nothing that could be taken for a reservation later.
"""

from __future__ import annotations

import time

from twinsan.system import cluster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# In the place of the reservations, where they are in the state volume: whether there are any.
RESERVED = "reserved, in the state volume"
FREE = "not reserved, by the state volume"


class Record:
    """When it was told, by the clock of the node that told it, and what: the reservations as the kernel writes them,
    or one of the two words above.
    """

    __slots__ = ("text", "time")

    def __init__(self, time: float, text: str) -> None:
        self.time = time
        self.text = text

    @property
    def in_volume(self) -> bool:
        """Whether the reservations are in the state volume, if there are any."""
        return self.text in (RESERVED, FREE)


def attribute(serial: str) -> str:
    """The name of the node attribute of the LUN with this unit serial."""
    return f"twinsan-reservations-{serial}"


def read(serial: str, deadline: Deadline) -> Record | None:
    """What was told last; None where nobody has told anything. Raises Failure where the cluster does not answer."""
    told = [_parse(value) for value in cluster.get_node_attributes(attribute(serial), deadline).values()]
    # The nodes were told one after the other.
    return max(told, key=lambda record: record.time, default=None)


def tell(serial: str, text: str, deadline: Deadline) -> None:
    """Tell every node. Raises Failure where that cannot be done."""
    cluster.set_on_every_node(attribute(serial), f"{time.time():.3f};" + text.replace("\n", ";"), deadline)


def _parse(value: str) -> Record:
    seconds, _, text = value.partition(";")
    try:
        return Record(float(seconds), text.replace(";", "\n"))
    except ValueError:
        return Record(0.0, "")
