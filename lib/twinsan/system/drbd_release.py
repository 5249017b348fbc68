# SPDX-License-Identifier: GPL-2.0-or-later
"""Release the I/O that DRBD has frozen, on a node that gives up serving.

What is frozen cannot be torn down: LIO waits for its commands where nothing can kill it, and DRBD refuses to demote a
device that a frozen writer holds open. So the I/O has to end first, in one of two ways:

- It goes on, where that is harmless: somebody froze it by hand (``suspend-io``), and there is no peer that could have
  gone its own way.
- It fails. That loses nothing: what was acknowledged is on the peer's disk as well, and what is frozen was never
  acknowledged. To let it go on here would be wrong, because the peer may be promoted any moment: DRBD would begin a new
  data generation for it, and both nodes would have written what the other lacks: a split brain.

DRBD 9 fails it by ``secondary --force``. 8.4 fails it where there is no data in reach and no wish to wait for any, so
its disk is detached for the time being. The disk keeps its generation: the next ``adjust`` attaches it, and it is
brought up to date by its peer.

Nobody may hear these errors, for a virtual machine would believe them. The portal address has to be gone before.
"""

from __future__ import annotations

import os

from twinsan import rundir
from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import command, drbd, drbd_health, holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

# A disk that works has answered by then; each of DRBD's verbs takes milliseconds.
_SECONDS_FOR_DISK = 5.0
_SECONDS_FOR_VERB = 10.0
_SECONDS_TO_THAW = 5.0


def below(device: str, iqn: str, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Release what is frozen of the device of a LUN of target `iqn`, so that the LUN can be removed. Raises Failure
    where initiators would hear of it. `note` takes what an operator should know.

    Where DRBD cannot be asked, the removal is tried all the same: most often nothing is frozen.
    """
    try:
        resource = drbd.owner(device, deadline.within(_SECONDS_FOR_VERB))
    except (Failure, OSError) as failure:
        note(f"whether the I/O of {device} is frozen is unknown: {failure}")
        return
    if resource is None or not _frozen(resource):
        return
    if not _harmless(resource):
        _require_silence(resource, iqn, deadline)
    release(resource, deadline, note)


def _require_silence(resource: Resource, iqn: str, deadline: Deadline) -> None:
    """Raise Failure where initiators would hear the I/O fail.

    Further volumes may be LUNs of other targets, and their I/O fails as well. The cluster stops those at the same time,
    so they are waited for.
    """
    from twinsan.system import lio_portal, lio_target

    portal = lio_target.heard(iqn)
    if not portal and len(resource.volumes) > 1:
        others = lio_portal.targets()
        patience = deadline.within(deadline.remaining() / 2)
        try:
            patience.wait_until(lambda: not any(map(lio_target.heard, others)), "all targets are silent", 0.25)
        except DeadlinePassed:
            portal = next(filter(None, map(lio_target.heard, others)), "")
    if portal:
        raise Failure(
            f"I/O of {resource.name} is frozen ({_why(resource)}), and initiators would hear it fail over portal "
            f"{portal}; take the address away first: stop its portal-ip"
        )


def release(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Release frozen I/O. Raises Failure where it stays frozen."""
    if not _frozen(resource):
        return
    if _harmless(resource):
        note(f"I/O of {resource.name} is frozen by suspend-io: it goes on, so that this node can be relieved")
        _resume(resource, deadline)
    else:
        note(f"I/O of {resource.name} is frozen ({_why(resource)}): it fails now, so that this node can be relieved")
        _fail(resource, deadline)
    _require_thawed(resource.name, deadline)


def unheard(resource: Resource) -> bool:
    """Whether no LUN of LIO is made of the resource's devices, so that no initiator can hear its I/O fail."""
    return not any(holders.backstores(f"/dev/drbd{minor}") for minor in resource.minors)


def marker(name: str) -> str:
    """The path of a file that is there while DRBD is not as configured, because I/O had to fail."""
    return rundir.path(f"io-failed.{name}")


def restore(name: str, configuration: str, deadline: Deadline) -> None:
    """Attach what was detached, and let I/O wait for data again. Nothing where no I/O had to fail."""
    if os.path.exists(marker(name)):
        drbd.adjust(name, configuration, deadline)
        forget(name)


def forget(name: str) -> None:
    """DRBD is as configured again."""
    rundir.forget(marker(name))


def _frozen(resource: Resource) -> bool:
    """Whether writers may hang. After ``secondary --force`` none does, though DRBD 9 still says "suspended"."""
    return resource.primary and bool(resource.suspended)


def _why(resource: Resource) -> str:
    return ", ".join(resource.suspended)


def _harmless(resource: Resource) -> bool:
    """Whether what is frozen may be written: no peer can lack it and be promoted."""
    replicas = [connection.volume(volume.number) for connection in resource.connections for volume in resource.volumes]
    known = all(replica is not None and replica.disk != "DUnknown" for replica in replicas)
    return resource.suspended == ("user",) and known and not drbd_health.failure(resource)


def _resume(resource: Resource, deadline: Deadline) -> None:
    for minor in resource.minors:
        command.run("drbdsetup", "resume-io", str(minor), deadline=deadline.within(_SECONDS_FOR_VERB))


def _fail(resource: Resource, deadline: Deadline) -> None:
    if not resource.speaks_8_4:
        forced = command.run(
            "drbdsetup", "secondary", "--force", resource.name, deadline=deadline.within(_SECONDS_FOR_VERB), check=False
        )
        # Kernels before 9.1.7 and tools before 9.21 do not know it.
        if forced.ok:
            return
    with open(marker(resource.name), "w", encoding="ascii"):
        pass
    policies = ["--on-no-data-accessible=io-error"]
    if not resource.speaks_8_4:
        policies.append("--on-no-quorum=io-error")
    _set(resource.name, policies, deadline)
    _detach(resource, deadline)
    _resume(resource, deadline)


def _set(name: str, policies: list[str], deadline: Deadline) -> None:
    command.run("drbdsetup", "resource-options", name, *policies, deadline=deadline.within(_SECONDS_FOR_VERB))


def _detach(resource: Resource, deadline: Deadline) -> None:
    """Detach the local disks. By force, since DRBD keeps a Primary from losing its last disk.

    Force does not wait for the disk, whose late answer would then be written into memory that is somebody else's by
    now. So the disk must have nothing under way; nothing new comes to it while I/O is frozen.
    """

    def idle() -> bool:
        state = drbd.query(resource.name, deadline)
        return state is None or not any(volume.pending for volume in state.volumes)

    try:
        deadline.within(_SECONDS_FOR_DISK).wait_until(idle, "the local disk answers", interval=0.1)
    except DeadlinePassed:
        raise Failure(
            f"I/O of {resource.name} is frozen ({_why(resource)}) and cannot be released: the local disk does not "
            "answer; see 'dmesg', and reset this node: it must not write later"
        ) from None
    for volume in resource.volumes:
        if volume.disk != "Diskless":
            minor = str(volume.minor)
            command.run("drbdsetup", "detach", "--force", minor, deadline=deadline.within(_SECONDS_FOR_VERB))

    def gone() -> bool:
        state = drbd.query(resource.name, deadline)
        return state is None or all(volume.disk == "Diskless" for volume in state.volumes)

    # A disk that is still Failed would be given a new data generation by resume-io (8.4: get_ldev_if_state), and the
    # promotion of the peer would then be a split brain. Seen in the lab.
    deadline.within(_SECONDS_FOR_DISK).wait_until(gone, f"the disk of {resource.name} is detached; see 'dmesg'", 0.05)


def _require_thawed(name: str, deadline: Deadline) -> None:
    states: list[Resource | None] = [None]

    def thawed() -> bool:
        states[0] = drbd.query(name, deadline)
        return states[0] is None or not _frozen(states[0])

    try:
        deadline.within(_SECONDS_TO_THAW).wait_until(thawed, "I/O is released")
    except DeadlinePassed:
        why = _why(states[0]) if states[0] is not None else "unknown"
        raise Failure(
            f"I/O of {name} is still frozen ({why}) after it was released; see 'dmesg' and: drbdadm status {name}"
        ) from None
