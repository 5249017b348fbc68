# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses of this host: which there are, where a new one belongs, adding and removing one."""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import errno
import struct

from twinsan.deadline import Deadline
from twinsan.errors import NotHere
from twinsan.system import netlink, tcp_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Kinds of requests (linux/rtnetlink.h).
_GET_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 18, 20, 21, 22
_GET_ROUTE, _NEW_RULE, _DELETE_RULE = 26, 32, 33

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_RULE = _ROUTE = struct.Struct("=BBBBBBBBI")

# Flags of a link (linux/if.h).
_UP, _LOOPBACK, _NOARP, _CARRIER = 0x1, 0x8, 0x80, 0x10000

# Flags of an address (linux/if_addr.h).
_NODAD, _DADFAILED, _TENTATIVE = 0x02, 0x08, 0x40

# Types of routes and rules (linux/rtnetlink.h).
_LOCAL, _BLACKHOLE = 2, 6

# Attributes of a link (linux/if_link.h): its alternative names are in a list of properties.
_HARDWARE, _NAME, _PROPERTIES, _ALTERNATIVE_NAME = 1, 3, 52, 53

# Where our rule stands among the routing rules: before the main table, and easy to recognise in `ip -6 rule`.
_RULE_PRIORITY = 3260

_FOREVER = 0xFFFFFFFF

# It takes milliseconds; a host that needs longer is in trouble.
_SECONDS_TO_SETTLE = 2


class Link:
    """A network device. `hardware` is its Ethernet address, or empty where it has none or does no ARP; `names` are all
    that `ip` knows it by.
    """

    __slots__ = ("carrier", "hardware", "index", "loopback", "name", "names", "up")

    def __init__(self, index: int, name: str, flags: int, hardware: bytes, alternatives: Iterable[str] = ()) -> None:
        self.index = index
        self.name = name
        self.names = frozenset((name, *alternatives))
        self.up = bool(flags & _UP)
        self.carrier = bool(flags & _CARRIER)
        self.loopback = bool(flags & _LOOPBACK)
        self.hardware = hardware if len(hardware) == 6 and not flags & (_LOOPBACK | _NOARP) else b""

    @property
    def fault(self) -> str:
        """Why nothing goes over it, and what to do; "" where it works. All of this may pass by itself."""
        if not self.up:
            return f"network device {self.name} is down; type: ip link set {self.name} up"
        if not self.carrier:
            return f"network device {self.name} has no carrier; look at its cable and its switch"
        return ""


class Held:
    """An address that a network device has."""

    __slots__ = ("address", "flags", "index", "prefix")

    def __init__(self, index: int, address: str, prefix: int, flags: int) -> None:
        self.index = index
        self.address = address
        self.prefix = prefix
        self.flags = flags

    @property
    def usable(self) -> bool:
        """Whether the kernel answers for it; an IPv6 address that it still tests, or found elsewhere, it does not."""
        return not self.flags & (_DADFAILED | _TENTATIVE)


def family(address: str) -> int:
    """The address family of an address."""
    return _socket.AF_INET6 if ":" in address else _socket.AF_INET


def pack(address: str) -> bytes:
    """An address as bytes."""
    return _socket.inet_pton(family(address), address)


def is_global(address: str) -> bool:
    """Whether other hosts can connect to the address: no loopback, link-local, multicast or unspecified one.

    The module `ipaddress` knows this too, but costs a monitor as much as all else it does.
    """
    packed = pack(address)
    if len(packed) == 4:
        return packed[0] not in (0, 127) and packed[0] < 224 and packed[:2] != b"\xa9\xfe"
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return packed[0] != 0xFF and not link_local and packed[:15] != bytes(15)


def links() -> list[Link]:
    """All network devices."""
    return [_link(body) for body in netlink.ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0), netlink.DUMP)]


def works(index: int) -> bool:
    """Whether the network device with this number is up and has carrier."""
    return any(link.index == index and not link.fault for link in links())


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = netlink.attributes(body[_LINK.size :])
    properties = netlink.attributes_in_order(found.get(_PROPERTIES, b""))
    alternatives = [_text(value) for kind, value in properties if kind == _ALTERNATIVE_NAME]
    return Link(index, _text(found[_NAME]), flags, found.get(_HARDWARE, b""), alternatives)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def addresses() -> list[Held]:
    """All addresses of this host."""
    bodies = netlink.ask(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0), netlink.DUMP)
    return [_held(body) for body in bodies if body[0] in (_socket.AF_INET, _socket.AF_INET6)]


def _held(body: bytes) -> Held:
    kind, prefix, flags, _, index = _ADDRESS.unpack_from(body)
    found = netlink.attributes(body[_ADDRESS.size :])
    # With a peer, the first is the peer's and the second ours.
    packed = found.get(2) or found[1]
    if 8 in found:
        (flags,) = struct.unpack("=I", found[8])
    return Held(index, _socket.inet_ntop(kind, packed), prefix, flags)


def holding(address: str) -> list[Held]:
    """Where this host has the address; nowhere, or in one place, where all is well."""
    return [held for held in addresses() if held.address == address]


def find_home(address: str, device: str, prefix: int) -> tuple[Link, int]:
    """The network device for an address and the prefix length of its network.

    `device` and `prefix` are what is declared, "" and 0 where they are to be found: by the network of another
    address of this host. Raises NotHere where there is none, or more than one.
    """
    by_index = {link.index: link for link in links()}
    named = [link for link in by_index.values() if device in link.names]
    if device and not named:
        others = " ".join(sorted(link.name for link in by_index.values()))
        raise NotHere(f"nic {device} does not exist on this host; it has {others}")
    if device and prefix:
        return named[0], prefix
    candidates = {
        (held.index, held.prefix)
        for held in addresses()
        if held.address != address
        and held.index in by_index
        and (not device or device in by_index[held.index].names)
        and _within(address, held)
    }
    if not candidates:
        place = f"nic {device}" if device else "any network device of this host"
        raise NotHere(
            f"{address} is in no network of {place}; see 'ip address', then correct ip or set nic and cidr_netmask"
        )
    closest = max(length for _, length in candidates)
    closest_indexes = {index for index, length in candidates if length == closest}
    if len(closest_indexes) > 1:
        names = " ".join(sorted(by_index[index].name for index in closest_indexes))
        raise NotHere(f"{address} is in the network of more than one network device ({names}); set nic")
    return by_index[closest_indexes.pop()], prefix or closest


def ipv6_fault(link: Link) -> str:
    """Why a network device takes no IPv6 address, and what to type; "" where it does."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{link.name}/disable_ipv6", encoding="ascii") as file:
            off = file.read().strip() != "0"
    except FileNotFoundError:
        # A kernel without IPv6, or a device whose packets are too short for it; the kernel says so itself.
        return ""
    # With slashes: a device's name may hold dots.
    setting = f"net/ipv6/conf/{link.name}/disable_ipv6=0"
    return f"IPv6 is off on {link.name}; type: sysctl -w {setting} (and keep it in /etc/sysctl.d)" if off else ""


def _within(address: str, held: Held) -> bool:
    """Whether an address is in the network that `held` is in. One that has no network but itself says nothing."""
    one, other = pack(address), pack(held.address)
    width = len(one) * 8
    if len(one) != len(other) or held.prefix in (0, width):
        return False
    shift = width - held.prefix
    return int.from_bytes(one, "big") >> shift == int.from_bytes(other, "big") >> shift


def add(address: str, prefix: int, link: Link) -> None:
    """Add an address, at once usable: that nobody else has it is asked before (see announce.Probe)."""
    packed = pack(address)
    body = _ADDRESS.pack(family(address), prefix, 0, 0, link.index)
    body += netlink.attribute(2, packed) + netlink.attribute(1, packed)
    if family(address) == _socket.AF_INET6:
        # The kernel's own test for duplicates takes up to two seconds. Deprecated, or connections that this host
        # opens would take the address for theirs, and lose it when it moves.
        body += netlink.attribute(8, struct.pack("=I", _NODAD))
        body += netlink.attribute(6, struct.pack("=IIII", 0, _FOREVER, 0, 0))
    try:
        netlink.ask(_NEW_ADDRESS, body, netlink.CREATE | netlink.EXCLUSIVE)
    except FileExistsError:
        # Somebody was quicker; it is there.
        pass
    if family(address) == _socket.AF_INET6:
        # The kernel makes the route of an IPv6 address later, from a work queue (net/ipv6/addrconf.c: dad_work);
        # what is sent from the address before is refused with "Network is unreachable".
        Deadline(_SECONDS_TO_SETTLE).wait_until(lambda: _is_routed(address), f"{address} has its route", 0.001)


def _is_routed(address: str) -> bool:
    """Whether the kernel delivers packets to the address here; the route of its network may be there before."""
    body = _ROUTE.pack(family(address), 128, 0, 0, 0, 0, 0, 0, 0) + netlink.attribute(1, pack(address))
    try:
        return any(_ROUTE.unpack_from(answer)[7] == _LOCAL for answer in netlink.ask(_GET_ROUTE, body))
    except OSError:
        return False


def remove(held: Held) -> None:
    """Remove an address; nothing where it is gone already."""
    packed = pack(held.address)
    body = _ADDRESS.pack(family(held.address), held.prefix, 0, 0, held.index)
    body += netlink.attribute(2, packed) + netlink.attribute(1, packed)
    try:
        netlink.ask(_DELETE_ADDRESS, body)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
            raise


def silence(address: str) -> bool:
    """See to it that no packet leaves this host from an address that it is about to lose. Returns whether it holds.

    From an IPv4 address that is gone the kernel sends nothing. From an IPv6 address open connections send on, so an
    initiator would see them end. A routing rule swallows that; it stays until the address comes back, or no socket has
    it any more (see `unsilence_when_unused`). A kernel without CONFIG_IPV6_MULTIPLE_TABLES has no such rules.
    """
    if family(address) != _socket.AF_INET6:
        return True
    try:
        netlink.ask(_NEW_RULE, _rule(address), netlink.CREATE | netlink.EXCLUSIVE)
    except OSError as error:
        return error.errno == errno.EEXIST
    return True


def unsilence(address: str) -> None:
    """Let packets leave from an IPv6 address again."""
    if family(address) != _socket.AF_INET6:
        return
    try:
        while True:
            netlink.ask(_DELETE_RULE, _rule(address))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            raise


def unsilence_when_unused(address: str, patience: Deadline) -> None:
    """Wait until no socket can send from an address that has left, and take the rule of `silence` away: the resource
    may have been deleted, and the address may be somebody's whom this host talks to. Where the address came back, its
    start did that. Raises DeadlinePassed; the rule then stays.
    """
    patience.wait_until(
        lambda: bool(holding(address)) or not tcp_table.speaks(address), f"nothing has {address} any more", 0.5
    )
    if not holding(address):
        unsilence(address)


def _rule(address: str) -> bytes:
    body = _RULE.pack(family(address), 0, 128, 0, 0, 0, 0, _BLACKHOLE, 0)
    return body + netlink.attribute(2, pack(address)) + netlink.attribute(6, struct.pack("=I", _RULE_PRIORITY))
