# SPDX-License-Identifier: GPL-2.0-or-later
"""A replica as the cluster runs it: the role in DRBD, the state volume, and the notes for a split brain.

A problem that does not keep the replica from its role does not fail the change of role: it is passed to `warn`.
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
    """Make this node Primary and return the new state. Before that, undo what `frozen_io.release` changed to fail I/O:
    a Primary must wait for data instead of failing I/O. Raises Failure.
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
    """Make this node Secondary, then undo what `frozen_io.release` changed to fail I/O; `warn` is called if that fails.
    `note` is called with each message for the operator. Raises Failure if this node stays Primary.
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
    wrong one. Data can be served without the volume, so a failure is passed to `warn`; the monitor reports it.
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
    """Note since when this node is Primary without its peer, and forget a healed split brain. Nothing depends on it: a
    failure is passed to `note`.
    """
    try:
        split_brain.note_primary_alone(resource)
        split_brain.forget(resource, deadline)
    except (Failure, OSError) as failure:
        note(f"since when {resource.name} is Primary alone could not be noted: {failure}")
