# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking the network who has an address, and telling it that we have.

IPv4 does it with ARP (RFC 5227), IPv6 with neighbour discovery (RFC 4861 and 4862).
"""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import select
import struct

from twinsan.system import network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.system.network import Link

_ARP, _IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136

_EVERYBODY = b"\xff" * 6
_NOBODY = bytes(6)
_ALL_NODES = _socket.inet_pton(_socket.AF_INET6, "ff02::1")
_OVERRIDE = 0x20000000

# More than any network says in the time of a question; a flood must not hold up a start for ever.
_MOST_FRAMES = 10000

# A question may get lost, so it is asked again after this time.
_SECONDS_BETWEEN_QUESTIONS = 0.08


class Probe:
    """The question whether another host has an address: asked when made, answered by `answer`.

    What there is to do meanwhile costs nothing. Over a device without Ethernet, or that is down, nobody can be asked.
    """

    def __init__(self, address: str, link: Link) -> None:
        self._packed = network.pack(address)
        self._question = _question(self._packed, link)
        # All of this host's devices on the segment answer for an address that one of them has.
        self._own = frozenset(other.hardware for other in network.links())
        self._sockets: list[_socket.socket] = []
        if link.hardware and link.up:
            self._sockets = [_open_for_answers(link, self._packed), _open(link, 0)]
            self._sockets[1].send(self._question)

    def answer(self, until: Deadline) -> str:
        """The Ethernet address of the host that has it; "" where none says so in time."""
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
        """Stop listening."""
        for one in self._sockets:
            one.close()

    def _holder(self, data: bytes) -> bytes:
        """Who claims the address by this, if it is such a claim and not our own."""
        claim = _arp_claim if len(self._packed) == 4 else _neighbour_claim
        claimant = claim(data, self._packed)
        return b"" if claimant in self._own else claimant


def _arp_claim(frame: bytes, packed: bytes) -> bytes:
    """Who sends from the address.

    A question without a sender is no claim. RFC 5227 lets two who want one address at the same moment find out by it,
    but switches and hosts ask so all the time to see who is there (device tracking, `arping -D`), and they would keep
    the address down. Who has it answers our own question.
    """
    if len(frame) < 42 or frame[12:14] != _ARP.to_bytes(2, "big"):
        return b""
    return frame[22:28] if frame[28:32] == packed else b""


def _neighbour_claim(message: bytes, packed: bytes) -> bytes:
    """Who advertises the address.

    Who asks has none yet, so the answer goes to all nodes, and then has to name the Ethernet address in an option. As
    with ARP, who asks without a sender (duplicate address detection) claims nothing.
    """
    if len(message) < 32 or message[0] != _ADVERTISEMENT or message[8:24] != packed:
        return b""
    return message[26:32]


def announce(address: str, link: Link) -> None:
    """Tell the whole network that the address is here. Some devices learn by requests only, and some by replies."""
    if not link.hardware:
        return
    sender = _open(link, 0)
    try:
        for frame in _announcements(address, link):
            sender.send(frame)
    finally:
        sender.close()


def _announcements(address: str, link: Link) -> list[bytes]:
    packed = network.pack(address)
    if len(packed) == 4:
        # As `arping -U` and `arping -A` say it: the answer is one to ourselves.
        request = _arp(_REQUEST, link.hardware, packed, packed)
        return [request, _arp(_REPLY, link.hardware, packed, packed, link.hardware)]
    target_link = struct.pack("!BB6s", 2, 1, link.hardware)
    message = struct.pack("!BBHI16s", _ADVERTISEMENT, 0, 0, _OVERRIDE, packed) + target_link
    return [_icmpv6(link.hardware, packed, _ALL_NODES, message)]


def _question(packed: bytes, link: Link) -> bytes:
    if len(packed) == 4:
        return _arp(_REQUEST, link.hardware, bytes(4), packed)
    group = _socket.inet_pton(_socket.AF_INET6, "ff02::1:ff00:0")[:13] + packed[13:]
    return _icmpv6(link.hardware, bytes(16), group, struct.pack("!BBHI16s", _SOLICITATION, 0, 0, 0, packed))


def _arp(kind: int, hardware: bytes, sender: bytes, target: bytes, target_hardware: bytes = _NOBODY) -> bytes:
    ethernet = _EVERYBODY + hardware + _ARP.to_bytes(2, "big")
    return ethernet + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, kind, hardware, sender, target_hardware, target)


def _icmpv6(hardware: bytes, source: bytes, group: bytes, message: bytes) -> bytes:
    ethernet = b"\x33\x33" + group[12:] + hardware + _IPV6.to_bytes(2, "big")
    # A hop limit of 255 shows that no router passed it on; others are ignored.
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + source + group
    covered = source + group + struct.pack("!II", len(message), _ICMPV6) + message
    return ethernet + header + message[:2] + checksum(covered).to_bytes(2, "big") + message[4:]


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _open_for_answers(link: Link, packed: bytes) -> _socket.socket:
    """A socket that hears ARP or ICMPv6, and nothing else of what the device carries."""
    if len(packed) == 4:
        return _open(link, _ARP)
    raw = _socket.socket(_socket.AF_INET6, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _ICMPV6)
    raw.setsockopt(_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE, link.name.encode())
    return raw


def _open(link: Link, protocol: int) -> _socket.socket:
    """A socket for whole frames on one network device; protocol 0 receives none."""
    raw = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _socket.htons(protocol))
    raw.bind((link.name, protocol))
    return raw
