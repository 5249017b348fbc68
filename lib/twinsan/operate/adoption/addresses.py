# SPDX-License-Identifier: GPL-2.0-or-later
"""The portal addresses: those that a target names, or those that the cluster moves with it."""

from __future__ import annotations

import ipaddress

from twinsan.operate.adoption import clusterlabs
from twinsan.operate.adoption.found import Address, Notes, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.cib import Cib, Primitive

IPV4, IPV6, PORTBLOCK = "ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPv6addr", "ocf:heartbeat:portblock"
_ADDRESSES = (IPV4, "ocf:heartbeat:IPaddr", IPV6)

# What iSCSITarget takes by default. With targetcli it makes no portal of it.
_DEFAULT = ("", "0.0.0.0:3260")

_NOT_BROUGHT_UP = (
    "portal-ip will bring it up, and refuses an address that is there already: take it out of the network "
    "configuration of the nodes when you take over"
)
_OF_A_NODE = (
    "it stays on its node, so hosts lose it in a failover. Give the site file an address that moves, and have the "
    "hosts discover it"
)


def assign(cib: Cib, targets: list[Target], nodes: set[str], notes: Notes) -> None:
    """Give each target its portal addresses. `nodes` are the nodes' own addresses."""
    candidates = [(each, address) for each in cib.of(*_ADDRESSES) for address in [_address(each)]]
    for target in targets:
        portals = _portals(cib, target)
        linked = cib.linked(target.place) if target.place else set()
        for primitive, address in candidates:
            if address.ip in portals or (not portals and primitive.top in linked):
                address.port = portals.pop(address.ip, "3260")
                target.addresses.append(address)
                clusterlabs.note_parameters("portal-ip", primitive, notes)
        for ip, port in portals.items():
            if ip in nodes:
                notes.lose(target.place, f"portal {ip} is an address of a node", _OF_A_NODE)
            else:
                target.addresses.append(Address(ip, port))
                notes.lose(target.place, f"no resource brings portal {ip} up", _NOT_BROUGHT_UP)


def known(cib: Cib) -> list[str]:
    """Return all addresses of the cluster whose prefix length is known, as 10.0.5.50/24."""
    given = [_address(each) for each in cib.of(*_ADDRESSES)]
    return [f"{address.ip}/{address.prefix}" for address in given if address.prefix]


def portblocks(cib: Cib, targets: list[Target]) -> list[Primitive]:
    """Return the portblock resources of the targets: those of their addresses, or tied to them by constraints."""
    ips = {address.ip for target in targets for address in target.addresses}
    linked = {top for target in targets if target.place for top in cib.linked(target.place)}
    return [each for each in cib.of(PORTBLOCK) if canonical(each.values.get("ip", "")) in ips or each.top in linked]


def canonical(text: str) -> str:
    """Return an address in its usual form; the text itself if it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def prefix(text: str) -> int | None:
    """Return a prefix length that is given as one, or as a netmask; None if it is neither."""
    try:
        return ipaddress.ip_network(f"0.0.0.0/{text}").prefixlen
    except ValueError:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) <= 128 else None


def _address(primitive: Primitive) -> Address:
    values = primitive.values
    text, _, length = (values.get("ipv6addr") or values.get("ip", "")).partition("/")
    nic = values.get("nic", "").partition(":")[0]
    given = prefix(length or values.get("cidr_netmask", "") or values.get("netmask", ""))
    return Address(canonical(text), prefix=given, nic=nic, place=primitive.name)


def _portals(cib: Cib, target: Target) -> dict[str, str]:
    """The addresses that a target names, with their ports; none for its default."""
    primitive = next((each for each in cib.of(clusterlabs.TARGET) if each.name == target.place), None)
    text = primitive.values.get("portals", "") if primitive else ""
    found = {}
    for word in [] if text.strip() in _DEFAULT else text.split():
        ip, port = split(word)
        if ip not in ("0.0.0.0", "::"):
            found[ip] = port
    return found


def split(portal: str) -> tuple[str, str]:
    """Return the address and the port of a portal."""
    if portal.startswith("["):
        ip, _, rest = portal[1:].partition("]")
        return canonical(ip), rest.removeprefix(":") or "3260"
    if portal.count(":") > 1:
        return canonical(portal), "3260"
    ip, _, port = portal.partition(":")
    return canonical(ip), port or "3260"
