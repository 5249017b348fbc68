# SPDX-License-Identifier: GPL-2.0-or-later
"""The promotion score of a replica: how well its node could serve.

The first line that fits a volume counts. Of several volumes, the lowest score counts:

======================================================================  ======
Primary that reaches UpToDate data for every volume and fails no I/O     10000
Secondary: I/O suspended, failing by force, or no quorum                  none
UpToDate here; each peer is UpToDate, or known to be worse               10000
UpToDate here; a peer is StandAlone and its disk is unknown               none
UpToDate here; a peer cannot be reached and its disk is unknown           1000
UpToDate here; no peer is configured                                      1000
Diskless here; a connected peer is UpToDate                                 10
anything else: Inconsistent, Outdated, Consistent, still attaching        none
======================================================================  ======

A Primary keeps its score when its own disk dies: it goes on through the peer's disk, and the operator decides whether
to move the SAN. StandAlone may be a split brain: whichever node is Primary then has writes that the other lacks.
"""

from __future__ import annotations

from twinsan.drbd import health
from twinsan.drbd.events2 import GONE_DISKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Connection, Resource, Volume

BEST = 10000
PEER_UNKNOWN = 1000
THROUGH_PEER = 10


def of(resource: Resource) -> int | None:
    """Return the score of this node by the table above; None if it has none."""
    if resource.primary:
        return BEST if health.can_serve(resource) else None
    if resource.suspended or resource.force_io_failures or not resource.volumes:
        return None
    scores = [_of_volume(resource, volume) for volume in resource.volumes]
    return min(scores) or None


def _of_volume(resource: Resource, volume: Volume) -> int:
    """The score of a Secondary's volume; 0 for none."""
    if volume.quorum is False:
        return 0
    if volume.disk != "UpToDate":
        return THROUGH_PEER if volume.disk in GONE_DISKS and resource.has_data_on_a_peer(volume) else 0
    unknown = [connection for connection in resource.connections if _peer_disk(connection, volume) == "DUnknown"]
    if any(connection.state == "StandAlone" for connection in unknown):
        return 0
    return BEST if resource.connections and not unknown else PEER_UNKNOWN


def _peer_disk(connection: Connection, volume: Volume) -> str:
    replica = connection.volume(volume.number)
    return replica.disk if replica is not None else "DUnknown"
