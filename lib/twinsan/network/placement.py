# SPDX-License-Identifier: GPL-2.0-or-later
"""Which network device an IP address belongs to, and with what prefix length."""

from __future__ import annotations

from twinsan.errors import NotHere, Reason
from twinsan.network import addresses, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.network.addresses import AssignedAddress
    from twinsan.network.links import Link

NO_SUCH_DEVICE = Reason(NotHere, "nic {nic} does not exist on this host", "it has {devices}")
NO_NETWORK = Reason(
    NotHere,
    "{address} is in no network of {place}",
    "see 'ip address', then correct ip or set nic and cidr_netmask",
)
AMBIGUOUS = Reason(NotHere, "{address} is in the network of more than one network device ({devices})", "set nic")


def find(address: str, nic: str, prefix: int) -> tuple[Link, int]:
    """The network device for an IP address, and the prefix length of its network, in bits.

    `nic` is the name of the network device, "" for the one that has another address in the same network; `prefix` is
    the prefix length, 0 for that of such an address. Of several networks the smallest counts. Raises NotHere if there
    is no such device or network, if several devices are in it, or if IPv6 is off on the device.
    """
    link, length = _find(address, nic, prefix)
    if ":" in address and not links.takes_ipv6(link):
        raise links.IPV6_OFF(device=link.name)
    return link, length


def _find(address: str, nic: str, prefix: int) -> tuple[Link, int]:
    by_index = {link.index: link for link in links.present()}
    named = [link for link in by_index.values() if nic in link.names]
    if nic and not named:
        raise NO_SUCH_DEVICE(nic=nic, devices=" ".join(sorted(link.name for link in by_index.values())))
    if nic and prefix:
        return named[0], prefix
    candidates = {
        (assigned.index, assigned.prefix)
        for assigned in addresses.present()
        if assigned.address != address
        and assigned.index in by_index
        and (not nic or nic in by_index[assigned.index].names)
        and _is_in_network_of(assigned, address)
    }
    if not candidates:
        raise NO_NETWORK(address=address, place=f"nic {nic}" if nic else "any network device of this host")
    closest = max(length for _, length in candidates)
    closest_indexes = {index for index, length in candidates if length == closest}
    if len(closest_indexes) > 1:
        names = " ".join(sorted(by_index[index].name for index in closest_indexes))
        raise AMBIGUOUS(address=address, devices=names)
    return by_index[closest_indexes.pop()], prefix or closest


def _is_in_network_of(assigned: AssignedAddress, address: str) -> bool:
    """Whether an address is in the network of an assigned one; False for a network of all or of one address."""
    one, other = addresses.pack(address), addresses.pack(assigned.address)
    width = len(one) * 8
    if len(one) != len(other) or assigned.prefix in (0, width):
        return False
    shift = width - assigned.prefix
    return int.from_bytes(one, "big") >> shift == int.from_bytes(other, "big") >> shift
