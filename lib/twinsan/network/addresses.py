# SPDX-License-Identifier: GPL-2.0-or-later
"""The IP addresses of this host: list them, add one, remove one."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import errno
import struct

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Reason
from twinsan.network import netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.network.links import Link

# Kinds of requests, and the heads of their messages: struct ifaddrmsg and struct rtmsg (linux/rtnetlink.h).
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS, _GET_ROUTE = 20, 21, 22, 26
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")

# Attributes of an address, and of a route (IFA_ADDRESS and so on in linux/if_addr.h; RTA_DST in linux/rtnetlink.h).
_PEER_ADDRESS, _LOCAL_ADDRESS, _LIFETIMES, _ALL_FLAGS = 1, 2, 6, 8
_DESTINATION = 1

# Flags of an address (linux/if_addr.h).
_NODAD, _DADFAILED, _TENTATIVE = 0x02, 0x08, 0x40

# The type of a route to this host, RTN_LOCAL (linux/rtnetlink.h).
_LOCAL = 2

_FOREVER = 0xFFFFFFFF

# How long the route of a new IPv6 address may take. It takes milliseconds; a host that needs longer is in trouble.
_SECONDS_TO_SETTLE = 2

NO_ROUTE_YET = Reason(DeadlinePassed, "{address} has its route")


class AssignedAddress:
    """An IP address that the network device of number `index` has; `prefix` is its prefix length, in bits."""

    __slots__ = ("address", "flags", "index", "prefix")

    def __init__(self, index: int, address: str, prefix: int, flags: int) -> None:
        self.index = index
        self.address = address
        self.prefix = prefix
        self.flags = flags

    @property
    def usable(self) -> bool:
        """Whether the kernel answers for it. It does not during duplicate address detection, or after that failed."""
        return not self.flags & (_DADFAILED | _TENTATIVE)


def family(address: str) -> int:
    """The address family, AF_INET or AF_INET6, of an IP address."""
    return _socket.AF_INET6 if ":" in address else _socket.AF_INET


def pack(address: str) -> bytes:
    """An IP address as 4 or 16 bytes, in network order. Raises OSError if it is no address."""
    return _socket.inet_pton(family(address), address)


def is_global(address: str) -> bool:
    """Whether other hosts can connect to an IP address: it is no loopback, link-local, multicast or unspecified one.

    The module `ipaddress` knows this too, but costs a monitor as much as all else it does.
    """
    packed = pack(address)
    if len(packed) == 4:
        return packed[0] not in (0, 127) and packed[0] < 224 and packed[:2] != b"\xa9\xfe"
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return packed[0] != 0xFF and not link_local and packed[:15] != bytes(15)


def present() -> list[AssignedAddress]:
    """All IPv4 and IPv6 addresses of this host."""
    bodies = netlink.ask(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0), netlink.DUMP)
    return [_parse(body) for body in bodies if body[0] in (_socket.AF_INET, _socket.AF_INET6)]


def find(address: str) -> list[AssignedAddress]:
    """The assignments of an IP address to devices of this host: none, or normally one."""
    return [each for each in present() if each.address == address]


def add(address: str, prefix: int, link: Link) -> None:
    """Add an IP address to a network device; it is usable when this returns. One that is there already is fine.

    It is added without duplicate address detection: ask the network before (see probe.Probe). Raises OSError if the
    kernel refuses it, and DeadlinePassed if an IPv6 address has no route after 2 s.
    """
    packed = pack(address)
    body = _ADDRESS.pack(family(address), prefix, 0, 0, link.index)
    body += netlink.attribute(_LOCAL_ADDRESS, packed) + netlink.attribute(_PEER_ADDRESS, packed)
    if family(address) == _socket.AF_INET6:
        # The kernel's own test for duplicates takes up to two seconds. The address is deprecated (preferred lifetime
        # 0): connections that this host opens could use it as their source otherwise, and lose it when it moves.
        body += netlink.attribute(_ALL_FLAGS, struct.pack("=I", _NODAD))
        body += netlink.attribute(_LIFETIMES, struct.pack("=IIII", 0, _FOREVER, 0, 0))
    try:
        netlink.ask(_NEW_ADDRESS, body, netlink.CREATE | netlink.EXCLUSIVE)
    except FileExistsError:
        # Somebody was quicker; it is there.
        pass
    if family(address) == _socket.AF_INET6:
        # The kernel makes the route of an IPv6 address later, from a work queue (net/ipv6/addrconf.c: dad_work);
        # what is sent from the address before is refused with "Network is unreachable".
        patience = Deadline(_SECONDS_TO_SETTLE)
        patience.wait_until(lambda: _is_routed(address), NO_ROUTE_YET.text(address=address), 0.001)


def remove(assigned: AssignedAddress) -> None:
    """Remove an IP address from its network device. One that is gone already is fine."""
    packed = pack(assigned.address)
    body = _ADDRESS.pack(family(assigned.address), assigned.prefix, 0, 0, assigned.index)
    body += netlink.attribute(_LOCAL_ADDRESS, packed) + netlink.attribute(_PEER_ADDRESS, packed)
    try:
        netlink.ask(_DELETE_ADDRESS, body)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
            raise


def _parse(body: bytes) -> AssignedAddress:
    kind, prefix, flags, _, index = _ADDRESS.unpack_from(body)
    found = netlink.attributes(body[_ADDRESS.size :])
    packed = found.get(_LOCAL_ADDRESS) or found[_PEER_ADDRESS]
    if _ALL_FLAGS in found:
        # The head has room for eight flags only.
        (flags,) = struct.unpack("=I", found[_ALL_FLAGS])
    return AssignedAddress(index, _socket.inet_ntop(kind, packed), prefix, flags)


def _is_routed(address: str) -> bool:
    """Whether the kernel delivers packets to the address here. The route of its network may be there earlier."""
    body = _ROUTE.pack(family(address), 128, 0, 0, 0, 0, 0, 0, 0) + netlink.attribute(_DESTINATION, pack(address))
    try:
        return any(_ROUTE.unpack_from(answer)[7] == _LOCAL for answer in netlink.ask(_GET_ROUTE, body))
    except OSError:
        return False
