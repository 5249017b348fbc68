# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of the facts as a whole. docs/status.schema.json is made from it."""

from __future__ import annotations

from twinsan.operate.facts.fact import Record, fact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.facts.cluster_shape import Cluster, Votes
    from twinsan.operate.facts.storage_shape import Lun, Replication, Target


class NotSeen(Record):
    """Something that could not be seen."""

    what: str = fact("what could not be seen")
    because: str = fact("why not")


class Told(Record):
    """What a node has told of itself beforehand."""

    node: str = fact("the node")
    portals: dict[str, str] = fact('what would keep it from taking a portal address, by address; "ready" for nothing')
    disks: dict[str, str] = fact("the limits of its disks, and what a LUN on them would be there, by DRBD resource")


class Service(Record):
    """What moves as one: a DRBD resource with what is made of it, by the cluster's configuration."""

    drbd: str = fact("the DRBD resource")
    replica: str = fact("the primitive of its replicas")
    clone: str = fact("the clone of its replicas")
    state_device: str = fact("the device of its state volume; empty for none")
    targets: tuple[str, ...] = fact("the primitives of its targets")
    luns: tuple[str, ...] = fact("the primitives of its LUNs")
    portals: tuple[str, ...] = fact("the primitives of its portal addresses")
    addresses: tuple[str, ...] = fact("these addresses")
    names: tuple[str, ...] = fact("all of these, and the groups and clones that they are in")
    disabled: dict[str, str] = fact("what to type about those that are stopped or not managed on purpose, by resource")
    reservations_optional: tuple[str, ...] = fact("the LUNs that are served without their reservations, if need be")
    state_mounted: bool | None = fact("whether the state volume is mounted; null if there is none, or not on this node")
    promoted: str | None = fact("the node whose replica is promoted; null for none")
    node: str | None = fact("the node that serves: it has the role and all LUNs and addresses; null for nobody")
    since: int | None = fact("since when, by the start of its address")
    refusals: dict[str, str] = fact("why another node would not serve one of the LUNs, by node, by what it has told")


class Facts(Record):
    """All of it."""

    format: int = fact("the version of this shape: names are only added, so it stays 1")
    node: str = fact("the node that looked")
    at: int = fact("when")
    seconds: float = fact("how long it took")
    not_seen: tuple[NotSeen, ...] = fact("what could not be seen, and why")
    cluster: Cluster | None = fact("the cluster; null if it could not be seen")
    votes: Votes | None = fact("quorum and time-outs of corosync; null if they could not be read")
    services: tuple[Service, ...] = fact("what is served, by the cluster's configuration")
    replication: tuple[Replication, ...] | None = fact("DRBD on this node; null if it could not be seen")
    targets: tuple[Target, ...] = fact("the targets on this node")
    luns: tuple[Lun, ...] = fact("the LUNs on this node")
    told: tuple[Told, ...] = fact("what the nodes have told of themselves beforehand")
