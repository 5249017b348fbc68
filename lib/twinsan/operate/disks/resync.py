# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a resync of DRBD is, and waiting for its end."""

from __future__ import annotations

import time

from twinsan.deadline import Deadline
from twinsan.drbd import health, setup
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from twinsan.drbd.events2 import Resource

STOPPED = Reason(
    Failure,
    "the copy to {node} does not go on: {why}",
    "mend that: DRBD goes on with it by itself; to wait for its end, type this again",
)

_SECONDS_TO_ANSWER = 30.0
_SECONDS_BETWEEN = 1.0
_SECONDS_SILENT = 15.0
# How long a copy may stand still until somebody has to look: a peer that was fenced is back by then.
_SECONDS_TO_GO_ON = 300.0


def progress(resource: Resource | None, volumes: Collection[int]) -> str:
    """Return in words what is being copied of these volumes, "" for nothing."""
    found = []
    for volume in resource.volumes if resource else ():
        for _, replica in resource.replicas(volume) if resource and volume.number in volumes else ():
            if replica.resyncing:
                left = f", {health.duration(replica.seconds_left)} left" if replica.seconds_left is not None else ""
                name = resource.name_of(volume) if resource else ""
                found.append(f"{name}: {replica.done or '0'}% done{left}")
    return "; ".join(found)


def wait(name: str, volumes: Collection[int], node: str, say: Callable[[str], None]) -> None:
    """Wait until this node has all data of these volumes. `say` tells how far it is. Raises Failure if a copy does not
    go on for minutes.
    """
    told_at, moved_at, before = float("-inf"), time.monotonic(), ""
    while True:
        resource = setup.query(name, Deadline(_SECONDS_TO_ANSWER))
        if resource is not None and _is_complete(resource, volumes):
            return
        now, shown = time.monotonic(), progress(resource, volumes)
        if shown and shown != before:
            moved_at = now
        if now - moved_at > _SECONDS_TO_GO_ON:
            raise STOPPED(node=node, why=(health.ailment(resource) if resource else "") or "DRBD is down")
        if shown and now - told_at > _SECONDS_SILENT:
            say(f"      {shown}")
            told_at = now
        before = shown
        time.sleep(_SECONDS_BETWEEN)


def _is_complete(resource: Resource, volumes: Collection[int]) -> bool:
    return all(volume.disk == "UpToDate" for volume in resource.volumes if volume.number in volumes)
