# SPDX-License-Identifier: GPL-2.0-or-later
"""Which initiators are connected to a portal address, published to every node of the cluster by a node attribute.

The node that takes the address over makes them connect again (see connections). It cannot ask the node that is gone, so
each node has a copy.
"""

from __future__ import annotations

from twinsan.cluster.publication import Publication
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.network import addresses
from twinsan.network.connections import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Enough for any number of hosts that this can serve; a node attribute should not grow without bound.
_MOST = 256

# A node that joins the cluster again has lost its copy, so it is published again after this time.
_SECONDS_UNTIL_REPEATED = 60.0

# How long the cluster may take to answer; without an answer the address comes up all the same.
_SECONDS_TO_ANSWER = 3


class ConnectionRecord:
    """The connections to a portal address, as the cluster knows them; outside of a cluster none are known.

    `log` is called with a line for each failure of the cluster: none fails an action.
    """

    def __init__(self, address: str, log: Callable[[str], None], *, in_cluster: bool) -> None:
        self._address = address
        self._log = log
        self._in_cluster = in_cluster

    def publish(self, peers: list[Peer], deadline: Deadline) -> None:
        """Publish the connected `peers` to all nodes, if they have changed or were published more than 60 s ago.

        Takes 3 s at most. Never raises Failure or OSError: they are logged.
        """
        self._publish(peers, deadline, _SECONDS_UNTIL_REPEATED)

    def publish_at_stop(self, peers: list[Peer]) -> None:
        """Publish the `peers` that were connected until now if they have changed: nothing is repeated, as nobody serves
        during a stop. As `publish` otherwise, but for the deadline: the action need not wait for it.
        """
        self._publish(peers, Deadline(_SECONDS_TO_ANSWER), float("inf"))

    def _publish(self, peers: list[Peer], deadline: Deadline, longest: float) -> None:
        if not self._in_cluster:
            return
        try:
            note = f"connections-{self._address.replace(':', '-')}"
            publication = Publication(attribute(self._address), note, on_every_node=True)
            publication.publish(encode(peers), deadline.within(_SECONDS_TO_ANSWER), longest)
        except (Failure, OSError) as failure:
            self._log(f"the other node does not know who is connected to {self._address}: {failure}")

    def recall(self, deadline: Deadline) -> list[Peer]:
        """Who was connected to the address, on whichever node; empty if the cluster does not answer within 3 s.

        Never raises Failure or OSError: they are logged.
        """
        if not self._in_cluster:
            return []
        from twinsan.cluster import attributes

        try:
            values = attributes.get_node_attributes(attribute(self._address), deadline.within(_SECONDS_TO_ANSWER))
        except (Failure, OSError) as failure:
            self._log(
                f"who was connected to {self._address} is unknown, so initiators come back by their own time-outs: "
                f"{failure}"
            )
            return []
        return decode(" ".join(dict.fromkeys(" ".join(values.values()).split())))


def attribute(address: str) -> str:
    """The name of the node attribute for a portal address."""
    return f"twinsan-connections-{address.replace(':', '-')}"


def encode(peers: list[Peer]) -> str:
    """The value of the node attribute for connections, independent of their order; for 256 of them at most."""
    return " ".join(sorted(map(str, peers))[:_MOST])


def decode(text: str) -> list[Peer]:
    """The connections in a value of the node attribute. Invalid words are left out: the value comes from outside."""
    return [peer for peer in map(_parse, text.split()) if peer is not None]


def _parse(word: str) -> Peer | None:
    host, _, port = word.rpartition(":")
    address = host.strip("[]")
    try:
        addresses.pack(address)
    except (OSError, ValueError):
        return None
    return Peer(address, int(port)) if port.isdecimal() and 0 < int(port) < 65536 else None
