# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the role of a DRBD resource. A change that DRBD refuses is retried for a while, unless the cause cannot pass
by itself.
"""

from __future__ import annotations

from twinsan.drbd import frozen_io, health, obstacle, setup, state_mount
from twinsan.drbd.setup import Refused
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

NOT_UP = Reason(Failure, "DRBD resource {resource} is not up", "start it first: drbdadm up {resource}")
NOT_PROMOTED = Reason(Failure, "{resource} is not promoted: {why}")
PEER_NOT_FENCED = Reason(
    Failure,
    "the fence handler could not make sure that the peer is down or banned",
    "see: journalctl -t twinsan",
)
HELD_SINCE_FORCED = Reason(Failure, "held open by {holders} since it was demoted by force", "end that first")
NOT_WRITABLE = Reason(
    DeadlinePassed, "the devices of {resource} can be written", "see 'dmesg' and: drbdadm status {resource}"
)
HELD_OPEN = Reason(
    Failure,
    "{resource} cannot be {changed}: held open by {holders}",
    "end that (LUNs: targetcli ls /backstores), then: drbdadm secondary {resource}",
)
CHANGE_REFUSED = Reason(Failure, "{resource} cannot be {changed}: {refusal}")
STILL_UP = Reason(Failure, "DRBD resource {resource} is still up", "see 'dmesg', and try: drbdsetup down {resource}")

# How long to wait for a device that is held open: udev's probes close it within moments, a LUN never does.
_SECONDS_FOR_HOLDERS = 10.0

_SECONDS_UNTIL_WRITABLE = 10.0

# How long to wait for a connected peer to become Secondary. The cluster demotes it before it promotes here, and DRBD
# shows that within a second. A peer that stays Primary is one whose role the cluster did not know, as after a reload of
# a promoted clone (Pacemaker 3.0.0 records it as a start). The cluster looks again only after this promotion has ended.
_SECONDS_FOR_PEER = 15.0


def require_up(name: str, deadline: Deadline) -> Resource:
    """Return the state of a resource. Raises Failure if it is not up."""
    resource = setup.query(name, deadline)
    if resource is None:
        raise NOT_UP(resource=name)
    return resource


def wait_while_transient(resource: Resource, deadline: Deadline) -> Resource:
    """Return the state once it is not about to change by itself, or as it is at the deadline. Right after the peer is
    lost, one query proves nothing. Raises Failure if the resource is not up.
    """
    states = [resource]

    def rests() -> bool:
        states.append(require_up(resource.name, deadline))
        return not health.is_transient(states[-1])

    try:
        deadline.wait_until(rests, "the state settles", interval=0.2)
    except DeadlinePassed:
        pass
    return states[-1]


def promote(name: str, deadline: Deadline) -> Resource:
    """Make this node Primary and wait until its devices can be written. Returns the state then. Raises Failure.

    A transient obstacle, such as a peer that is still Primary or data not yet known to be the newest, is waited for at
    most half of the remaining time, for a peer that is Primary at most 15 s. The other half is for DRBD, which waits
    inside the kernel for its fence handler.
    """
    reasons = [""]
    patience = deadline.within(deadline.remaining() / 2)
    for_peer = deadline.within(_SECONDS_FOR_PEER)
    try:
        patience.wait_until(lambda: _try_to_promote(name, deadline, for_peer, reasons), "DRBD allows it", interval=0.2)
    except DeadlinePassed:
        if not reasons[-1]:
            raise
        raise NOT_PROMOTED(resource=name, why=reasons[-1]) from None
    resource = require_up(name, deadline)
    deadline.within(_SECONDS_UNTIL_WRITABLE).wait_until(
        lambda: setup.writable(resource), NOT_WRITABLE.text(resource=name)
    )
    return resource


def demote(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Unmount the state volume and make this node Secondary; a Secondary stays one. `note` is called with each message
    for the operator. Raises Failure.

    Frozen I/O is released first, because the kernel cannot unmount the volume while I/O is frozen. It is not released
    if a LUN lies on the resource, whose initiators would see I/O fail: DRBD then refuses, with the device held open.
    """
    frozen = resource.primary and bool(resource.suspended)
    if not frozen or frozen_io.has_no_lun(resource):
        frozen_io.release(resource, deadline, note)
        state_mount.unmount(resource.name, deadline, note)
    if resource.primary:
        _until_released(resource, "demoted", lambda: setup.demote(resource, deadline), deadline)


def take_down(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Take the resource out of the kernel, whatever its role. `note` is as for `demote`. Raises Failure."""
    demote(resource, deadline, note)
    _until_released(resource, "taken down", lambda: setup.down(resource.name, deadline), deadline)
    if setup.query(resource.name, deadline) is not None:
        raise STILL_UP(resource=resource.name)


def _try_to_promote(name: str, deadline: Deadline, for_peer: Deadline, reasons: list[str]) -> bool:
    """Try once to promote. Returns whether this node is Primary now; if not, appends why to `reasons`. Raises Failure
    if the obstacle cannot pass by itself, or is a peer that is still Primary after `for_peer`.
    """
    resource = require_up(name, deadline)
    if resource.primary:
        return True
    found = obstacle.find(resource, wait_for_peer=not for_peer.expired())
    if found is None:
        try:
            setup.promote(resource, deadline)
        except Refused as refused:
            found = _why_not_promoted(resource, refused), True
        except command.CommandFailed as failed:
            found = str(failed), True
        else:
            return True
    reason, may_pass = found
    if not may_pass:
        raise NOT_PROMOTED(resource=name, why=reason)
    reasons.append(reason)
    return False


def _why_not_promoted(resource: Resource, refused: Refused) -> str:
    if refused.number == setup.PEER_NOT_OUTDATED:
        return PEER_NOT_FENCED.text()
    if refused.number == setup.HELD_OPEN:
        return HELD_SINCE_FORCED.text(holders=setup.held_by(resource, refused))
    return str(refused)


def _until_released(resource: Resource, changed: str, change: Callable[[], None], deadline: Deadline) -> None:
    """Make a change that DRBD refuses while the device is held open: retry for 10 s, at most for half of the remaining
    time. `changed` is the change as a participle, such as "demoted". Raises Failure.
    """
    refusals: list[Refused] = []

    def accepted() -> bool:
        try:
            change()
        except Refused as refused:
            refusals.append(refused)
            return False
        return True

    patience = deadline.within(min(_SECONDS_FOR_HOLDERS, deadline.remaining() / 2))
    try:
        patience.wait_until(accepted, "DRBD accepts it", interval=0.25)
    except DeadlinePassed:
        if not refusals:
            raise
        refused = refusals[-1]
        if refused.number == setup.HELD_OPEN:
            holders = setup.held_by(resource, refused)
            raise HELD_OPEN(resource=resource.name, changed=changed, holders=holders) from None
        raise CHANGE_REFUSED(resource=resource.name, changed=changed, refusal=refused) from None
