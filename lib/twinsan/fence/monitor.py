# SPDX-License-Identifier: GPL-2.0-or-later
"""What a monitor of a replica checks: fencing, split brain, DRBD, the state volume, the disks of both nodes."""

from __future__ import annotations

from twinsan.drbd import behind, health, promotion_score, split_brain, state_volume
from twinsan.errors import Failure
from twinsan.fence import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.disk.shared_limits import KnownLimits
    from twinsan.drbd.events2 import Resource


# The cluster answers at once or is in trouble.
_SECONDS_FOR_CLUSTER = 10.0


class Look:
    """The context of a monitor. `note` is called with each message for the operator. Outside of a cluster no background
    work removes a constraint that was left behind. A probe writes no notes.
    """

    def __init__(self, deadline: Deadline, note: Callable[[str], None], *, in_cluster: bool, is_probe: bool) -> None:
        self.deadline = deadline
        self.note = note
        self.in_cluster = in_cluster
        self.is_probe = is_probe


def ailment(resource: Resource, state_device: Callable[[], str], limits: KnownLimits | None, look: Look) -> str:
    """Return the most serious reason why a replica is not well; "" if all is well.

    `state_device` returns the configured state volume, "" for none, or raises Failure for a wrong one. `limits` is what
    is known of the disks of each node, None for nothing.
    """
    if split_brain.is_unresolved(resource):
        return split_brain.ailment(resource, look.deadline, look.note)
    return (
        watch.freeze_ailment(resource)
        or watch.ban_ailment(resource)
        or health.ailment(resource, "" if look.is_probe else _since(resource, look.note))
        or watch.leftover_ailment(resource, at_once=not look.in_cluster)
        or _on_primary(resource, state_device, limits)
    )


def may_serve(resource: Resource) -> bool:
    """Whether the replica has data of its own that a promotion may serve, or will have it when the resync ends that
    runs.
    """
    has_data = (promotion_score.of(resource) or 0) > promotion_score.THROUGH_PEER
    if not has_data and not resource.being_completed:
        return False
    return not split_brain.is_unresolved(resource) and not watch.ban_ailment(resource)


def share_limits(resource: Resource, look: Look) -> KnownLimits | None:
    """Publish the limits of this node's disks to the cluster. Returns what is known of the disks of each node; None if
    that is nothing, as outside of a cluster. A failure is passed to `look.note`.
    """
    if not look.in_cluster:
        return None
    from twinsan.disk import shared_limits

    try:
        return shared_limits.share(resource, look.deadline.within(_SECONDS_FOR_CLUSTER))
    except (Failure, OSError) as failure:
        look.note(f"what the disks of {resource.name} can do could not be told: {failure}")
        return None


def go_on(resource: Resource, look: Look) -> None:
    """Start the background work that continues what the fence handlers left undone. No effect in a probe or outside of
    a cluster.
    """
    if not look.in_cluster or look.is_probe:
        return
    try:
        watch.start_background_work(resource)
    except (Failure, OSError) as failure:
        look.note(f"whether a fence constraint of {resource.name} stands could not be looked at: {failure}")


def _on_primary(resource: Resource, state_device: Callable[[], str], limits: KnownLimits | None) -> str:
    """The reason that only a Primary can find, which has the LUNs: its state volume is not mounted, or the disks of the
    nodes differ; "" for none.
    """
    if not resource.primary:
        return ""
    device = state_device()
    found = state_volume.ailment(resource.name, device) if device else ""
    if found or limits is None or not limits.unequal:
        return found
    from twinsan.disk import asymmetry

    return asymmetry.ailment(resource, limits)


def _since(resource: Resource, note: Callable[[str], None]) -> str:
    try:
        return behind.since(resource)
    except (OSError, ValueError) as error:
        note(f"since when {resource.name} lacks data could not be noted: {error}")
        return ""
