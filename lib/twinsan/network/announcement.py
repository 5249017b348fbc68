# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the network that an IP address is on this host, by ARP (RFC 5227) or neighbour discovery (RFC 4861)."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import struct

from twinsan.network import addresses, ethernet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.network.links import Link

# A neighbour advertisement, its flag that replaces what neighbours know, and its option with the Ethernet address of
# the host that has the target address (RFC 4861, sections 4.4 and 4.6.1).
_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000
_TARGET_LINK_LAYER_ADDRESS = 2

_ALL_NODES = _socket.inet_pton(_socket.AF_INET6, "ff02::1")


def send(address: str, link: Link) -> None:
    """Announce an IP address to all hosts on the segment of a network device. No effect on a device without Ethernet.

    Raises OSError if the device is down or gone.
    """
    if not link.hardware:
        return
    sender = ethernet.open_socket(link, 0)
    try:
        for frame in frames(address, link):
            sender.send(frame)
    finally:
        sender.close()


def frames(address: str, link: Link) -> list[bytes]:
    """The frames that announce an IP address. For IPv4 a request and a reply: some hosts learn from one only."""
    packed = addresses.pack(address)
    if len(packed) == 4:
        # The same as `arping -U` and `arping -A`: the reply is addressed to this host.
        request = ethernet.arp(ethernet.REQUEST, link.hardware, packed, packed)
        return [request, ethernet.arp(ethernet.REPLY, link.hardware, packed, packed, link.hardware)]
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER_ADDRESS, 1, link.hardware)
    message = struct.pack("!BBHI16s", _ADVERTISEMENT, 0, 0, _OVERRIDE, packed) + option
    return [ethernet.icmpv6(link.hardware, packed, _ALL_NODES, message)]
