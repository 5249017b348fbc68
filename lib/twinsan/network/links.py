# SPDX-License-Identifier: GPL-2.0-or-later
"""The network devices of this host, which the kernel calls links."""

from __future__ import annotations

import struct

from twinsan.errors import Degraded, Failure, NotHere, Reason
from twinsan.network import netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The request for network devices, RTM_GETLINK, and the head of its answers, struct ifinfomsg (linux/rtnetlink.h).
_GET_LINK = 18
_LINK = struct.Struct("=BxHiII")

# Flags of a network device (linux/if.h).
_UP, _LOOPBACK, _NOARP, _CARRIER = 0x1, 0x8, 0x80, 0x10000

# Attributes of a network device (linux/if_link.h): its alternative names are in a list of properties.
_HARDWARE, _NAME, _PROPERTIES, _ALTERNATIVE_NAME = 1, 3, 52, 53

DOWN = Reason(Degraded, "network device {device} is down", "type: ip link set {device} up")
NO_CARRIER = Reason(Degraded, "network device {device} has no carrier", "look at its cable and its switch")
IPV6_OFF = Reason(
    NotHere,
    "IPv6 is off on {device}",
    # With slashes: a device's name may hold dots.
    "type: sysctl -w net/ipv6/conf/{device}/disable_ipv6=0 (and keep it in /etc/sysctl.d)",
)
# The same two as failures, for an address that waits for its network device.
STILL_DOWN = Reason(Failure, DOWN.what, DOWN.remedy)
STILL_NO_CARRIER = Reason(Failure, NO_CARRIER.what, NO_CARRIER.remedy)


class Link:
    """A network device.

    `names` has its name and its alternative names. `hardware` is its Ethernet address, 6 bytes; empty if it has none,
    does no ARP, or is the loopback device. `up` and `carrier` are the kernel's IFF_UP and IFF_LOWER_UP.
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
        """The reason why it carries no packets: down or no carrier, which may be transient; "" if it works."""
        if not self.up:
            return DOWN.text(device=self.name)
        return "" if self.carrier else NO_CARRIER.text(device=self.name)

    def require_working(self) -> None:
        """Raise Failure if it is down or has no carrier."""
        if not self.up:
            raise STILL_DOWN(device=self.name)
        if not self.carrier:
            raise STILL_NO_CARRIER(device=self.name)


def present() -> list[Link]:
    """All network devices of this host."""
    return [_parse(body) for body in netlink.ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0), netlink.DUMP)]


def works(index: int) -> bool:
    """Whether there is a network device with this index, up and with carrier."""
    return any(link.index == index and not link.fault for link in present())


def takes_ipv6(link: Link) -> bool:
    """Whether a network device can have IPv6 addresses, by its sysctl disable_ipv6."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{link.name}/disable_ipv6", encoding="ascii") as file:
            return file.read().strip() == "0"
    except FileNotFoundError:
        # A kernel without IPv6, or a device whose MTU is too small for it: the kernel itself refuses the address.
        return True


def _parse(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = netlink.attributes(body[_LINK.size :])
    properties = netlink.attributes_in_order(found.get(_PROPERTIES, b""))
    alternatives = [_text(value) for kind, value in properties if kind == _ALTERNATIVE_NAME]
    return Link(index, _text(found[_NAME]), flags, found.get(_HARDWARE, b""), alternatives)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
