# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the cluster how well a replica could be promoted."""

from __future__ import annotations

from twinsan.system import cluster, drbd_health, split_brain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource


def tell(replica: str, resource: Resource | None, deadline: Deadline, *, always: bool = False) -> None:
    """Tell the score of `resource`, which has none where it is down, for the primitive `replica`; where it was told
    before, only if `always` is set.
    """
    score = None if resource is None or _undecided(resource) else drbd_health.score(resource)
    cluster.set_promotion_score(replica, score, deadline, always=always)


def _undecided(resource: Resource) -> bool:
    """Which replica of a split brain counts is for the operator to decide; a Primary serves on."""
    return not resource.primary and split_brain.found(resource)
