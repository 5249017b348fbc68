# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of what the cluster says: records, each field with its description."""

from __future__ import annotations

from twinsan.operate.facts.fact import Record, fact


class Node(Record):
    """A node of the cluster."""

    name: str = fact("the cluster's name of it")
    state: str = fact("online, standby, maintenance, pending, unclean, shutdown or offline")
    coordinator: bool = fact("whether it is the DC, which makes the cluster's plans")


class Instance(Record):
    """A resource on a node; of a clone each instance is one."""

    resource: str = fact("its name, without the number of a clone's instance")
    agent: str = fact("its agent, such as ocf:twinsan:lio-lun")
    role: str = fact("Started, Stopped, Promoted or Unpromoted, also where the cluster uses the older words")
    node: str | None = fact("where it runs; null if it is stopped")
    managed: bool = fact("whether the cluster starts and stops it")
    failed: bool = fact("whether the cluster takes it for failed")
    since: int | None = fact("since when it has this role there, by the cluster's history")
    action_seconds: float | None = fact("how long the start or promotion took that gave it this role there")


class Failure(Record):
    """A failed or degraded action that the cluster has not forgotten, as crm_mon lists it."""

    resource: str = fact("the resource")
    node: str = fact("where it was")
    operation: str = fact("start, stop, monitor, promote, demote and so on")
    code: int = fact("the exit status; 190 and 191 are degraded")
    degraded: bool = fact("whether the resource works all the same")
    over: bool = fact("whether the same operation has succeeded since, so that the cluster only remembers it")
    reason: str = fact("the reason that the agent gave, in full, with what to type; empty if it gave none")
    at: int | None = fact("when it last changed")


class FailCount(Record):
    """How often a resource has failed on a node."""

    resource: str = fact("the resource")
    node: str = fact("the node")
    count: int = fact("how often; 1000000 is for ever")
    threshold: int | None = fact("the count from which on the cluster bans it there; null for none")


class Score(Record):
    """A promotion score that a node has published."""

    resource: str = fact("the replica, by its name in the cluster")
    node: str = fact("the node")
    score: int = fact("the score: 10000 is the best")


class Constraint(Record):
    """A location constraint that binds or bans a resource."""

    id: str = fact("its id")
    resource: str = fact("the resource, clone or group")
    kind: str = fact("move (crm_resource --move), ban (--ban), fence (a handler of DRBD) or other")
    role: str | None = fact("Promoted if it only concerns that role")
    score: str = fact("its score, such as -INFINITY")
    nodes: tuple[str, ...] | None = fact("the nodes that it applies to; null if that depends on more than their names")


class FenceDevice(Record):
    """A device that can turn nodes off."""

    resource: str = fact("its name in the cluster")
    agent: str = fact("its agent, such as fence_ipmilan")
    targets: tuple[str, ...] = fact("the nodes that it can turn off; empty if only the device knows")
    node: str | None = fact("the node that watches it; null if it is stopped")
    answers: bool | None = fact("whether it answered its last monitor")
    monitor_seconds: float | None = fact("how long its last monitor took, or its start if that was quicker")
    power_wait_seconds: float | None = fact("its parameter power_wait")
    delay_seconds: float = fact("its own delay, pcmk_delay_base")


class Fencing(Record):
    """A node that was turned off, or should have been."""

    node: str = fact("the node that was fenced")
    action: str = fact("reboot, off or on")
    status: str = fact("success, failed or pending")
    by: str = fact("the node that did it")
    at: int | None = fact("when it was completed")


class Votes(Record):
    """Quorum, by corosync's configuration and state."""

    token_seconds: float = fact("how late a token may be, before its node counts as lost")
    consensus_seconds: float = fact("how long the others then wait to agree")
    two_node: bool = fact("whether one node of two has quorum alone")
    third_vote: bool = fact("whether a third vote (qdevice) is configured")
    third_vote_seconds: float | None = fact("when the third machine gives a dead node up; null without one")
    present: int | None = fact("how many votes are there; null if corosync was not asked or did not answer")
    needed: int | None = fact("how many votes make quorum; null as above")
    third_vote_present: bool | None = fact("whether the third vote is cast; null as above")


class Cluster(Record):
    """The cluster, as this node sees it."""

    quorum: bool | None = fact("whether this node's partition has quorum")
    maintenance: bool = fact("whether the whole cluster is in maintenance mode")
    stopped: bool = fact("whether stop-all-resources is set")
    fencing_enabled: bool = fact("whether fencing is on (stonith-enabled)")
    no_quorum_policy: str = fact("what happens without quorum: stop, freeze, ignore, demote or suicide")
    priority_fencing_delay_seconds: float = fact("how long the node with the lower priority waits before it fences")
    watchdog_seconds: float | None = fact(
        "when a lost node counts as reset by its watchdog; negative for twice SBD's time, null without SBD so used"
    )
    nodes: tuple[Node, ...] = fact("the nodes")
    instances: tuple[Instance, ...] = fact("the resources, with where they run")
    failures: tuple[Failure, ...] = fact("failed and degraded actions, as crm_mon lists them")
    fail_counts: tuple[FailCount, ...] = fact("failures that count")
    scores: tuple[Score, ...] = fact("promotion scores")
    constraints: tuple[Constraint, ...] = fact("location constraints")
    fence_devices: tuple[FenceDevice, ...] = fact("what can turn nodes off")
    fencings: tuple[Fencing, ...] | None = fact("fencings that the cluster remembers, the latest first")
