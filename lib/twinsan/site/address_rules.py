# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules for addresses: each in its network, and none used twice."""

from __future__ import annotations

import ipaddress

from twinsan.errors import Misconfigured, Reason
from twinsan.site import mistakes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.site.mistakes import Mistakes
    from twinsan.site.model import Network, Site
    from twinsan.site.places import Path

OVERLAP = Reason(Misconfigured, "{network} and {other} overlap", "correct their prefix lengths")
OUTSIDE = Reason(
    Misconfigured, "{address} is in none of the networks: {networks}", "correct it, or add its network to [networks]"
)
NO_HOST = Reason(Misconfigured, "{address} is the {what} address of {network}", "take an address between the two")
TAKEN = Reason(Misconfigured, "{address} is used already: {other}", "take an address that nothing else has")
LINKS_DIFFER = Reason(
    Misconfigured,
    "the nodes have not the same number of links: {other} has {others} and {node} has {number}",
    "give both the same number, of 1 to 8",
)
APART = Reason(
    Misconfigured,
    "{address} and {other} are one link and stand in different networks",
    "list the links of both nodes in the same order",
)


def check(site: Site, found: Mistakes) -> None:
    """Add to `found` each rule for addresses that a site breaks."""
    _check_networks(site, found)
    _check_links(site, found)
    taken: dict[str, Path] = {}
    for address, path, is_local in _addresses(site):
        if is_local:
            _check_place(address, path, site, found)
        if address in taken:
            found.add(path, TAKEN, address=address, other=mistakes.name(taken[address]))
        taken.setdefault(address, path)


def _check_networks(site: Site, found: Mistakes) -> None:
    networks = list(site.networks.items())
    for number, (name, network) in enumerate(networks):
        for _, other in networks[:number]:
            if network.version == other.version and network.overlaps(other):
                found.add(("networks", name), OVERLAP, network=network, other=other)


def _check_links(site: Site, found: Mistakes) -> None:
    if len(site.nodes) != 2:
        return
    one, two = site.nodes
    if len(one.links) != len(two.links) or len(two.links) > 8:
        counts = {"number": len(two.links), "other": one.name, "others": len(one.links)}
        found.add((*two.path, "links"), LINKS_DIFFER, node=two.name, **counts)
    for number, (first, second) in enumerate(zip(one.links, two.links)):
        if network_of(first, site) is not network_of(second, site):
            found.add((*two.path, "links", number), APART, address=second, other=first)
    if network_of(one.replication, site) is not network_of(two.replication, site):
        found.add((*two.path, "replication"), APART, address=two.replication, other=one.replication)


def _check_place(address: str, path: Path, site: Site, found: Mistakes) -> None:
    """Check that an address is in a network, and neither the first nor the last of it."""
    network = network_of(address, site)
    if network is None:
        known = " ".join(map(str, site.networks.values())) or "none is given"
        found.add(path, OUTSIDE, address=address, networks=known)
    elif network.version == 4 and network.prefixlen < 31:
        for what, reserved in (("first", network.network_address), ("last", network.broadcast_address)):
            if address == str(reserved):
                found.add(path, NO_HOST, address=address, what=what, network=network)


def _addresses(site: Site) -> Iterator[tuple[str, Path, bool]]:
    """Each address with its place, and whether it has to be in one of the networks. Those of BMCs and of the third
    machine may be behind a router.
    """
    for node in site.nodes:
        yield from ((link, (*node.path, "links", number), True) for number, link in enumerate(node.links))
        if node.replication and node.replication not in node.links:
            yield node.replication, (*node.path, "replication"), True
        if node.bmc:
            yield node.bmc, (*node.path, "bmc"), False
    if site.witness:
        yield site.witness, ("witness", "host"), False
    for resource in site.resources:
        yield from ((portal.address, (*portal.path, "ip"), True) for portal in resource.portals if portal.address)


def network_of(address: str, site: Site) -> Network | None:
    """Return the network that an address is in; None if there is none."""
    if not address:
        return None
    return next((each for each in site.networks.values() if ipaddress.ip_address(address) in each), None)
