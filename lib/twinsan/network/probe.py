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

# More frames than any network carries in the time of a question; a flood must not hold up a start for ever.
_MOST_FRAMES = 10000

# A question may get lost, so it is asked again after this time.
_SECONDS_BETWEEN_QUESTIONS = 0.08


class Probe:
    """The question whether another host has an IP address: the constructor sends it, `answer` waits for the answer.

    So the caller can do other work in between. Nobody can be asked over a network device that is down or has no
    Ethernet; `answer` is "" then.
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
        """The Ethernet address of the host that has the IP address, as 02:00:00:00:00:01; "" if no host answers in
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
        """The Ethernet address of the host that claims the IP address in a frame; b"" for no claim, or this host's."""
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
    """The Ethernet address of a host that sends from the IP address.

    A probe, which has no sender address, is no claim. By RFC 5227 it shows that another host wants the same address at
    the same moment. But switches and hosts send probes all the time to see who is there (device tracking, `arping -D`),
    and would keep the address down. A host that has the address answers our own question.
    """
    if len(frame) < 42 or frame[12:14] != ethernet.ARP.to_bytes(2, "big"):
        return b""
    return frame[22:28] if frame[28:32] == packed else b""


def _neighbour_claim(message: bytes, packed: bytes) -> bytes:
    """The Ethernet address of a host that advertises the IP address.

    Our question has no source address, so the answer goes to all nodes, and must have the Ethernet address in an
    option. As with ARP, a question without a source address (duplicate address detection) is no claim.
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
