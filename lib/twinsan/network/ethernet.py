# SPDX-License-Identifier: GPL-2.0-or-later
"""Ethernet frames that carry ARP (RFC 826) or ICMPv6 (RFC 4443), and sockets that send them."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import struct

from twinsan.network import checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.network.links import Link

# Protocols of Ethernet (linux/if_ether.h), and the one of IP (RFC 4443).
ARP, _IPV6 = 0x0806, 0x86DD
ICMPV6 = 58

# Operations of ARP.
REQUEST, REPLY = 1, 2

_BROADCAST = b"\xff" * 6
_UNKNOWN = bytes(6)


def arp(operation: int, hardware: bytes, sender: bytes, target: bytes, target_hardware: bytes = _UNKNOWN) -> bytes:
    """A broadcast ARP frame from the device with Ethernet address `hardware`; `sender` and `target` are packed IPv4
    addresses.
    """
    ethernet = _BROADCAST + hardware + ARP.to_bytes(2, "big")
    fields = (1, 0x0800, 6, 4, operation, hardware, sender, target_hardware, target)
    return ethernet + struct.pack("!HHBBH6s4s6s4s", *fields)


def icmpv6(hardware: bytes, source: bytes, group: bytes, message: bytes) -> bytes:
    """An ICMPv6 frame to a multicast group; `source` and `group` are packed IPv6 addresses. The checksum of `message`
    is filled in.
    """
    ethernet = b"\x33\x33" + group[12:] + hardware + _IPV6.to_bytes(2, "big")
    # A hop limit of 255 shows that no router passed it on; neighbour discovery ignores others (RFC 4861, 7.1).
    header = struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source + group
    covered = source + group + struct.pack("!II", len(message), ICMPV6) + message
    return ethernet + header + message[:2] + checksum.internet(covered).to_bytes(2, "big") + message[4:]


def open_socket(link: Link, protocol: int) -> _socket.socket:
    """A socket for whole frames on one network device, which receives those of one Ethernet protocol; 0 for none."""
    raw = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _socket.htons(protocol))
    raw.bind((link.name, protocol))
    return raw
