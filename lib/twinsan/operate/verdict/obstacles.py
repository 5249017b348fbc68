# SPDX-License-Identifier: GPL-2.0-or-later
"""What would keep a node from serving if the one that serves died now: blocking obstacles, and what is not known."""

from __future__ import annotations

from twinsan.cluster.values import INFINITY, score
from twinsan.drbd.events2 import GONE_DISKS
from twinsan.drbd.health import duration
from twinsan.drbd.promotion_score import THROUGH_PEER
from twinsan.operate.verdict import fencing_obstacles
from twinsan.operate.verdict.report import Obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.facts.cluster_shape import Cluster
    from twinsan.operate.facts.shape import Facts, Service, Told

_READY = "ready"

# What to type about a node that is not online.
NODE_REMEDIES = {
    "offline": "start it, and see there: systemctl status corosync pacemaker",
    "standby": "crm_attribute --node {node} --name standby --delete",
    "maintenance": "crm_attribute --node {node} --name maintenance --delete",
    "pending": "there: systemctl start pacemaker; if it runs, wait, and see: journalctl -u pacemaker",
    "unclean": "see: stonith_admin --history {node}; once it is off for sure: stonith_admin --confirm={node}",
    "shutdown": "start it again when it is down",
}


class Case:
    """The question: would `other` serve `service` if `server`, which serves now, died?"""

    __slots__ = ("cluster", "facts", "other", "server", "service")

    def __init__(self, facts: Facts, cluster: Cluster, service: Service, server: str, other: str) -> None:
        self.facts = facts
        self.cluster = cluster
        self.service = service
        self.server = server
        self.other = other

    @property
    def told(self) -> Told | None:
        """What the other node has told of itself."""
        return next((each for each in self.facts.told if each.node == self.other), None)


def find(case: Case) -> tuple[list[Obstacle], list[Obstacle]]:
    """Return (what blocks, what is not known)."""
    blocking = list(_node(case))
    if not blocking:
        for look in (_cluster, _replica, _constraints, _target, _failures, _identity, fencing_obstacles.blocking):
            blocking += look(case)
    unknown = [] if blocking else [*_unknown(case), *fencing_obstacles.unknown(case)]
    return blocking, unknown


def _node(case: Case) -> Iterator[Obstacle]:
    state = next((node.state for node in case.cluster.nodes if node.name == case.other), "offline")
    if state != "online":
        yield Obstacle(f"{case.other} is {state}", NODE_REMEDIES.get(state, "see: crm_mon -1").format(node=case.other))


def _cluster(case: Case) -> Iterator[Obstacle]:
    if case.cluster.maintenance:
        command = "crm_attribute --name maintenance-mode --delete"
        yield Obstacle("the cluster is in maintenance mode and starts nothing", command)
    if case.cluster.stopped:
        yield Obstacle("stop-all-resources is set", "crm_attribute --name stop-all-resources --delete")
    for resource, command in case.service.disabled.items():
        yield Obstacle(f"{resource} is stopped or not managed, on purpose", command)


def _replica(case: Case) -> Iterator[Obstacle]:
    service, other = case.service, case.other
    running = [each for each in case.cluster.instances if (each.resource, each.node) == (service.replica, other)]
    if not running:
        yield Obstacle(f"{service.replica} does not run on {other}", _why(case, service.replica))
        return
    disks = list(_disks(case))
    yield from disks
    scores = [each.score for each in case.cluster.scores if (each.resource, each.node) == (service.replica, other)]
    if disks:
        return
    if not scores or scores[0] <= 0:
        command = f"see there: drbdadm status {service.drbd}; journalctl -t 'drbd-vaai({service.replica})'"
        yield Obstacle(f"{other} has no promotion score, so its replica of {service.drbd} is not promoted", command)
    elif scores[0] <= THROUGH_PEER:
        command = f"replace it, then there: drbdadm adjust {service.drbd}"
        yield Obstacle(f"{other} has no disk of its own, and reaches the data through {case.server} alone", command)


def _disks(case: Case) -> Iterator[Obstacle]:
    """Disks of the other node that lack data, as this node's DRBD sees them now; the score may be older."""
    drbd = case.service.drbd
    for resource in case.facts.replication or ():
        if resource.drbd != drbd:
            continue
        for volume in resource.volumes:
            name = drbd if len(resource.volumes) == 1 else f"{drbd}/{volume.number}"
            replicas = [peer for peer in volume.peers if peer.name in ("peer", case.other)]
            if case.facts.node == case.other:
                disk = volume.disk
            elif case.facts.node == case.server and replicas and replicas[0].disk != "DUnknown":
                disk = replicas[0].disk
            else:
                continue
            if disk == "UpToDate":
                continue
            left = [peer.seconds_left for peer in replicas if peer.resyncing and peer.seconds_left is not None]
            waiting = f", for another {duration(left[0])}" if left else ""
            remedy = "replace it, then there: drbdadm adjust " if disk in GONE_DISKS else "watch: drbdadm status "
            yield Obstacle(f"the disk of {name} on {case.other} is {disk}{waiting}", f"{remedy}{drbd}")


def _constraints(case: Case) -> Iterator[Obstacle]:
    for each in case.cluster.constraints:
        if each.resource in case.service.names and score(each.score) <= -INFINITY and case.other in (each.nodes or ()):
            if each.kind == "fence":
                command = f"let the replicas connect: drbdadm adjust {case.service.drbd}; it goes by itself then"
                yield Obstacle(f"{each.id} bans {case.other} from promotion: it lacks what was written since", command)
            else:
                command = f"crm_resource --resource {each.resource} --clear"
                command = command if each.kind == "ban" else f"see: cibadmin --query --xpath \"//*[@id='{each.id}']\""
                yield Obstacle(f"the constraint {each.id} keeps {each.resource} from {case.other}", command)


def _target(case: Case) -> Iterator[Obstacle]:
    for target in case.service.targets:
        there = [each for each in case.cluster.instances if (each.resource, each.node) == (target, case.other)]
        if not there or there[0].failed:
            yield Obstacle(f"{target} does not run on {case.other}", _why(case, target))


def _failures(case: Case) -> Iterator[Obstacle]:
    mine = (case.service.replica, *case.service.targets, *case.service.luns, *case.service.portals)
    for each in case.cluster.fail_counts:
        if each.node == case.other and each.resource in mine and each.count >= (each.threshold or INFINITY):
            command = f"mend what failed, then: crm_resource --cleanup --resource {each.resource} --node {each.node}"
            yield Obstacle(f"{each.resource} has failed on {each.node}, which bans it there", command)


def _identity(case: Case) -> Iterator[Obstacle]:
    refused = case.service.refusals.get(case.other, "")
    marks = (f"{case.other} would not serve it: ",)
    shown = [each for each in case.cluster.failures if each.reason.startswith(marks) and not each.over]
    told = [f"{each.resource}: {each.reason}" for each in shown]
    for text in [refused] if refused else told:
        yield split(text)
    for address, fault in (case.told.portals if case.told is not None else {}).items():
        if address in case.service.addresses and fault != _READY:
            yield split(f"{case.other} could not take {address}: {fault}")


def _unknown(case: Case) -> Iterator[Obstacle]:
    service, other = case.service, case.other
    because = {each.what: each.because for each in case.facts.not_seen}
    told = case.told
    for address in service.addresses:
        if told is None or address not in told.portals:
            why = because.get(f"whether the nodes could take {address}", "it has not told it")
            yield Obstacle(f"whether {other} could take {address} is unknown: {why}", "")
    if told is None or service.drbd not in told.disks:
        why = because.get(f"what the nodes would serve of {service.drbd}", "it has not told it")
        yield Obstacle(f"what {other} would serve of {service.drbd} is unknown: {why}", "")
    for each in case.cluster.constraints:
        if each.resource in service.names and score(each.score) <= -INFINITY and each.nodes is None:
            command = f"see: cibadmin --query --xpath \"//*[@id='{each.id}']\""
            yield Obstacle(f"whether the constraint {each.id} keeps {each.resource} from {other} is unknown", command)
    yield from _reserved_without_volume(case)


def _reserved_without_volume(case: Case) -> Iterator[Obstacle]:
    if case.service.state_mounted is not False:
        return
    reserved = [lun for lun in case.facts.luns if lun.reservation is not None and lun.reservation.registrants]
    if reserved and set(case.service.luns) - set(case.service.reservations_optional):
        device = case.service.state_device
        command = f"mount {device} /run/twinsan/state.{case.service.drbd}"
        yield Obstacle(f"whether {case.other} could read the reservations in {device}, which is not mounted", command)


def _why(case: Case, resource: str) -> str:
    """What to type about a resource that does not run on the other node: what its failure says."""
    for each in case.cluster.failures:
        if (each.resource, each.node) == (resource, case.other) and each.reason:
            return each.reason
    return f"see: crm_mon -1, and there: journalctl -b -g '{resource}'"


def split(reason: str) -> Obstacle:
    """A reason of an agent as an obstacle: what is wrong, and behind the first semicolon what to type."""
    what, _, remedy = reason.partition("; ")
    return Obstacle(what, remedy)
