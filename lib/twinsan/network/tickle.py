# SPDX-License-Identifier: GPL-2.0-or-later
"""Make initiators connect again whose connections to a portal address were on another host.

When an address has moved, initiators that were connected to it wait. Their packets stay unanswered; or the host that
has the address now resets the connection only when they next send, which may take until their own time-outs. A TCP
segment that fits no connection makes each of them acknowledge where its connection stands (a tickle). The kernel here
has no such connection and answers with a reset, and the initiator connects again at once. That needs the initiators'
addresses and ports (see connection_record).
"""

from __future__ import annotations

# Its C half has all that is needed here (see netlink).
import _socket
import struct

from twinsan.network import addresses, checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.network.connections import Peer

# The flag of an acknowledgement, and the option that carries a timestamp (RFC 7323), after two bytes that align it.
_ACK = 0x10
_NOTHING, _TIMESTAMP, _TIMESTAMP_LENGTH = 1, 8, 10

# Two timestamps half of the 32-bit range apart: one of them is never older than the last that a peer has seen.
_TIMES = (0, 1 << 31)


def send(address: str, port: int, peers: list[Peer]) -> None:
    """Make each peer acknowledge where its connection with `address`:`port` stands. One that cannot be reached is left
    out.

    Raises OSError if this host does not have the address. A live connection is not harmed.

    A peer that agreed on timestamps and is strict (RFC 7323, section 3.2; FreeBSD, and systems with its stack) silently
    drops a segment without one, and an empty one whose timestamp is older than the last. A peer that did not agree on
    them ignores the option. So each gets two segments, of which one is new enough.
    """
    raw = _socket.socket(addresses.family(address), _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _socket.IPPROTO_TCP)
    try:
        raw.bind((address, 0))
        for peer in peers:
            if addresses.family(peer.address) == addresses.family(address):
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
    """A TCP segment from `address`:`port` to a peer: an empty acknowledgement with sequence numbers that fit no
    connection, and the timestamp `when`, 32 bits.
    """
    source, target = addresses.pack(address), addresses.pack(peer.address)
    header = struct.pack("!HHIIBBHHH", port, peer.port, 0, 0, 8 << 4, _ACK, 1024, 0, 0)
    header += struct.pack("!BBBBII", _NOTHING, _NOTHING, _TIMESTAMP, _TIMESTAMP_LENGTH, when, 0)
    covered = source + target + struct.pack("!II", len(header), _socket.IPPROTO_TCP) + header
    return header[:16] + checksum.internet(covered).to_bytes(2, "big") + header[18:]
