# SPDX-License-Identifier: GPL-2.0-or-later
"""What a site is: two nodes, how one switches the other off, and the DRBD resources that they serve.

Each part has the path of its table in the site file, for what the rules find.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twinsan.drbd.promotion_score import BEST, PEER_UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from typing import Union

    from twinsan.site.places import Path

    Network = Union[IPv4Network, IPv6Network]

# What each LUN and each address adds to the score of the node that serves it, where nothing else is said.
STICKINESS = 100

# The ways to make sure that a lost node is off.
IPMI, SBD, WATCHDOG = "ipmi", "sbd", "watchdog"


@dataclass(frozen=True)
class Node:
    """A server: its name, its addresses for corosync (`links`) and for DRBD (`replication`), and that of its BMC."""

    name: str
    links: tuple[str, ...]
    replication: str
    bmc: str
    path: Path


@dataclass(frozen=True)
class Fencing:
    """How a lost node is made sure to be off: by its BMC, by a message on an SBD disk, or by its own watchdog.
    `parameters` are those of the fence devices beside what twinsan writes.
    """

    by: str = IPMI
    devices: tuple[str, ...] = ()
    watchdog: str = "/dev/watchdog"
    parameters: dict[str, str] = field(default_factory=dict)
    path: Path = ("fencing",)


@dataclass(frozen=True)
class Volume:
    """A volume of a DRBD resource: its device, which is the same on both nodes, and the disk on each node."""

    device: str
    minor: int
    number: int
    disks: dict[str, str]
    path: Path


@dataclass(frozen=True)
class Lun:
    """A LUN: its name in the cluster, its volume, and the parameters of its agent."""

    name: str
    number: int
    volume: Volume
    parameters: dict[str, str]
    path: Path


@dataclass(frozen=True)
class Portal:
    """An address that initiators log in to: its name in the cluster, and the parameters of its agent."""

    name: str
    address: str
    port: str
    parameters: dict[str, str]
    path: Path


@dataclass(frozen=True)
class Resource:
    """A DRBD resource with all that is served from it. `suffix` ends the names of its resources in the cluster.
    `preferred` is the node that serves it where both can, "" for either; with `failback` it goes back there by itself.
    """

    name: str
    suffix: str
    port: int
    state: Volume | None
    replica: dict[str, str]
    target: dict[str, str]
    luns: tuple[Lun, ...]
    portals: tuple[Portal, ...]
    preferred: str
    failback: bool
    priority: int
    path: Path

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """All volumes: those of the LUNs, then that of the state."""
        return (*(lun.volume for lun in self.luns), *([self.state] if self.state else []))

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all that moves in the cluster: the LUNs, then the addresses."""
        return (*(lun.name for lun in self.luns), *(portal.name for portal in self.portals))

    @property
    def iqn(self) -> str:
        """The name of the target."""
        return self.target.get("iqn", "")

    def called(self, name: str) -> str:
        """Return the name of a resource of the cluster: `name` with the suffix."""
        return f"{name}{self.suffix}"

    def preference(self, stickiness: int) -> int:
        """The score of the preferred node: less than the stickiness of one part; or so much that all goes back there.
        For that it has to exceed the stickiness of a LUN and of all addresses.
        """
        return stickiness * (len(self.portals) + 2) if self.failback else max(stickiness // 2, 1)

    @property
    def most_stickiness(self) -> int:
        """The most stickiness that its parts may have, so that a node without complete data never keeps them. For the
        promotion the scheduler adds up, twice, what each LUN has, and for each LUN also what the addresses and the
        preferred node have. Together that has to be less than what the promotion score of the other node is ahead.
        """
        for_each_lun = 2 * (1 + len(self.portals)) + (self.preference(2) if self.preferred else 0)
        return (BEST - PEER_UNKNOWN - 1) // max(len(self.luns) * for_each_lun, 1)

    @property
    def grouped(self) -> bool:
        """Whether LUN and address are a group. It has an order for its members, so only one LUN and address can."""
        return len(self.luns) == len(self.portals) == 1


@dataclass(frozen=True)
class Policy:
    """Delays and limits, in seconds if they do not say otherwise."""

    # None for what fencing and the third vote ask for.
    priority_fencing_delay: int | None = None
    recheck_interval: int = 60
    failure_timeout: int = 150
    migration_threshold: int = 2
    # None for 100, or less where there are so many LUNs that it would be too much.
    stickiness: int | None = None
    load_threshold: int = 400
    token_ms: int = 3000
    consensus_ms: int = 1000


@dataclass(frozen=True)
class Alerts:
    """What reports events of the cluster: lines in syslog, and `command` with each of them, "" for none."""

    command: str = ""


@dataclass(frozen=True)
class Site:
    """A pair of nodes and what they serve. `witness` is the address of the third machine with corosync-qnetd, "" if
    there is none. `alerts` is None where events are not reported.
    """

    name: str
    description: str
    networks: dict[str, Network]
    nodes: tuple[Node, ...]
    fencing: Fencing
    witness: str
    policy: Policy
    resources: tuple[Resource, ...]
    alerts: Alerts | None = None

    @property
    def priority_fencing_delay(self) -> int:
        """How long the node that serves less waits before it fences, in seconds. With a third vote only one fences."""
        if self.policy.priority_fencing_delay is not None:
            return self.policy.priority_fencing_delay
        return 0 if self.witness else 5 if self.fencing.by == SBD else 3

    @property
    def stickiness(self) -> int:
        """What each LUN and each address adds to the score of the node that serves it."""
        if self.policy.stickiness is not None:
            return self.policy.stickiness
        return min([STICKINESS, *(each.most_stickiness for each in self.resources)])

    @property
    def watchdog_seconds(self) -> int:
        """The time of the watchdog of SBD. Without an SBD disk it is more than the vote may take (see `corosync`)."""
        return 15 if self.fencing.by == WATCHDOG else 5

    def peer(self, node: Node) -> Node:
        """Return the other node."""
        return self.nodes[1] if node is self.nodes[0] else self.nodes[0]
