# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the network whether another host has an IP address, by ARP (RFC 5227) or neighbour discovery (RFC 4861, 4862)."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import select
import struct

from twinsan.network import addresses, ethernet, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.network.links import Link

# A neighbour solicitation and advertisement (RFC 4861, sections 4.3 and 4.4).
_SOLICITATION, _ADVERTISEMENT = 135, 136

# More than any network says in the time of a question; a flood must not hold up a start for ever.
_MOST_FRAMES = 10000

# A question may get lost, so it is asked again after this time.
_SECONDS_BETWEEN_QUESTIONS = 0.08


class Probe:
    """The question whether another host has an IP address: sent when made, answered by `answer`.

    What is done between the two costs no time. Over a network device without Ethernet, or that is down, nobody can be
    asked.
    """

    def __init__(self, address: str, link: Link) -> None:
        self._packed = addresses.pack(address)
        self._question = question(address, link)
        # All of this host's devices on the segment answer for an address that one of them has.
        self._own = frozenset(other.hardware for other in links.present())
        self._sockets: list[_socket.socket] = []
        if link.hardware and link.up:
            self._sockets = [_open_for_answers(link, self._packed), ethernet.open_socket(link, 0)]
            self._sockets[1].send(self._question)

    def answer(self, until: Deadline) -> str:
        """The Ethernet address of the host that has the IP address, as 02:00:00:00:00:01; "" where none answers in
        time.
        """
        if not self._sockets:
            return ""
        listening, asking = self._sockets
        asked = until.within(_SECONDS_BETWEEN_QUESTIONS)
        for _ in range(_MOST_FRAMES):
            if select.select([listening.fileno()], [], [], asked.remaining())[0]:
                holder = self._holder(listening.recv(2048))
                if holder:
                    return holder.hex(":")
            elif until.expired():
                break
            if asked.expired() and not until.expired():
                asking.send(self._question)
                asked = until.within(_SECONDS_BETWEEN_QUESTIONS)
        return ""

    def close(self) -> None:
        """Close its sockets."""
        for one in self._sockets:
            one.close()

    def _holder(self, data: bytes) -> bytes:
        """The Ethernet address that claims the IP address by a frame; b"" for no claim, or one of this host."""
        claim = _arp_claim if len(self._packed) == 4 else _neighbour_claim
        claimant = claim(data, self._packed)
        return b"" if claimant in self._own else claimant


def question(address: str, link: Link) -> bytes:
    """The frame that asks who has an IP address: an ARP probe, or the solicitation of duplicate address detection."""
    packed = addresses.pack(address)
    if len(packed) == 4:
        return ethernet.arp(ethernet.REQUEST, link.hardware, bytes(4), packed)
    group = _socket.inet_pton(_socket.AF_INET6, "ff02::1:ff00:0")[:13] + packed[13:]
    return ethernet.icmpv6(link.hardware, bytes(16), group, struct.pack("!BBHI16s", _SOLICITATION, 0, 0, 0, packed))


def _arp_claim(frame: bytes, packed: bytes) -> bytes:
    """The Ethernet address of who sends from the IP address.

    A question without a sender is no claim. RFC 5227 lets two who want one address at the same moment find out by it,
    but switches and hosts ask so all the time to see who is there (device tracking, `arping -D`), and they would keep
    the address down. Who has it answers our own question.
    """
    if len(frame) < 42 or frame[12:14] != ethernet.ARP.to_bytes(2, "big"):
        return b""
    return frame[22:28] if frame[28:32] == packed else b""


def _neighbour_claim(message: bytes, packed: bytes) -> bytes:
    """The Ethernet address of who advertises the IP address.

    Who asks has none yet, so the answer goes to all nodes, and then has to name the Ethernet address in an option. As
    with ARP, who asks without a sender (duplicate address detection) claims nothing.
    """
    if len(message) < 32 or message[0] != _ADVERTISEMENT or message[8:24] != packed:
        return b""
    return message[26:32]


def _open_for_answers(link: Link, packed: bytes) -> _socket.socket:
    """A socket that receives ARP or ICMPv6, and nothing else of what the device carries."""
    if len(packed) == 4:
        return ethernet.open_socket(link, ethernet.ARP)
    raw = _socket.socket(_socket.AF_INET6, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, ethernet.ICMPV6)
    raw.setsockopt(_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE, link.name.encode())
    return raw
