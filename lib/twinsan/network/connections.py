# SPDX-License-Identifier: GPL-2.0-or-later
"""The TCP connections of initiators to a portal address: list them, and end this host's side of them."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import struct

from twinsan.network import addresses, netlink, tcp_table

# SOCK_DESTROY (linux/sock_diag.h), and the bits of the states up to TCP_CLOSING (net/tcp_states.h).
_DESTROY = 21
_ESTABLISHED_AND_CLOSING = 0xFFF


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


def drop(address: str, port: int, peers: list[Peer]) -> None:
    """End this host's side of connections. If the address has been removed, none of them revives when it comes back.

    The kernel sends the other side a reset only while the address is here (see silence). A kernel without
    CONFIG_INET_DIAG_DESTROY cannot do it; there they end with the target. Never raises for a connection that is gone.
    """
    for peer in peers:
        ends = struct.pack("!HH16s16s", port, peer.port, addresses.pack(address), addresses.pack(peer.address))
        # No cookie: the addresses and ports say which.
        place = ends + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        family = addresses.family(address)
        request = struct.pack("=BBBBI", family, _socket.IPPROTO_TCP, 0, 0, _ESTABLISHED_AND_CLOSING)
        try:
            netlink.ask(_DESTROY, request + place, family=netlink.SOCK_DIAG)
        except OSError:
            # It ended by itself, or this kernel cannot.
            continue
