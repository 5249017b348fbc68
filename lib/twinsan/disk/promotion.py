# SPDX-License-Identifier: GPL-2.0-or-later
"""Publish the promotion score of a replica to the cluster."""

from __future__ import annotations

from twinsan.cluster.score import set_promotion_score
from twinsan.drbd import promotion_score, split_brain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource


def publish_score(replica: str, resource: Resource | None, deadline: Deadline, *, always: bool = False) -> None:
    """Set the promotion score of the primitive `replica` from the state of its DRBD resource, None if that is down. A
    resource that is down or must not be promoted gets no score. The same score is set again within 300 s only if
    `always` is set.
    """
    score = None if resource is None or _is_split(resource) else promotion_score.of(resource)
    set_promotion_score(replica, score, deadline, always=always)


def _is_split(resource: Resource) -> bool:
    """Whether this is a Secondary in a split brain: the operator decides which replica counts, a Primary serves on."""
    return not resource.primary and split_brain.is_unresolved(resource)
