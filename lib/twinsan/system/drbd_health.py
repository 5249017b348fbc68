# SPDX-License-Identifier: GPL-2.0-or-later
"""What a state of DRBD means: how well this node could serve, what keeps it from it, and what is not well.

The promotion score of a node. The first line that fits every volume counts; of several volumes, the worst:

======================================================================  ======
Primary that reaches UpToDate data for every volume                      10000
Secondary: I/O suspended, failing by force, or no quorum                  none
UpToDate here; each peer is UpToDate, or known to be worse               10000
UpToDate here; a peer is StandAlone and its disk is unknown               none
UpToDate here; a peer cannot be reached and its disk is unknown           1000
Diskless here; a connected peer is UpToDate                                 10
anything else: Inconsistent, Outdated, Consistent, still attaching        none
======================================================================  ======

A Primary keeps its score when its own disk dies: it goes on through the peer's, and to move the SAN is for the operator
to decide. StandAlone may be a split brain: whoever is Primary then has what the other one lacks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.events2 import Connection, PeerVolume, Resource, Volume

BEST = 10000
PEER_UNKNOWN = 1000
THROUGH_PEER = 10

# Disk states that pass by themselves: DRBD is reading meta data, or asking its peer.
_PASSING_DISKS = ("Attaching", "Negotiating", "Consistent")
_GONE_DISKS = ("Diskless", "Failed", "Detaching")

# What the peer has of what a disk in this state lacks.
_ELSEWHERE = {"Outdated": "has newer data", "Consistent": "may have newer data", "Inconsistent": "has the rest"}


def score(resource: Resource) -> int | None:
    """The promotion score by the table above; None for no score."""
    if resource.primary:
        return BEST if not failure(resource) else None
    if resource.suspended or resource.force_io_failures or not resource.volumes:
        return None
    scores = [_volume_score(resource, volume) for volume in resource.volumes]
    return min(scores) or None


def _volume_score(resource: Resource, volume: Volume) -> int:
    if volume.quorum is False:
        return 0
    if volume.disk != "UpToDate":
        return THROUGH_PEER if volume.disk in _GONE_DISKS and _reachable(resource, volume) else 0
    unknown = [connection for connection in resource.connections if _disk(connection, volume) == "DUnknown"]
    if any(connection.state == "StandAlone" for connection in unknown):
        return 0
    return BEST if resource.connections and not unknown else PEER_UNKNOWN


def _disk(connection: Connection, volume: Volume) -> str:
    replica = connection.volume(volume.number)
    return replica.disk if replica is not None else "DUnknown"


def _reachable(resource: Resource, volume: Volume) -> bool:
    return any(replica.disk == "UpToDate" for _, replica in resource.replicas(volume))


def passing(resource: Resource) -> bool:
    """Whether the state is about to change by itself, so that one look at it proves nothing."""
    disks = any(volume.disk in _PASSING_DISKS for volume in resource.volumes)
    handshakes = any(
        replica.replication == "Off" for volume in resource.volumes for _, replica in resource.replicas(volume)
    )
    return disks or handshakes


def failure(resource: Resource) -> str:
    """Why a Primary cannot serve; "" where it can, if only later."""
    for volume in resource.volumes:
        where = _where(resource, volume)
        if volume.disk != "UpToDate" and not _reachable(resource, volume):
            # The peer first: a disk that was lost first is not attached to a Primary that has no other data (150).
            lost, name = f"{where} is Primary without data ({volume.disk})", resource.name
            return f"{lost}; type: drbdadm connect {name}; drbdadm wait-connect {name} && drbdadm adjust {name}"
        if volume.quorum is False and "quorum" not in resource.suspended:
            return (
                f"{where} fails I/O because quorum is lost; bring the other nodes back: drbdadm status {resource.name}"
            )
    return ""


def obstacle(resource: Resource) -> tuple[str, bool] | None:
    """What keeps this node from being promoted, and whether it may pass by itself; None where DRBD may be asked."""
    name = resource.name
    for connection in resource.connections:
        if connection.connected and connection.role == "Primary":
            return f"{peer(connection)} is still Primary of {name}; demote it there: drbdadm secondary {name}", True
    if not resource.volumes:
        return f"{name} has no volume; bring it up: drbdadm adjust {name}", False
    if "user" in resource.suspended:
        return f"I/O of {name} is frozen by suspend-io; thaw it: drbdadm resume-io {name}", False
    return next(filter(None, (_disk_obstacle(resource, volume) for volume in resource.volumes)), None)


def _disk_obstacle(resource: Resource, volume: Volume) -> tuple[str, bool] | None:
    where, name = _where(resource, volume), resource.name
    by_force = f"gone for good: drbdadm primary --force {name}"
    connected = any(connection.connected for connection in resource.connections)
    if volume.disk == "UpToDate" or (volume.disk in _GONE_DISKS and _reachable(resource, volume)):
        return None
    if volume.disk in ("Consistent", "Outdated"):
        has = "may have" if volume.disk == "Consistent" else "has"
        text = f"{where} is only {volume.disk}: bring back the peer, which {has} newer data; {by_force}"
        return text, connected or volume.disk == "Consistent"
    if volume.disk in _PASSING_DISKS:
        return f"{where} is still {volume.disk}; see 'dmesg' and: drbdadm status {name}", True
    if volume.disk == "Inconsistent":
        resyncs = any(replica.resyncing for _, replica in resource.replicas(volume))
        if resyncs:
            return f"{where} is Inconsistent until its resync ends; watch it: drbdadm status {name}", True
        return f"{where} is Inconsistent: bring back the peer, which has all data; {by_force} (torn)", False
    return f"{where} is {volume.disk} and no peer has UpToDate data; attach the disk: drbdadm adjust {name}", False


def ailment(resource: Resource, since: str = "") -> str:
    """What is not well, the gravest first, and what to type; "" where all is well. `since` says, in words, since when
    this node lacks data.

    The cluster shows 128 characters: what to type begins early.
    """
    return (
        _suspended(resource)
        or _forced(resource)
        or _quorum(resource)
        or _local_disk(resource)
        or _behind(resource, since)
        or _link(resource)
        or _resync(resource)
        or _peer_disk(resource)
    )


def duration(seconds: int) -> str:
    """A time span, in words that stay right for a disk of any size: ``1:02:03 h``, ``2:03 min``, ``3 s``."""
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def peer(connection: Connection) -> str:
    """The peer's name, as far as DRBD tells; 8.4 calls everybody "peer"."""
    return "the peer" if connection.name == "peer" else connection.name


def _where(resource: Resource, volume: Volume) -> str:
    return resource.name if len(resource.volumes) == 1 else f"{resource.name}/{volume.number}"


def _suspended(resource: Resource) -> str:
    name = resource.name
    if "user" in resource.suspended:
        return f"I/O of {name} is frozen by suspend-io; thaw it: drbdadm resume-io {name}"
    if "no-data" in resource.suspended:
        return f"I/O of {name} is frozen: no UpToDate data is in reach; bring back peer or disk: drbdadm adjust {name}"
    if "fencing" in resource.suspended:
        names = [connection.name for connection in resource.connections if not connection.connected]
        lost = names[0] if len(names) == 1 and names[0] != "peer" else "PEER"
        return (
            f"I/O of {name} is frozen until the lost peer is fenced; once it is off for sure: stonith_admin "
            f"--confirm={lost}; see 'journalctl -t twinsan'"
        )
    if "quorum" in resource.suspended and resource.primary:
        return f"I/O of {name} is frozen: quorum is lost; bring the other nodes back: drbdadm status {name}"
    if resource.suspended and resource.suspended != ("quorum",):
        return f"I/O of {name} is frozen ({','.join(resource.suspended)}); see: drbdadm status {name}"
    return ""


def _forced(resource: Resource) -> str:
    if not resource.force_io_failures:
        return ""
    name = resource.name
    return f"{name} was demoted by force and fails the I/O of who still holds it; end that program: fuser -v /dev/drbd*"


def _quorum(resource: Resource) -> str:
    if any(volume.quorum is False for volume in resource.volumes):
        return f"{resource.name} has no quorum; bring the other nodes back: drbdadm status {resource.name}"
    return ""


def _local_disk(resource: Resource) -> str:
    for volume in resource.volumes:
        where, name = _where(resource, volume), resource.name
        if volume.disk in _GONE_DISKS and not volume.client:
            # `attach` stops at the first volume that has its disk (drbdadm of 8.4 and 9).
            through = ", I/O goes through the peer" if resource.primary else ""
            gone = (
                f"the local disk of {where} is gone ({volume.disk}){through}; replace it, then: drbdadm adjust {name}"
            )
            return f"{gone}; a new one first: drbdadm create-md {name}/{volume.number}; see 'dmesg'"
        if volume.disk in ("Attaching", "Negotiating"):
            return f"the local disk of {where} is still {volume.disk}; see 'dmesg' and: drbdadm status {name}"
    return ""


def _behind(resource: Resource, since: str) -> str:
    """A replica that cannot serve, and whose peer is away."""
    if resource.primary or any(connection.connected for connection in resource.connections):
        return ""
    cut = any(connection.state == "StandAlone" for connection in resource.connections)
    names = [peer(connection) for connection in resource.connections]
    other = names[0] if len(names) == 1 else "a peer"
    for volume in resource.volumes:
        has, where, name = _ELSEWHERE.get(volume.disk, ""), _where(resource, volume), resource.name
        if has:
            typed = f"drbdadm adjust {name}; gone for good: drbdadm primary --force {name}"
            state = f"{where} is {volume.disk}{since}, {other} {has}"
            return f"{state}; type: {typed}" if cut else f"{state}; there: {typed}"
    return ""


def _link(resource: Resource) -> str:
    name = resource.name
    for connection in resource.connections:
        if connection.state == "StandAlone":
            return (
                f"replication of {name} to {peer(connection)} is cut (StandAlone); on each node where it is so type: "
                f"drbdadm connect {name}; somebody disconnected it, or DRBD refused it: see 'dmesg'"
            )
        if not connection.connected:
            return (
                f"replication of {name} is down ({connection.state}), {peer(connection)} does not answer; check the "
                f"network, and there: drbdadm adjust {name}"
            )
    return ""


def _resync(resource: Resource) -> str:
    for volume in resource.volumes:
        for connection, replica in resource.replicas(volume):
            if replica.resyncing:
                return _resync_text(resource, volume, connection, replica)
    return ""


def _resync_text(resource: Resource, volume: Volume, connection: Connection, replica: PeerVolume) -> str:
    where, name = _where(resource, volume), resource.name
    behind = "this node" if replica.replication.endswith("T") or "Target" in replica.replication else peer(connection)
    done = f", {replica.done}% done" if replica.done else ""
    if replica.seconds_left is not None:
        done += f", {duration(replica.seconds_left)} left"
    if replica.replication.startswith("PausedSync") or replica.resync_suspended != "no":
        paused = f"the resync of {where} is paused ({replica.resync_suspended}), {behind} is behind"
        there = f" on {peer(connection)}" if replica.resync_suspended == "peer" else ""
        return f"{paused}; to go on with it, type{there}: drbdadm resume-sync {name}"
    state = f"{where} is resynchronising ({replica.replication}{done})"
    if behind == "this node" and resource.primary:
        return f"{state}, this node is behind; watch: drbdadm status {name}"
    return f"{state}, {behind} cannot serve until then; watch: drbdadm status {name}"


def _peer_disk(resource: Resource) -> str:
    for volume in resource.volumes:
        where, name = _where(resource, volume), resource.name
        for connection, replica in resource.replicas(volume):
            if replica.disk == "UpToDate" or replica.client or replica.replication == "Off":
                continue
            if volume.disk == replica.disk == "Inconsistent":
                return (
                    f"no replica of {where} has data yet; on the node whose disk counts: drbdadm primary --force {name}"
                )
            disk = f"{peer(connection)}'s disk of {where} is {replica.disk}, so there is one copy only"
            if replica.disk in _GONE_DISKS:
                return f"{disk}; replace it, then there: drbdadm adjust {name}; see 'dmesg' there"
            return f"{disk}; look there: drbdadm status {name}, dmesg"
    return ""
