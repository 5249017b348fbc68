# SPDX-License-Identifier: GPL-2.0-or-later
"""Announce a portal address to the network and make its initiators connect again: at once, a few times more, and when a
network device has carrier again.
"""

from __future__ import annotations

import time

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Reason
from twinsan.host import lock
from twinsan.network import addresses, announcement, connections, links, tickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.network.connections import Peer
    from twinsan.network.links import Link

# Pauses before the announcement is repeated in the background: a switch that relearns a port, or an initiator that was
# busy, may miss the first. Only the first repetitions also reset the connections.
_PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0)
_RESETS = 3

# How long a process waits for the carrier to come back; meanwhile each monitor starts one if none waits.
_SECONDS_TO_WATCH = 600
_SECONDS_BETWEEN_LOOKS = 0.2

# After an interruption TCP sends again by itself, at the latest after as long as it lasted; up to this, that is left to
# TCP.
_SECONDS_THAT_TCP_BEARS = 5

NO_CARRIER_YET = Reason(DeadlinePassed, "{device} has carrier")


def announce(address: str, port: int, link: Link, peers: list[Peer]) -> None:
    """Announce the address on its network device, and make `peers`, who were connected to `port`, connect again.

    Raises OSError if the device is down, or this host does not have the address.
    """
    announcement.send(address, link)
    tickle.send(address, port, peers)


def repeat(address: str, port: int, link: Link, peers: list[Peer]) -> bool:
    """Announce the address five times more within 4 s, for as long as it is here. Returns whether it still is."""
    for count, pause in enumerate(_PAUSES):
        time.sleep(pause)
        # Announcing an address that has moved would take it from the node that has it now.
        if not addresses.find(address):
            return False
        announce(address, port, link, peers if count < _RESETS else [])
    return True


def announce_with_carrier(address: str, port: int, link: Link, recall: Callable[[], list[Peer]]) -> bool:
    """Wait until the network device works, for ten minutes at most; then announce the address, and repeat it.

    `recall` gives the initiators that were connected; it is called before the wait. Returns whether the address was
    announced and is still here. Only one process waits for each address: another one returns False at once.
    """
    try:
        with lock.Held(f"carrier-{address.replace(':', '-')}", Deadline(0)):
            peers = recall()
            begin = time.monotonic()
            Deadline(_SECONDS_TO_WATCH).wait_until(
                lambda: not addresses.find(address) or links.works(link.index),
                NO_CARRIER_YET.text(device=link.name),
                _SECONDS_BETWEEN_LOOKS,
            )
    except DeadlinePassed:
        return False
    if not addresses.find(address):
        return False
    if time.monotonic() - begin > _SECONDS_THAT_TCP_BEARS:
        # Each end of a connection would wait for its next retransmission. The address is here, so the kernel sends the
        # other end a reset.
        connections.drop(address, port, connections.established(address, port))
    announce(address, port, link, peers)
    return repeat(address, port, link, peers)
