# SPDX-License-Identifier: GPL-2.0-or-later
"""Letting the network know that a portal address is here, and its initiators connect again: at once, a few times more,
and when a device has carrier again.
"""

from __future__ import annotations

import time

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed
from twinsan.system import announce, connections, lock, network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.system.connections import Peer
    from twinsan.system.network import Link

# Pauses before the announcement is repeated in the background: a switch that relearns a port, or an initiator that was
# busy, may miss the first. The connections are reset with as many of them as matter.
_PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0)
_RESETS = 3

# How long a process waits for carrier to come back; while it is away each monitor sees to it that one waits.
_SECONDS_TO_WATCH = 600
_SECONDS_BETWEEN_LOOKS = 0.2

# After a short pause TCP sends again by itself, at the latest after as long as the pause was.
_SECONDS_THAT_TCP_BEARS = 5


def show(address: str, port: int, link: Link, peers: list[Peer]) -> None:
    """Announce the address on its network device, and have `peers`, who were connected to `port`, connect again."""
    announce.announce(address, link)
    connections.tickle(address, port, peers)


def show_again(address: str, port: int, link: Link, peers: list[Peer]) -> bool:
    """Do so a few times more within some seconds, for as long as the address is here; returns whether it still is."""
    for count, pause in enumerate(_PAUSES):
        time.sleep(pause)
        # To announce an address that has left would take it from the node that has it now.
        if not network.holding(address):
            return False
        show(address, port, link, peers if count < _RESETS else [])
    return True


def show_with_carrier(address: str, port: int, link: Link, recall: Callable[[], list[Peer]]) -> bool:
    """Wait until the device works, for ten minutes at most, then do all of the above with those that `recall` tells.

    Returns whether it did, and the address is still here. There is one waiting process for an address; another one
    returns at once.
    """
    try:
        with lock.Held(f"carrier-{address.replace(':', '-')}", Deadline(0)):
            peers = recall()
            begin = time.monotonic()
            Deadline(_SECONDS_TO_WATCH).wait_until(
                lambda: not network.holding(address) or network.works(link.index),
                f"{link.name} has carrier",
                _SECONDS_BETWEEN_LOOKS,
            )
    except DeadlinePassed:
        return False
    if not network.holding(address):
        return False
    if time.monotonic() - begin > _SECONDS_THAT_TCP_BEARS:
        # Each end of a connection would wait for its next try. The address is here, so the kernel tells the other end.
        connections.drop(address, port, connections.established(address, port))
    show(address, port, link, peers)
    return show_again(address, port, link, peers)
