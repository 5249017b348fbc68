# SPDX-License-Identifier: GPL-2.0-or-later
"""The health of a DRBD resource: why a Primary cannot serve, and what is wrong although it serves.

The cluster shows 128 characters of a reason, so the command to type comes early.
"""

from __future__ import annotations

from twinsan.drbd.events2 import GONE_DISKS
from twinsan.errors import Degraded, Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Connection, PeerVolume, Resource, Volume

# The peer first: to a Primary without data, DRBD does not attach a disk that was lost before the peer (error 150).
WITHOUT_DATA = Reason(
    Failure,
    "{volume} is Primary without data ({disk})",
    "type: drbdadm connect {resource}; drbdadm wait-connect {resource} && drbdadm adjust {resource}",
)
IO_FAILS_WITHOUT_QUORUM = Reason(
    Failure,
    "{volume} fails I/O because quorum is lost",
    "bring the other nodes back: drbdadm status {resource}",
)

FROZEN_BY_HAND = Reason(Degraded, "I/O of {resource} is frozen by suspend-io", "thaw it: drbdadm resume-io {resource}")
FROZEN_WITHOUT_DATA = Reason(
    Degraded,
    "I/O of {resource} is frozen: no UpToDate data is in reach",
    "bring back peer or disk: drbdadm adjust {resource}",
)
FROZEN_FOR_FENCING = Reason(
    Degraded,
    "I/O of {resource} is frozen until the lost peer is fenced",
    "once it is off for sure: stonith_admin --confirm={peer}; see 'journalctl -t twinsan'",
)
FROZEN_WITHOUT_QUORUM = Reason(
    Degraded,
    "I/O of {resource} is frozen: quorum is lost",
    "bring the other nodes back: drbdadm status {resource}",
)
FROZEN = Reason(Degraded, "I/O of {resource} is frozen ({causes})", "see: drbdadm status {resource}")
FAILS_BY_FORCE = Reason(
    Degraded,
    "{resource} was demoted by force and fails the I/O of who still holds it",
    "end that program: fuser -v /dev/drbd*",
)
NO_QUORUM = Reason(Degraded, "{resource} has no quorum", "bring the other nodes back: drbdadm status {resource}")
# Not `attach`: it stops at the first volume that has its disk (drbdadm of 8.4 and 9).
DISK_GONE = Reason(
    Degraded,
    "the local disk of {volume} is gone ({disk})",
    "replace it, then: drbdadm adjust {resource}; a new one first: drbdadm create-md {resource}/{number}; see 'dmesg'",
)
DISK_GONE_ON_PRIMARY = Reason(
    Degraded,
    "the local disk of {volume} is gone ({disk}), I/O goes through the peer",
    "replace it, then: drbdadm adjust {resource}; a new one first: drbdadm create-md {resource}/{number}; see 'dmesg'",
)
DISK_ATTACHING = Reason(
    Degraded, "the local disk of {volume} is still {disk}", "see 'dmesg' and: drbdadm status {resource}"
)
BEHIND_AND_CUT = Reason(
    Degraded,
    "{volume} is {state}, {peer} {has_the_rest}",
    "type: drbdadm adjust {resource}; gone for good: drbdadm primary --force {resource}",
)
BEHIND = Reason(
    Degraded,
    "{volume} is {state}, {peer} {has_the_rest}",
    "there: drbdadm adjust {resource}; gone for good: drbdadm primary --force {resource}",
)
REPLICATION_CUT = Reason(
    Degraded,
    "replication of {resource} to {peer} is cut (StandAlone)",
    "on each node where it is so type: drbdadm connect {resource}; somebody disconnected it, or DRBD refused it: see "
    "'dmesg'",
)
REPLICATION_DOWN = Reason(
    Degraded,
    "replication of {resource} is down ({connection}), {peer} does not answer",
    "check the network, and there: drbdadm adjust {resource}",
)
RESYNC_PAUSED = Reason(
    Degraded,
    "the resync of {volume} is paused ({by_whom}), {node} is behind",
    "to go on with it, type: drbdadm resume-sync {resource}",
)
RESYNC_PAUSED_BY_PEER = Reason(
    Degraded,
    "the resync of {volume} is paused ({by_whom}), {node} is behind",
    "to go on with it, type on {peer}: drbdadm resume-sync {resource}",
)
RESYNC_TO_PRIMARY = Reason(
    Degraded,
    "{volume} is resynchronising ({progress}), this node is behind",
    "watch: drbdadm status {resource}",
)
RESYNC = Reason(
    Degraded,
    "{volume} is resynchronising ({progress}), {node} cannot serve until then",
    "watch: drbdadm status {resource}",
)
NO_DATA_YET = Reason(
    Degraded,
    "no replica of {volume} has data yet",
    "on the node whose disk counts: drbdadm primary --force {resource}",
)
PEER_DISK_GONE = Reason(
    Degraded,
    "{peer}'s disk of {volume} is {disk}, so there is one copy only",
    "replace it, then there: drbdadm adjust {resource}; see 'dmesg' there",
)
PEER_DISK_BEHIND = Reason(
    Degraded,
    "{peer}'s disk of {volume} is {disk}, so there is one copy only",
    "look there: drbdadm status {resource}, dmesg",
)

# Transient disk states: DRBD is reading meta data, or asking its peer.
TRANSIENT_DISKS = ("Attaching", "Negotiating", "Consistent")

# What the peer has, by the state of the local disk.
_ELSEWHERE = {"Outdated": "has newer data", "Consistent": "may have newer data", "Inconsistent": "has the rest"}


def is_transient(resource: Resource) -> bool:
    """Whether the state is about to change by itself, so that one query proves nothing."""
    disks = any(volume.disk in TRANSIENT_DISKS for volume in resource.volumes)
    handshakes = any(
        replica.replication == "Off" for volume in resource.volumes for _, replica in resource.replicas(volume)
    )
    return disks or handshakes


def failure(resource: Resource) -> str:
    """Return the reason why a Primary cannot serve; "" if it can, or can as soon as its I/O is resumed."""
    name = resource.name
    for volume in resource.volumes:
        where = resource.name_of(volume)
        if not _has_data(resource, volume):
            return WITHOUT_DATA.text(volume=where, disk=volume.disk, resource=name)
        if _fails_io(resource, volume):
            return IO_FAILS_WITHOUT_QUORUM.text(volume=where, resource=name)
    return ""


def can_serve(resource: Resource) -> bool:
    """Whether a Primary can serve, or can as soon as its I/O is resumed: whether `failure` returns ""."""
    return all(_has_data(resource, volume) and not _fails_io(resource, volume) for volume in resource.volumes)


def _has_data(resource: Resource, volume: Volume) -> bool:
    return volume.disk == "UpToDate" or resource.has_data_on_a_peer(volume)


def _fails_io(resource: Resource, volume: Volume) -> bool:
    return volume.quorum is False and "quorum" not in resource.suspended


def ailment(resource: Resource, since: str = "") -> str:
    """Return the most serious reason why the resource is not well; "" if all is well. `since` is text such as " since
    10:15" (see `behind`), to follow the state of a disk that lacks data.
    """
    return (
        _frozen(resource)
        or _failing(resource)
        or _local_disk(resource)
        or _behind(resource, since)
        or _replication(resource)
        or _resync(resource)
        or _peer_disk(resource)
    )


def duration(seconds: int) -> str:
    """Return a time span with its unit: ``1:02:03 h``, ``2:03 min``, ``3 s``. It may exceed a day."""
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def _frozen(resource: Resource) -> str:
    name = resource.name
    if "user" in resource.suspended:
        return FROZEN_BY_HAND.text(resource=name)
    if "no-data" in resource.suspended:
        return FROZEN_WITHOUT_DATA.text(resource=name)
    if "fencing" in resource.suspended:
        names = [connection.name for connection in resource.connections if not connection.connected]
        lost = names[0] if len(names) == 1 and names[0] != "peer" else "PEER"
        return FROZEN_FOR_FENCING.text(resource=name, peer=lost)
    if "quorum" in resource.suspended and resource.primary:
        return FROZEN_WITHOUT_QUORUM.text(resource=name)
    if resource.suspended and resource.suspended != ("quorum",):
        return FROZEN.text(resource=name, causes=",".join(resource.suspended))
    return ""


def _failing(resource: Resource) -> str:
    if resource.force_io_failures:
        return FAILS_BY_FORCE.text(resource=resource.name)
    if any(volume.quorum is False for volume in resource.volumes):
        return NO_QUORUM.text(resource=resource.name)
    return ""


def _local_disk(resource: Resource) -> str:
    for volume in resource.volumes:
        where, name = resource.name_of(volume), resource.name
        if volume.disk in GONE_DISKS and not volume.client:
            reason = DISK_GONE_ON_PRIMARY if resource.primary else DISK_GONE
            return reason.text(volume=where, disk=volume.disk, resource=name, number=volume.number)
        if volume.disk in ("Attaching", "Negotiating"):
            return DISK_ATTACHING.text(volume=where, disk=volume.disk, resource=name)
    return ""


def _behind(resource: Resource, since: str) -> str:
    """Return the reason why this Secondary's replica cannot serve while no peer is connected; "" if there is none."""
    if resource.primary or any(connection.connected for connection in resource.connections):
        return ""
    cut = any(connection.state == "StandAlone" for connection in resource.connections)
    peers = [connection.peer for connection in resource.connections]
    reason = BEHIND_AND_CUT if cut else BEHIND
    for volume in resource.volumes:
        if volume.disk in _ELSEWHERE:
            return reason.text(
                volume=resource.name_of(volume),
                state=f"{volume.disk}{since}",
                peer=peers[0] if len(peers) == 1 else "a peer",
                has_the_rest=_ELSEWHERE[volume.disk],
                resource=resource.name,
            )
    return ""


def _replication(resource: Resource) -> str:
    for connection in resource.connections:
        if connection.state == "StandAlone":
            return REPLICATION_CUT.text(resource=resource.name, peer=connection.peer)
        if not connection.connected:
            return REPLICATION_DOWN.text(resource=resource.name, connection=connection.state, peer=connection.peer)
    return ""


def _resync(resource: Resource) -> str:
    for volume in resource.volumes:
        for connection, replica in resource.replicas(volume):
            if replica.resyncing:
                return _resync_of(resource, volume, connection, replica)
    return ""


def _resync_of(resource: Resource, volume: Volume, connection: Connection, replica: PeerVolume) -> str:
    is_target = replica.replication.endswith("T") or "Target" in replica.replication
    values = {
        "volume": resource.name_of(volume),
        "resource": resource.name,
        "node": "this node" if is_target else connection.peer,
        "peer": connection.peer,
    }
    if replica.paused:
        reason = RESYNC_PAUSED_BY_PEER if replica.resync_suspended == "peer" else RESYNC_PAUSED
        return reason.text(by_whom=replica.resync_suspended, **values)
    progress = replica.replication
    progress += f", {replica.done}% done" if replica.done else ""
    progress += f", {duration(replica.seconds_left)} left" if replica.seconds_left is not None else ""
    return (RESYNC_TO_PRIMARY if is_target and resource.primary else RESYNC).text(progress=progress, **values)


def _peer_disk(resource: Resource) -> str:
    for volume in resource.volumes:
        where, name = resource.name_of(volume), resource.name
        for connection, replica in resource.replicas(volume):
            if replica.disk == "UpToDate" or replica.client or replica.replication == "Off":
                continue
            if volume.disk == replica.disk == "Inconsistent":
                return NO_DATA_YET.text(volume=where, resource=name)
            reason = PEER_DISK_GONE if replica.disk in GONE_DISKS else PEER_DISK_BEHIND
            return reason.text(peer=connection.peer, volume=where, disk=replica.disk, resource=name)
    return ""
