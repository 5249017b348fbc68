# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks of a site: those of its addresses, as far as a prefix length is known."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.site.model import Network


def of(addresses: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the networks of `addresses` by name, with "" for those of which no prefix length is known. `known` are
    addresses with prefix lengths, as 10.0.5.2/24.
    """
    networks = sorted(_networks(known), key=lambda network: (network.version, network.prefixlen))
    used: list[Network] = []
    unknown: list[str] = []
    for address in dict.fromkeys(addresses):
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            continue
        # The widest first, so that none of the site's networks is a part of another one.
        around = next((network for network in networks if ip in network), None)
        if around is None:
            unknown.append(address)
        elif around not in used:
            used.append(around)
    found = {f"network{number}": str(network) for number, network in enumerate(used, 1)}
    if unknown:
        found["network_of_" + "_and_".join(_plain(address) for address in unknown[:2])] = ""
    return found


def _networks(known: Iterable[str]) -> list[Network]:
    found = []
    for text in known:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        # One of a single address is that of a host route, and has no room for a second node.
        if network.num_addresses > 1 and network not in found:
            found.append(network)
    return found


def _plain(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")
