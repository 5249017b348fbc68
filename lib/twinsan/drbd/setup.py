# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD through ``drbdsetup``: the state of resources, and the changes that need no configuration file.

One broken file in /etc/drbd.d breaks ``drbdadm`` for every resource. So stop, promote, demote and monitor do not use
``drbdadm``; what needs it is in `configuration`.
"""

from __future__ import annotations

import os

from twinsan.drbd import events2
from twinsan.errors import DeadlinePassed, Failure, NotInstalled, Reason, TooSlow
from twinsan.host import block_tree, command, holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

NO_ANSWER = Reason(TooSlow, "DRBD does not answer: {error}", "see 'dmesg'; this node may need a reset")
UNSEEN = Reason(Failure, "a DRBD resource is up, and {missing}")
REFUSED = Reason(
    Failure, "DRBD refuses {verb} of {resource}: {complaint}", "see 'dmesg' and: drbdadm status {resource}"
)
# A promotion waits for the fence handler.
PROMOTION_HANGS = Reason(TooSlow, "{resource}: drbdsetup {error}", "see 'journalctl -t twinsan' and 'dmesg'")
CHANGE_HANGS = Reason(TooSlow, "{resource}: drbdsetup {error}", "see 'drbdadm status {resource}' and 'dmesg'")

MODULE = "/sys/module/drbd"
PROC = "/proc/drbd"
BLOCK_DEVICES = "/sys/block"

# Where drbd-utils 9 of Debian has the drbdsetup for kernels with DRBD 8.4.
PROGRAM_8_4 = "/lib/drbd/drbdsetup-84"

# Exit statuses of drbdsetup for a change of state that the kernel refuses: the second means "no UpToDate disk".
_REFUSED = (11, 17)

# The kernel's codes for a refusal (drbd.h, enum drbd_state_rv): SS_PRIMARY_NOP, SS_DEVICE_IN_USE.
PEER_NOT_OUTDATED = -7
HELD_OPEN = -12


class Refused(Failure):
    """The kernel refuses a change of state. `number` is its error code, such as HELD_OPEN; 0 if it gives none.
    `openers` describes the programs that hold the device open; only DRBD 9 names them.
    """

    def __init__(self, text: str, result: command.Result) -> None:
        super().__init__(text)
        self.number = _number(result.stderr)
        self.openers = [
            line.partition(" opened by ")[2] for line in result.stderr.splitlines() if " opened by " in line
        ]


def run(*words: str, deadline: Deadline, check: bool = True) -> command.Result:
    """Run drbdsetup with these arguments; otherwise as command.run."""
    return command.run(_program(), *words, deadline=deadline, check=check)


def _program() -> str:
    """The program to run. On a kernel with DRBD 8.4, drbdsetup only executes PROGRAM_8_4 in its own place. To execute
    that at once saves the start of a program, seven times in a failover.
    """
    return PROGRAM_8_4 if version().startswith("8.4") and os.access(PROGRAM_8_4, os.X_OK) else "drbdsetup"


def version() -> str:
    """The version of the module in the kernel, such as 8.4.11; "" if it is not loaded."""
    try:
        with open(f"{MODULE}/version", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def loaded() -> bool:
    """Whether the module is in the kernel. drbdsetup would load it, so this has to be asked first."""
    return os.path.exists(MODULE) or os.path.exists(PROC)


def has_devices() -> bool:
    """Whether the kernel has any DRBD device. Needs no drbdsetup."""
    return any(name.startswith("drbd") for name in os.listdir(BLOCK_DEVICES))


def query(name: str, deadline: Deadline) -> Resource | None:
    """Return the state of a resource; None if it is not up. Loads nothing and runs nothing if DRBD is not loaded.

    Raises NotInstalled if there are DRBD devices but no drbdsetup, and TooSlow if DRBD does not answer.
    """
    if not loaded():
        return None
    try:
        resource = events2.parse(_events2(deadline, name), name)
    except NotInstalled:
        if not has_devices():
            return None
        raise
    if resource is not None and resource.speaks_8_4:
        _add_progress(resource)
    return resource


def look(name: str, deadline: Deadline) -> Resource | None:
    """As `query`, but raise Failure instead of NotInstalled, for an action that must not take a missing drbdsetup for a
    resource that is down.
    """
    try:
        return query(name, deadline)
    except NotInstalled as missing:
        raise UNSEEN(missing=missing) from None


def all_resources(deadline: Deadline) -> list[Resource]:
    """Return the state of all resources that are up. Loads nothing, and runs nothing if DRBD is not loaded. Raises as
    `query` does.
    """
    if not loaded() or not has_devices():
        return []
    printed = _events2(deadline)
    found = [resource for name in events2.names(printed) if (resource := events2.parse(printed, name)) is not None]
    for resource in found:
        if resource.speaks_8_4:
            _add_progress(resource)
    return found


def owners(path: str, deadline: Deadline) -> list[Resource]:
    """Return the resources that the block device at `path` lies on, through any stack of mappers; empty if the device
    is gone or lies on none. Runs no program if no DRBD device is below it.
    """
    minors = block_tree.drbd_minors(path)
    if not minors or not loaded():
        return []
    printed = _events2(deadline)
    found = (events2.parse(printed, name) for name in events2.owners(printed, minors))
    return [resource for resource in found if resource is not None]


def _events2(deadline: Deadline, *name: str) -> str:
    question = ("events2", "--now", "--statistics", *name)
    try:
        result = run(*question, deadline=deadline, check=False)
        # Ask twice: a monitor that failed because of one error would take the SAN down.
        return result.stdout if result.ok else run(*question, deadline=deadline).stdout
    except DeadlinePassed as passed:
        raise NO_ANSWER(error=passed) from None


def _add_progress(resource: Resource) -> None:
    """Add the progress of a resync on 8.4, which has it in /proc/drbd only. The file is read only during a resync."""
    for volume in resource.volumes:
        for _, replica in resource.replicas(volume):
            if replica.resyncing:
                replica.done, replica.seconds_left = _progress(volume.minor)


def _progress(minor: int) -> tuple[str, int | None]:
    """Return (percent done, seconds left), from lines like ``sync'ed:  7.7% (...)`` and ``finish: 0:01:33 speed: ...``;
    "" and None for what is missing.
    """
    own = _of_minor(minor)
    done = own.partition("sync'ed:")[2].partition("%")[0].strip()
    parts = own.partition("finish:")[2].split()[:1]
    clock = parts[0].split(":") if parts else []
    if len(clock) != 3 or not all(map(str.isdecimal, clock)):
        return done, None
    return done, int(clock[0]) * 3600 + int(clock[1]) * 60 + int(clock[2])


def roles(minor: int) -> tuple[str, str]:
    """Return the roles of a volume on this node and on its peer. Only 8.4 has them for each volume, in /proc/drbd; ""
    for what is not told.
    """
    here, _, there = _of_minor(minor).partition(" ro:")[2].partition(" ")[0].partition("/")
    return here, there


def _of_minor(minor: int) -> str:
    """What /proc/drbd has of a volume, after "cs:"; "" for nothing."""
    try:
        with open(PROC, encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return ""
    return text.partition(f"\n{minor:2}: cs:")[2].partition(": cs:")[0]


def promote(resource: Resource, deadline: Deadline) -> None:
    """Make this node Primary for all volumes or for none, never by force. Raises Refused."""
    done: list[str] = []
    for target in _targets(resource):
        try:
            _change("primary", resource.name, target, deadline)
        except Refused:
            # On 8.4 each volume has a role of its own.
            for earlier in done:
                _change("secondary", resource.name, earlier, deadline)
            raise
        done.append(target)


def demote(resource: Resource, deadline: Deadline) -> None:
    """Make this node Secondary. Raises Refused."""
    for target in _targets(resource):
        _change("secondary", resource.name, target, deadline)


def down(name: str, deadline: Deadline) -> None:
    """Take the resource out of the kernel; no error if it is not there. Raises Refused."""
    _change("down", name, name, deadline)


def resume(resource: Resource, deadline: Deadline) -> None:
    """Resume frozen I/O, whatever froze it. A Primary without its peer then begins a new data generation."""
    for minor in resource.minors:
        run("resume-io", str(minor), deadline=deadline)


def writable(resource: Resource) -> bool:
    """Whether all devices are writable. In some versions they become so only a moment after the promotion."""
    return all(_read_only(minor) == "0" for minor in resource.minors)


def held_by(resource: Resource, refused: Refused | None = None) -> str:
    """Return who holds the devices open, in words: the openers in the refusal if it names any, else the holders that
    this host shows.
    """
    if refused is not None and refused.openers:
        return ", ".join(refused.openers)
    devices = map(block_tree.drbd_path, resource.minors)
    found = [f"{device}: {holder}" for device in devices for holder in holders.of(device)]
    return ", ".join(found) or "somebody who cannot be seen any more"


def _targets(resource: Resource) -> list[str]:
    """The arguments that stand for the resource in drbdsetup: its name, or on 8.4 each minor number."""
    return [str(minor) for minor in resource.minors] if resource.speaks_8_4 else [resource.name]


def _change(verb: str, name: str, target: str, deadline: Deadline) -> None:
    try:
        result = run(verb, target, deadline=deadline, check=False)
    except DeadlinePassed as passed:
        error = str(passed).partition(" ")[2]
        raise (PROMOTION_HANGS if verb == "primary" else CHANGE_HANGS)(resource=name, error=error) from None
    if result.status in _REFUSED:
        complaint = result.complaint or "without a reason"
        raise Refused(REFUSED.text(verb=verb, resource=name, complaint=complaint), result)
    if not result.ok:
        raise command.CommandFailed(result)


def _number(text: str) -> int:
    """The kernel's code in a line such as ``State change failed: (-12) Device is held open by someone``; 0 for none."""
    inside = text.partition("(-")[2].partition(")")[0]
    return -int(inside) if inside.isdecimal() else 0


def _read_only(minor: int) -> str:
    try:
        with open(f"{BLOCK_DEVICES}/drbd{minor}/ro", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "missing"
