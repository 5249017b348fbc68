# SPDX-License-Identifier: GPL-2.0-or-later
"""A replica as a cluster runs it: DRBD's part, the state volume, and the notes for a split brain.

What does not keep a replica from its role fails no change of it: it is given to `warn`.
"""

from __future__ import annotations

from twinsan.drbd import split_brain
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

_SECONDS_TO_RESTORE = 30.0


def promote(name: str, drbdconf: str, deadline: Deadline) -> Resource:
    """Make this node Primary, after bringing back what frozen I/O had to be failed for: a Primary whose I/O would still
    fail instead of waiting must not be. Returns the state then. Raises Failure.
    """
    from twinsan.drbd import frozen_io, role

    frozen_io.restore(name, drbdconf, deadline)
    return role.promote(name, deadline)


def demote(
    resource: Resource,
    drbdconf: str,
    deadline: Deadline,
    note: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Make this node Secondary, and bring back what frozen I/O had to be failed for. `note` takes what an operator
    should know. Raises Failure where this node stays Primary.
    """
    from twinsan.drbd import frozen_io, role

    role.demote(resource, deadline, note)
    try:
        frozen_io.restore(resource.name, drbdconf, deadline.within(_SECONDS_TO_RESTORE))
    except Failure as failure:
        warn(f"one copy only, until the next start: {failure}")


def mount_state(
    resource: Resource, state_device: Callable[[], str], deadline: Deadline, warn: Callable[[str], None]
) -> None:
    """Mount the state volume of a Primary. `state_device` returns its device, "" for none; it may raise Failure for a
    wrong one. Without it the data can be served all the same: the monitor says what is missing.
    """
    from twinsan.drbd import state_mount, state_volume

    try:
        device = state_device()
        if device:
            state_mount.mount(resource, device, deadline)
        else:
            state_volume.forget(resource)
    except (Failure, OSError) as failure:
        warn(f"reservations do not survive this node: {failure}")


def note_role(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Note since when this node is Primary without its peer, and forget a split brain that is healed. Nothing depends
    on it: `note` takes why it was not possible.
    """
    try:
        split_brain.note_primary_alone(resource)
        split_brain.forget(resource, deadline)
    except (Failure, OSError) as failure:
        note(f"since when {resource.name} is Primary alone could not be noted: {failure}")
