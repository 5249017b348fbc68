# SPDX-License-Identifier: GPL-2.0-or-later
"""The connections of initiators to a portal address, over a move of the address.

Initiators of a node that is gone wait: their packets stay unanswered, or are answered by a host that has no such
connection only when they next send, which may take until their own time-outs. A TCP segment that fits nothing makes
each of them say where its connection stands; the kernel, which has none such, answers with a reset; the initiator
connects again at once. That needs the other ends' addresses and ports, so the node that has them tells its peers.
"""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import struct

from twinsan import rundir
from twinsan.system import announce, netlink, network, tcp_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# Enough for any number of hosts that this can serve; a node attribute should not grow without bound.
_MOST = 256

# A node that joins the cluster again has forgotten what it was told, so it is told again after this time.
_SECONDS_UNTIL_REPEATED = 60.0

_DESTROY = 21
_ESTABLISHED_AND_CLOSING = 0xFFF
_ACK = 0x10

# The option that carries a timestamp (RFC 7323), after two bytes that align it.
_NOTHING, _TIMESTAMP, _TIMESTAMP_LENGTH = 1, 8, 10

# Of two times that are half of all numbers apart one is never older than what a peer has seen last.
_TIMES = (0, 1 << 31)


class Peer:
    """The initiator's end of a connection; `str` gives ``10.0.5.9:51234`` or ``[2001:db8::9]:51234``."""

    __slots__ = ("address", "port")

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def established(address: str, port: int) -> list[Peer]:
    """The initiators that are connected to `address`:`port` on this host."""
    return [Peer(row.remote, row.remote_port) for row in tcp_table.connections(address, port)]


def encode(peers: list[Peer]) -> str:
    """The text of a node attribute: the same for the same connections."""
    return " ".join(sorted(map(str, peers))[:_MOST])


def decode(text: str) -> list[Peer]:
    """The connections of a node attribute. What is none is left out: it came from outside this program."""
    return [peer for peer in map(_parse, text.split()) if peer is not None]


def _parse(word: str) -> Peer | None:
    host, _, port = word.rpartition(":")
    address = host.strip("[]")
    try:
        network.pack(address)
    except (OSError, ValueError):
        return None
    return Peer(address, int(port)) if port.isdecimal() and 0 < int(port) < 65536 else None


def attribute(address: str) -> str:
    """The name of the node attribute for a portal address."""
    return f"twinsan-connections-{address.replace(':', '-')}"


def publish(address: str, peers: list[Peer], deadline: Deadline, *, repeated: bool = True) -> None:
    """Tell all nodes who is connected, where that has changed or, unless `repeated` is false, is long ago."""
    text = encode(peers)
    told = rundir.path(f"connections-{address.replace(':', '-')}")
    if rundir.told(told, _SECONDS_UNTIL_REPEATED if repeated else float("inf")) == text:
        return
    from twinsan.system import cluster

    cluster.set_on_every_node(attribute(address), text, deadline)
    rundir.write(told, text)


def recall(address: str, deadline: Deadline) -> list[Peer]:
    """Who was connected to the address, wherever it was."""
    from twinsan.system import cluster

    values = cluster.get_node_attributes(attribute(address), deadline).values()
    return decode(" ".join(dict.fromkeys(" ".join(values).split())))


def tickle(address: str, port: int, peers: list[Peer]) -> None:
    """Make each peer say where its connection with `address`:`port` stands; one that cannot be reached is left.

    A peer that agreed on timestamps and is strict (RFC 7323, section 3.2; FreeBSD, and what has its stack) drops a
    segment without one in silence, and so an empty one whose time is older than the last. One that did not agree on
    them ignores the option. So each gets two, of which one is new enough.
    """
    raw = _socket.socket(network.family(address), _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _socket.IPPROTO_TCP)
    try:
        raw.bind((address, 0))
        for peer in peers:
            if network.family(peer.address) == network.family(address):
                for when in _TIMES:
                    _send(raw, segment(address, port, peer, when), peer)
    finally:
        raw.close()


def _send(raw: _socket.socket, data: bytes, peer: Peer) -> None:
    try:
        raw.sendto(data, (peer.address, 0))
    except OSError:
        # An initiator without a route is not going to connect either.
        return


def segment(address: str, port: int, peer: Peer, when: int) -> bytes:
    """An empty acknowledgement with numbers that fit no connection, and a timestamp."""
    source, target = network.pack(address), network.pack(peer.address)
    header = struct.pack("!HHIIBBHHH", port, peer.port, 0, 0, 8 << 4, _ACK, 1024, 0, 0)
    header += struct.pack("!BBBBII", _NOTHING, _NOTHING, _TIMESTAMP, _TIMESTAMP_LENGTH, when, 0)
    covered = source + target + struct.pack("!II", len(header), _socket.IPPROTO_TCP) + header
    return header[:16] + announce.checksum(covered).to_bytes(2, "big") + header[18:]


def drop(address: str, port: int, peers: list[Peer]) -> None:
    """End this host's side of connections whose address has left, so that none of them wakes when it comes back.

    The kernel would tell the other side, but has no address to send from any more (see network.silence). A kernel
    without CONFIG_INET_DIAG_DESTROY cannot do it; there they end with the target.
    """
    for peer in peers:
        ends = struct.pack("!HH16s16s", port, peer.port, network.pack(address), network.pack(peer.address))
        # No cookie: the addresses and ports say which.
        place = ends + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        request = struct.pack("=BBBBI", network.family(address), _socket.IPPROTO_TCP, 0, 0, _ESTABLISHED_AND_CLOSING)
        try:
            netlink.ask(_DESTROY, request + place, family=netlink.SOCK_DIAG)
        except OSError:
            # It ended by itself, or this kernel cannot.
            continue
