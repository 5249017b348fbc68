# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the role of a DRBD resource, patiently: what DRBD refuses now it may allow in a moment.

What cannot pass by itself is refused at once. Whatever is refused is refused with the reason and with what to type.
"""

from __future__ import annotations

from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import command, drbd, drbd_health, drbd_release, state
from twinsan.system.drbd import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

# How long a device that is held open is waited for: udev's probes let go of it within moments, a LUN never does.
_SECONDS_FOR_HOLDERS = 10.0


def running(name: str, deadline: Deadline) -> Resource:
    """The state of a resource that has to be up."""
    resource = drbd.query(name, deadline)
    if resource is None:
        raise Failure(f"DRBD resource {name} is not up; start it first: drbdadm up {name}")
    return resource


def settled(resource: Resource, deadline: Deadline) -> Resource:
    """What a passing state becomes until the deadline: right after the peer is lost, one look proves nothing."""
    states = [resource]

    def rests() -> bool:
        states.append(running(resource.name, deadline))
        return not drbd_health.passing(states[-1])

    try:
        deadline.wait_until(rests, "the state settles", interval=0.2)
    except DeadlinePassed:
        pass
    return states[-1]


def promote(name: str, deadline: Deadline) -> Resource:
    """Make this node Primary and wait until its devices can be written; returns the state then.

    It waits as long as half of the time for what may pass: a peer that is still Primary, data that is not yet known to
    be the newest. The other half belongs to DRBD, which waits inside the kernel for its fence handler.
    """
    reasons = [""]
    patience = deadline.within(deadline.remaining() / 2)
    try:
        patience.wait_until(lambda: _promoted(name, deadline, reasons), "DRBD allows it", interval=0.2)
    except DeadlinePassed:
        if not reasons[-1]:
            raise
        raise Failure(f"{name} is not promoted: {reasons[-1]}") from None
    resource = running(name, deadline)
    deadline.within(10).wait_until(
        lambda: drbd.writable(resource), f"the devices of {name} can be written; see 'dmesg' and: drbdadm status {name}"
    )
    return resource


def demote(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Make this node Secondary; a Secondary stays what it is. Frozen I/O is released, unless a LUN would hear of it;
    DRBD then says that the device is held open. `note` takes what an operator should know.

    The state volume is unmounted in between: with frozen I/O the kernel could not end it.
    """
    frozen = resource.primary and bool(resource.suspended)
    if not frozen or drbd_release.unheard(resource):
        drbd_release.release(resource, deadline, note)
        state.unmount(resource.name, deadline, note)
    if resource.primary:
        _until_released(resource, "demoted", lambda: drbd.demote(resource, deadline), deadline)


def take_down(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Take the resource out of the kernel, whatever its role."""
    demote(resource, deadline, note)
    _until_released(resource, "taken down", lambda: drbd.down(resource.name, deadline), deadline)
    if drbd.query(resource.name, deadline) is not None:
        raise Failure(
            f"DRBD resource {resource.name} is still up; see 'dmesg', and try: drbdsetup down {resource.name}"
        )


def _promoted(name: str, deadline: Deadline, reasons: list[str]) -> bool:
    resource = running(name, deadline)
    if resource.primary:
        return True
    obstacle = drbd_health.obstacle(resource)
    if obstacle is None:
        try:
            drbd.promote(resource, deadline)
        except Refused as refused:
            obstacle = _why(resource, refused), True
        except command.CommandFailed as failed:
            obstacle = str(failed), True
        else:
            return True
    reason, may_pass = obstacle
    if not may_pass:
        raise Failure(f"{name} is not promoted: {reason}")
    reasons.append(reason)
    return False


def _why(resource: Resource, refused: Refused) -> str:
    if refused.number == drbd.PEER_NOT_OUTDATED:
        return "the fence handler could not make sure that the peer is down or banned; see: journalctl -t twinsan"
    if refused.number == drbd.HELD_OPEN:
        return f"held open by {drbd.held_by(resource, refused)} since it was demoted by force; end that first"
    return f"{refused}; see 'dmesg' and: drbdadm status {resource.name}"


def _until_released(resource: Resource, done: str, change: Callable[[], None], deadline: Deadline) -> None:
    """Make a change that DRBD refuses as long as somebody holds the device open."""
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
        raise Failure(f"{resource.name} cannot be {done}: {_who(resource, refusals[-1])}") from None


def _who(resource: Resource, refused: Refused) -> str:
    if refused.number != drbd.HELD_OPEN:
        return f"{refused}; see 'dmesg' and: drbdadm status {resource.name}"
    holders = drbd.held_by(resource, refused)
    return f"held open by {holders}; end that (LUNs: targetcli ls /backstores), then: drbdadm secondary {resource.name}"
