# SPDX-License-Identifier: GPL-2.0-or-later
"""The samples, made of the facts of this node."""

from __future__ import annotations

from twinsan import __version__
from twinsan.operate.metrics import families
from twinsan.operate.metrics.text import Samples
from twinsan.operate.verdict import prediction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from twinsan.operate.facts.cluster_shape import Cluster
    from twinsan.operate.facts.shape import Facts, Service
    from twinsan.operate.facts.storage_shape import Lun, Peer, Replication, Target
    from twinsan.operate.metrics.thin_pools import Pool

_MIB = 1 << 20
_KIB = 1 << 10

_VAAI = ("ats", "xcopy", "write_same", "unmap")

# A peer with these states of its disk says nothing of it.
_UNKNOWN_DISKS = ("DUnknown", "")


def of(facts: Facts, pools: Iterable[Pool], failovers: Iterable[Mapping[str, Any]]) -> Samples:
    """Return the samples of the facts, of the thin pools, and of the failovers that the alert agent remembers."""
    samples = Samples()
    samples.add(families.INFO, 1, __version__, facts.node)
    samples.add(families.COLLECTED, facts.at)
    samples.add(families.TOOK, facts.seconds)
    samples.add(families.UNSEEN_SOURCES, len(facts.not_seen))
    for unseen in facts.not_seen:
        samples.add(families.UNSEEN, 1, unseen.what)
    if facts.cluster is not None:
        _add_cluster(samples, facts.cluster)
    _add_services(samples, facts)
    _add_failovers(samples, failovers)
    for replication in facts.replication or ():
        _add_replication(samples, replication)
    for lun in facts.luns:
        # Its name is the cluster's. Without that, it would be another series for a while.
        if facts.cluster is not None or lun.resource:
            _add_lun(samples, lun)
    for target in facts.targets:
        _add_target(samples, target)
    for pool in pools:
        samples.add(families.POOL_DATA, pool.data, pool.name)
        samples.add(families.POOL_META, pool.metadata, pool.name)
    return samples


def _add_cluster(samples: Samples, cluster: Cluster) -> None:
    samples.add(families.QUORUM, cluster.quorum)
    samples.add(families.MAINTENANCE, cluster.maintenance)
    for node in cluster.nodes:
        samples.add(families.NODE_ONLINE, node.state == "online", node.name)
    for each in cluster.failures:
        samples.add(families.DEGRADED if each.degraded else families.FAILED, 1, each.resource, each.node)
    for instance in cluster.instances:
        if instance.node is not None:
            samples.add(families.DEGRADED, 0, instance.resource, instance.node)
            samples.add(families.FAILED, instance.failed, instance.resource, instance.node)
    for device in cluster.fence_devices:
        samples.add(families.FENCE_DEVICE, device.answers, device.resource)
    # The latest first, and the first one counts.
    for fencing in cluster.fencings or ():
        if fencing.status in ("success", "failed"):
            samples.add(families.FENCED, fencing.at, fencing.node)
            samples.add(families.FENCED_WELL, fencing.status == "success", fencing.node)


def _add_services(samples: Samples, facts: Facts) -> None:
    for service in facts.services:
        _add_service(samples, service, facts)
    for each in prediction.of(facts):
        samples.add(families.STANDBY_READY, each.would_serve, each.drbd)
        samples.add(families.STANDBY_KNOWN, each.would_serve is not None, each.drbd)
        samples.add(families.TAKE_OVER, each.seconds, each.drbd)


def _add_service(samples: Samples, service: Service, facts: Facts) -> None:
    if facts.cluster is None:
        return
    samples.add(families.SERVED, service.node is not None, service.drbd)
    samples.add(families.SERVES, service.node == facts.node, service.drbd)
    samples.add(families.SERVED_SINCE, service.since, service.drbd)


def _add_failovers(samples: Samples, failovers: Iterable[Mapping[str, Any]]) -> None:
    """The last of a resource's failovers has the numbers and sums of all."""
    for each in reversed(list(failovers)):
        resource = str(each.get("resource", "?"))
        samples.add(families.FAILOVERS, _number(each, "number"), resource)
        samples.add(families.STALLS, _number(each, "sum"), resource)
        samples.add(families.LAST_FAILOVER, _number(each, "time"), resource)
        samples.add(families.LAST_STALL, _number(each, "seconds"), resource)


def _number(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    return value if isinstance(value, (int, float)) else None


def _add_replication(samples: Samples, replication: Replication) -> None:
    drbd = replication.drbd
    samples.add(families.PRIMARY, replication.role == "Primary", drbd)
    samples.add(families.WELL, not replication.ailment, drbd)
    samples.add(families.SUSPENDED, bool(replication.suspended), drbd)
    samples.add(families.SPLIT_BRAIN, replication.split_brain, drbd)
    for volume in replication.volumes:
        samples.add(families.DISK, volume.disk == "UpToDate", drbd, str(volume.number))
        for peer in volume.peers:
            _add_peer(samples, peer, drbd, str(volume.number))


def _add_peer(samples: Samples, peer: Peer, drbd: str, volume: str) -> None:
    labels = drbd, volume, peer.name
    samples.add(families.CONNECTED, peer.connected, drbd, peer.name)
    samples.add(families.IN_FLIGHT, peer.in_flight_bytes, drbd, peer.name)
    samples.add(families.CONGESTED, peer.congested, drbd, peer.name)
    if peer.disk not in _UNKNOWN_DISKS:
        samples.add(families.PEER_DISK, peer.disk == "UpToDate", *labels)
    amount = peer.out_of_sync_kib
    samples.add(families.OUT_OF_SYNC, None if amount is None else amount * _KIB, *labels)
    samples.add(families.RESYNC, peer.resyncing, *labels)
    if peer.resyncing:
        samples.add(families.RESYNC_DONE, None if peer.done_percent is None else peer.done_percent / 100, *labels)
        samples.add(families.RESYNC_LEFT, peer.seconds_left, *labels)


def _add_lun(samples: Samples, lun: Lun) -> None:
    name = lun.resource or lun.serial or lun.device
    samples.add(families.LUN_SIZE, lun.size_bytes, name)
    samples.add(families.LUN_COMMANDS, lun.commands, name)
    samples.add(families.LUN_READ, None if lun.read_mib is None else lun.read_mib * _MIB, name)
    samples.add(families.LUN_WRITTEN, None if lun.written_mib is None else lun.written_mib * _MIB, name)
    samples.add(families.LUN_RESETS, lun.resets, name)
    for primitive in _VAAI:
        samples.add(families.LUN_VAAI, primitive in lun.vaai, name, primitive)
    if lun.reservation is not None:
        samples.add(families.REGISTRANTS, lun.reservation.registrants, name)
        samples.add(families.RESERVED, lun.reservation.type is not None, name)


def _add_target(samples: Samples, target: Target) -> None:
    iqn = target.target
    samples.add(families.TARGET, target.enabled, iqn)
    samples.add(families.SESSIONS, sum(session.logged_in for session in target.sessions), iqn)
    samples.add(families.FAILED_LOGINS, target.failed_logins, iqn)
    for session in target.sessions:
        labels = iqn, session.initiator
        samples.add(families.SESSION, session.logged_in, *labels)
        if session.logged_in:
            samples.add(families.SESSION_READ, session.sent_bytes, *labels)
            samples.add(families.SESSION_WRITTEN, session.received_bytes, *labels)
            samples.add(families.SESSION_ERRORS, session.digest_errors, *labels, "digest")
            samples.add(families.SESSION_ERRORS, session.timeout_errors, *labels, "timeout")
