# SPDX-License-Identifier: GPL-2.0-or-later
"""Release frozen I/O below a LUN that is about to be removed. No initiator may see that I/O fail."""

from __future__ import annotations

from twinsan.drbd import frozen_io
from twinsan.drbd import setup as drbd_setup
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.lio import portal_group, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

# drbdsetup takes milliseconds.
_SECONDS_TO_ASK = 10.0

FROZEN_WITH_PORTAL = Reason(
    Failure,
    "I/O of {resource} is frozen ({reasons}), and initiators would hear it fail over portal {portal}",
    "take the address away first: stop its portal-ip",
)


def device_io(device: str, iqn: str, deadline: Deadline, log: Callable[[str], None]) -> None:
    """Release the frozen I/O of the DRBD resources below a block device, through any stack of mappers, so that its LUN
    of target `iqn` can be removed. Does nothing if no I/O is frozen.

    If DRBD does not answer, that is logged and the removal goes on: most often nothing is frozen. Raises Failure if
    initiators would see the I/O fail.
    """
    try:
        resources = drbd_setup.owners(device, deadline.within(_SECONDS_TO_ASK))
    except (Failure, OSError) as failure:
        log(f"whether the I/O of {device} is frozen is unknown: {failure}")
        return
    frozen = [resource for resource in resources if frozen_io.is_frozen(resource)]
    for resource in frozen:
        if not frozen_io.may_go_on(resource):
            _require_silence(resource, iqn, deadline)
    for resource in frozen:
        frozen_io.release(resource, deadline, log)


def _require_silence(resource: Resource, iqn: str, deadline: Deadline) -> None:
    """Raise Failure if initiators would see the I/O fail: if a portal of the target can be reached here.

    Other volumes of the resource may be LUNs of other targets, and their I/O fails as well. The cluster stops those
    targets at the same time, so wait for them, at most for half of the remaining time.
    """
    portal = portal_group.listening_portal(iqn)
    if not portal and len(resource.volumes) > 1:
        others = tree.targets()
        patience = deadline.within(deadline.remaining() / 2)
        try:
            patience.wait_until(
                lambda: not any(map(portal_group.listening_portal, others)), "all targets are silent", 0.25
            )
        except DeadlinePassed:
            portal = next(filter(None, map(portal_group.listening_portal, others)), "")
    if portal:
        raise FROZEN_WITH_PORTAL(resource=resource.name, reasons=frozen_io.reasons(resource), portal=portal)
