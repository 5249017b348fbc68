# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks between the nodes and to the hosts."""

from __future__ import annotations

from twinsan.operate.checks import corosync_conf
from twinsan.operate.checks.finding import ERROR, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.finding import Finding

MTU_DIFFERS = Fault(
    "mtu-differs",
    WARNING,
    "link {where} has an MTU of {value}",
    why="large packets of the one side never reach the other: replication hangs, and small ones still go through",
    mend="set the same MTU on both: ip link set dev {device} mtu 1500, and in the settings of the network",
)
MTU_NOT_CARRIED = Fault(
    "mtu-not-carried",
    ERROR,
    "the network to {where} does not carry the MTU of {value} that both nodes have",
    why="large packets never arrive: replication hangs, and small ones still go through",
    mend="set the MTU of the switch, then: ping -M do -s {size} {where}",
)
LINK_DOWN = Fault(
    "link-down",
    ERROR,
    "the network device {device} of {where} carries nothing",
    why="the next link that fails costs a fenced server",
    mend="look at its cable and its switch: ip link show {device}",
)
NO_LINK = Fault(
    "link-without-address",
    ERROR,
    "no network device has the address {where}, which corosync.conf gives to the node",
    why="the link does not work, and the next one that fails costs a fenced server",
    mend="correct the address in corosync.conf on both nodes, or give it to the device",
)
FIREWALL = Fault(
    "firewall-without-iscsi",
    WARNING,
    "{where} filters packets, and its files let no iSCSI in",
    why="hosts find nobody at the portal address when this node serves",
    mend="firewall-cmd --permanent --add-service=iscsi-target --add-service=high-availability; --add-port for DRBD's",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

# What IPv4 and ICMP add to what ping sends.
HEADERS = 28
ORDINARY_MTU = 1500


def find(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with the networks."""
    for node, seen in facts.items():
        if seen["firewall"]["on"] and not seen["firewall"]["iscsi"]:
            yield FIREWALL.at(", ".join(seen["firewall"]["on"]), node=node)
        own = _own(seen)
        for address in corosync_conf.links(own) if own and seen["networks"] is not None else ():
            device = seen["networks"].get(address)
            if device is None and _is_address(address):
                yield NO_LINK.at(address, node=node)
            elif device and not device["works"]:
                yield LINK_DOWN.at(address, node=node, device=device["device"])
        for address, mtu in seen["carried"].items():
            yield MTU_NOT_CARRIED.at(address, node=node, value=mtu, size=mtu - HEADERS)
    if len(facts) == 2:
        yield from _mtu(facts)


def _mtu(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    one, two = facts.values()
    own, other = _own(one), _own(two)
    for here, there in zip(corosync_conf.links(own or {}), corosync_conf.links(other or {})):
        first, second = (one["networks"] or {}).get(here), (two["networks"] or {}).get(there)
        if first and second and first["mtu"] != second["mtu"]:
            told = " and ".join(f"{seen['mtu']} on {node}" for node, seen in zip(facts, (first, second)))
            yield MTU_DIFFERS.at(f"{here} - {there}", value=told, device=first["device"])


def _own(seen: dict[str, Any]) -> dict[str, str] | None:
    """The node's own entry in corosync.conf."""
    names = (seen["host"], seen["node"])
    return next((each for each in corosync_conf.nodes(seen["corosync"]) if each.get("name") in names), None)


def _is_address(text: str) -> bool:
    """Whether it is an address, and no name."""
    return ":" in text or text.replace(".", "").isdecimal()


def large(facts: dict[str, dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Yield the addresses of the other node, the second of `facts`, where both have the same MTU and more than the
    ordinary one.
    """
    one, two = facts.values()
    for here, there in zip(corosync_conf.links(_own(one) or {}), corosync_conf.links(_own(two) or {})):
        first, second = (one["networks"] or {}).get(here), (two["networks"] or {}).get(there)
        if first and second and first["mtu"] == second["mtu"] > ORDINARY_MTU:
            yield there, first["mtu"]
