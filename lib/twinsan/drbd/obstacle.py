# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps a replica from being promoted, found before DRBD is asked to promote it."""

from __future__ import annotations

from twinsan.drbd import health
from twinsan.drbd.events2 import GONE_DISKS
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource, Volume

PEER_IS_PRIMARY = Reason(
    Failure, "{peer} is still Primary of {resource}", "demote it there: drbdadm secondary {resource}"
)
NO_VOLUME = Reason(Failure, "{resource} has no volume", "bring it up: drbdadm adjust {resource}")
CONSISTENT = Reason(
    Failure,
    "{volume} is only Consistent: bring back the peer, which may have newer data",
    "gone for good: drbdadm primary --force {resource}",
)
OUTDATED = Reason(
    Failure,
    "{volume} is only Outdated: bring back the peer, which has newer data",
    "gone for good: drbdadm primary --force {resource}",
)
ATTACHING = Reason(Failure, "{volume} is still {disk}", "see 'dmesg' and: drbdadm status {resource}")
RESYNCING = Reason(Failure, "{volume} is Inconsistent until its resync ends", "watch it: drbdadm status {resource}")
INCONSISTENT = Reason(
    Failure,
    "{volume} is Inconsistent: bring back the peer, which has all data",
    "gone for good: drbdadm primary --force {resource} (torn)",
)
NO_DATA = Reason(
    Failure, "{volume} is {disk} and no peer has UpToDate data", "attach the disk: drbdadm adjust {resource}"
)


def find(resource: Resource, *, wait_for_peer: bool = True) -> tuple[str, bool] | None:
    """Return (reason, transient): why this node cannot be promoted, and whether that may pass by itself. None if DRBD
    may be asked to promote it. `wait_for_peer` is whether a peer that is Primary may still become Secondary.
    """
    name = resource.name
    for connection in resource.connections:
        if connection.connected and connection.role == "Primary":
            return PEER_IS_PRIMARY.text(peer=connection.peer, resource=name), wait_for_peer
    if not resource.volumes:
        return NO_VOLUME.text(resource=name), False
    if "user" in resource.suspended:
        return health.FROZEN_BY_HAND.text(resource=name), False
    return next(filter(None, (_of_volume(resource, volume) for volume in resource.volumes)), None)


def _of_volume(resource: Resource, volume: Volume) -> tuple[str, bool] | None:
    if volume.disk == "UpToDate" or (volume.disk in GONE_DISKS and resource.has_data_on_a_peer(volume)):
        return None
    reason, may_pass = NO_DATA, False
    if volume.disk == "Consistent":
        reason, may_pass = CONSISTENT, True
    elif volume.disk == "Outdated":
        reason, may_pass = OUTDATED, any(connection.connected for connection in resource.connections)
    elif volume.disk in health.TRANSIENT_DISKS:
        reason, may_pass = ATTACHING, True
    elif volume.disk == "Inconsistent":
        may_pass = any(replica.resyncing for _, replica in resource.replicas(volume))
        reason = RESYNCING if may_pass else INCONSISTENT
    return reason.text(volume=resource.name_of(volume), disk=volume.disk, resource=resource.name), may_pass
