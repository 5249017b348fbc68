# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD on this node, from one run of drbdsetup."""

from __future__ import annotations

import os

from twinsan.drbd import events2, health, setup, split_brain
from twinsan.host import rundir
from twinsan.operate.facts import storage_shape as shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Connection, PeerVolume, Resource

_SECTOR = 512


def look(deadline: Deadline) -> Iterator[shape.Replication]:
    """Yield the resources that are up on this node. Raises Failure if DRBD cannot be asked."""
    for resource in setup.all_resources(deadline):
        yield of(resource, found_split_brain(resource))


def found_split_brain(resource: Resource) -> bool | None:
    """Whether DRBD has found a split brain that is not healed; None if the notes of that cannot be read."""
    if resource.alone and not os.access(rundir.DIRECTORY, os.R_OK | os.X_OK):
        return None
    return split_brain.is_unresolved(resource)


def of(resource: Resource, split: bool | None) -> shape.Replication:
    """Return the facts of a resource; `split` is whether it is in a split brain."""
    return shape.Replication(
        drbd=resource.name,
        role=resource.role,
        suspended=resource.suspended,
        ailment=health.ailment(resource),
        split_brain=split,
        volumes=tuple(
            shape.Volume(
                number=volume.number,
                minor=volume.minor,
                disk=volume.disk,
                quorum=volume.quorum,
                peers=tuple(_peer(connection, volume.number) for connection in resource.connections),
            )
            for volume in resource.volumes
        ),
    )


def _peer(connection: Connection, number: int) -> shape.Peer:
    replica = connection.volume(number) or events2.PeerVolume({})
    return shape.Peer(
        name=connection.name,
        role=connection.role,
        connection=connection.state,
        connected=connection.connected,
        disk=replica.disk,
        replication=replica.replication,
        resyncing=connection.connected and replica.resyncing,
        paused=replica.paused,
        done_percent=_percent(replica),
        seconds_left=replica.seconds_left,
        out_of_sync_kib=replica.out_of_sync,
        in_flight_bytes=None if connection.in_flight is None else connection.in_flight * _SECTOR,
        congested=connection.congested,
    )


def _percent(replica: PeerVolume) -> float | None:
    try:
        return float(replica.done)
    except ValueError:
        return None
