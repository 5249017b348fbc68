# SPDX-License-Identifier: GPL-2.0-or-later
"""Release the I/O that DRBD has frozen, on a node that gives up serving.

With frozen I/O nothing can be torn down: LIO waits for its commands unkillably, and DRBD refuses to demote a device
that a frozen writer holds open. So the I/O is resumed, if somebody froze it by hand (``suspend-io``) and no peer can
have been promoted meanwhile. Otherwise it is failed. That loses nothing: acknowledged writes are on the peer's disk as
well, and frozen writes were never acknowledged. Resuming them would be wrong, because the peer may be promoted at any
moment: DRBD would begin a new data generation here, each node would have writes that the other lacks, and that is a
split brain.

DRBD 9 fails I/O by ``secondary --force``. 8.4 fails it only if no data is in reach and on-no-data-accessible is
io-error, so its disk is detached for a while. The disk keeps its generation: the next ``adjust`` attaches it, and its
peer brings it up to date. No initiator may see these errors, because a virtual machine would believe them: the portal
address has to leave the node first.
"""

from __future__ import annotations

from twinsan.drbd import health as drbd_health
from twinsan.drbd import setup as drbd_setup
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import block_tree, command, holders
from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

DISK_SILENT = Reason(
    Failure,
    "I/O of {resource} is frozen ({causes}) and cannot be released: the local disk does not answer",
    "see 'dmesg', and reset this node: it must not write later",
)
NOT_DETACHED = Reason(DeadlinePassed, "the disk of {resource} is detached", "see 'dmesg'")
STILL_FROZEN = Reason(
    Failure,
    "I/O of {resource} is still frozen ({causes}) after it was released",
    "see 'dmesg' and: drbdadm status {resource}",
)

# A disk that works has answered by then; each of DRBD's verbs takes milliseconds.
_SECONDS_FOR_DISK = 5.0
_SECONDS_FOR_VERB = 10.0
_SECONDS_TO_THAW = 5.0


def release(resource: Resource, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Release the frozen I/O of a resource; do nothing if none is frozen. `note` is called with each message for the
    operator. Raises Failure if the I/O stays frozen.
    """
    if not is_frozen(resource):
        return
    if may_go_on(resource):
        note(f"I/O of {resource.name} is frozen by suspend-io: it goes on, so that this node can be relieved")
        _resume(resource, deadline)
    else:
        note(f"I/O of {resource.name} is frozen ({reasons(resource)}): it fails now, so that this node can be relieved")
        _fail(resource, deadline)
    _require_thawed(resource.name, deadline)


def has_no_lun(resource: Resource) -> bool:
    """Whether no backstore of LIO lies on the resource, through any stack of mappers. If so, no initiator sees I/O
    fail.
    """
    return not any(holders.backstores(block_tree.drbd_path(minor)) for minor in resource.minors)


def failed_note(name: str) -> Note:
    """Return the note that exists while DRBD is not as configured because I/O had to be failed."""
    return Note(f"io-failed.{name}")


def restore(name: str, drbdconf: str, deadline: Deadline) -> None:
    """Undo what `release` changed to fail I/O, if it did: attach the disk, and let I/O wait for data again. Raises
    Failure.
    """
    if failed_note(name).exists():
        from twinsan.drbd import configuration

        configuration.adjust(name, drbdconf, deadline)
        forget(name)


def forget(name: str) -> None:
    """Remove the note of `failed_note`: DRBD is as configured again."""
    failed_note(name).forget()


def is_frozen(resource: Resource) -> bool:
    """Whether writers may hang. After ``secondary --force`` none does, though DRBD 9 still says "suspended"."""
    return resource.primary and bool(resource.suspended)


def reasons(resource: Resource) -> str:
    """Return why DRBD has frozen the I/O, in its words: any of user, no-data, fencing, quorum."""
    return ", ".join(resource.suspended)


def may_go_on(resource: Resource) -> bool:
    """Whether frozen I/O may be resumed: somebody froze it by hand, this node can serve, and the state of every peer's
    disk is known, so that no peer can have been promoted without these writes.
    """
    replicas = [connection.volume(volume.number) for connection in resource.connections for volume in resource.volumes]
    known = all(replica is not None and replica.disk != "DUnknown" for replica in replicas)
    return resource.suspended == ("user",) and known and drbd_health.can_serve(resource)


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
    failed_note(resource.name).create("")
    policies = ["--on-no-data-accessible=io-error"]
    if not resource.speaks_8_4:
        policies.append("--on-no-quorum=io-error")
    _set(resource.name, policies, deadline)
    _detach(resource, deadline)
    _resume(resource, deadline)


def _set(name: str, policies: list[str], deadline: Deadline) -> None:
    command.run("drbdsetup", "resource-options", name, *policies, deadline=deadline.within(_SECONDS_FOR_VERB))


def _detach(resource: Resource, deadline: Deadline) -> None:
    """Detach the local disks, by force: otherwise DRBD refuses to detach the last disk of a Primary.

    A forced detach does not wait for the disk. A late answer would be written into memory that has another owner by
    then. So wait until the disk has no pending requests; it gets no new ones while I/O is frozen.
    """

    def idle() -> bool:
        state = drbd_setup.query(resource.name, deadline)
        return state is None or not any(volume.pending for volume in state.volumes)

    try:
        deadline.within(_SECONDS_FOR_DISK).wait_until(idle, "the local disk answers", interval=0.1)
    except DeadlinePassed:
        raise DISK_SILENT(resource=resource.name, causes=reasons(resource)) from None
    for volume in resource.volumes:
        if volume.disk != "Diskless":
            minor = str(volume.minor)
            command.run("drbdsetup", "detach", "--force", minor, deadline=deadline.within(_SECONDS_FOR_VERB))

    def gone() -> bool:
        state = drbd_setup.query(resource.name, deadline)
        return state is None or all(volume.disk == "Diskless" for volume in state.volumes)

    # A disk that is still Failed would be given a new data generation by resume-io (8.4: get_ldev_if_state), and the
    # promotion of the peer would then be a split brain. Seen in the lab.
    deadline.within(_SECONDS_FOR_DISK).wait_until(gone, NOT_DETACHED.text(resource=resource.name), 0.05)


def _require_thawed(name: str, deadline: Deadline) -> None:
    states: list[Resource | None] = [None]

    def thawed() -> bool:
        states[0] = drbd_setup.query(name, deadline)
        return states[0] is None or not is_frozen(states[0])

    try:
        deadline.within(_SECONDS_TO_THAW).wait_until(thawed, "I/O is released")
    except DeadlinePassed:
        causes = reasons(states[0]) if states[0] is not None else "unknown"
        raise STILL_FROZEN(resource=name, causes=causes) from None
