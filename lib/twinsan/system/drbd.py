# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD: one query for the state, and the verbs.

The query and the verbs of stop, promote and demote need `drbdsetup` alone, which reads no configuration file: one
broken file in /etc/drbd.d breaks `drbdadm` for every resource.
"""

from __future__ import annotations

import os

from twinsan.errors import DeadlinePassed, Failure, NotHere, NotInstalled
from twinsan.system import command, events2, holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.system.events2 import Resource

MODULE = "/sys/module/drbd"
PROC = "/proc/drbd"
BLOCK_DEVICES = "/sys/block"

# The major number of its devices, for ever (Documentation/admin-guide/devices.txt).
MAJOR = 147

# Exit statuses of drbdsetup for a change of state that the kernel refuses: the second means "no UpToDate disk".
_REFUSED = (11, 17)

# drbdadm prints these on standard error when it succeeds as well.
_CHATTER = ("modinfo: ERROR", "found __DRBD_NODE__", "PRETENDING")

_SECONDS_FOR_DISKS = 10.0

PEER_NOT_OUTDATED = -7
HELD_OPEN = -12


class Refused(Failure):
    """The kernel refuses a change of state. ``number`` is its own code, such as HELD_OPEN; 0 where it tells none."""

    def __init__(self, resource: str, verb: str, result: command.Result) -> None:
        super().__init__(f"DRBD refuses {verb} of {resource}: {result.complaint or 'without a reason'}")
        self.resource = resource
        self.number = _number(result.stderr)
        self.openers = [
            line.partition(" opened by ")[2] for line in result.stderr.splitlines() if " opened by " in line
        ]


def loaded() -> bool:
    """Whether the module is in the kernel. Every query loads it, so this has to be asked first."""
    return os.path.exists(MODULE) or os.path.exists(PROC)


def has_devices() -> bool:
    """Whether any resource is up, for a host without drbdsetup."""
    return any(name.startswith("drbd") for name in os.listdir(BLOCK_DEVICES))


def query(name: str, deadline: Deadline) -> Resource | None:
    """The state of a resource; None where it is not up. Loads nothing and runs nothing where DRBD is not loaded."""
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


def owner(path: str, deadline: Deadline) -> Resource | None:
    """The resource that a block device belongs to; None where it is none of DRBD's, or is gone."""
    try:
        number = os.stat(path).st_rdev
    except OSError:
        return None
    if os.major(number) != MAJOR or not loaded():
        return None
    printed = _events2(deadline)
    return events2.parse(printed, events2.owner(printed, os.minor(number)))


def _events2(deadline: Deadline, *name: str) -> str:
    argv = ("drbdsetup", "events2", "--now", "--statistics", *name)
    try:
        result = command.run(*argv, deadline=deadline, check=False)
        # Once is no answer: a monitor that failed for it would take the SAN down.
        return result.stdout if result.ok else command.run(*argv, deadline=deadline).stdout
    except DeadlinePassed as passed:
        raise DeadlinePassed(f"DRBD does not answer: {passed}; see 'dmesg'; this node may need a reset") from None


def _add_progress(resource: Resource) -> None:
    """How far a resync of 8.4 is: it tells that in /proc/drbd alone, which is read while one runs."""
    for volume in resource.volumes:
        for _, replica in resource.replicas(volume):
            if replica.resyncing:
                replica.done, replica.seconds_left = _progress(volume.minor)


def _progress(minor: int) -> tuple[str, int | None]:
    """Percent done, and seconds left, from lines such as ``sync'ed:  7.7% (...)`` and ``finish: 0:01:33 speed: ...``"""
    try:
        with open(PROC, encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return "", None
    own = text.partition(f"\n{minor:2}: cs:")[2].partition(": cs:")[0]
    done = own.partition("sync'ed:")[2].partition("%")[0].strip()
    parts = own.partition("finish:")[2].split()[:1]
    clock = parts[0].split(":") if parts else []
    if len(clock) != 3 or not all(map(str.isdecimal, clock)):
        return done, None
    return done, int(clock[0]) * 3600 + int(clock[1]) * 60 + int(clock[2])


def load(deadline: Deadline) -> None:
    """Load the module. Raises NotInstalled where this kernel has none."""
    if not loaded():
        result = command.run("modprobe", "drbd", deadline=deadline, check=False)
        if not result.ok:
            raise NotInstalled(
                f"the DRBD module cannot be loaded into kernel {os.uname().release}: {result.complaint}; "
                "install the module for this kernel (Debian's kernel has one)"
            )


def devices(name: str, configuration: str, deadline: Deadline) -> list[str]:
    """The devices that the configuration gives to a resource. Raises NotHere, with what DRBD says, for a resource that
    it does not know or a file that it cannot read.
    """
    if not os.path.exists(configuration):
        raise NotHere(f"DRBD's configuration {configuration} is missing; restore it, or set the parameter drbdconf")
    result = command.run("drbdadm", "-c", configuration, "sh-dev", name, deadline=deadline, check=False)
    if not result.ok:
        raise _not_configured(name, configuration, result)
    return result.stdout.split()


def adjust(name: str, configuration: str, deadline: Deadline) -> None:
    """Make the kernel's state follow the configuration: create, attach and connect what is missing. What fails is tried
    again for a while: udev or LVM may hold a disk for a moment.
    """
    results: list[command.Result] = []

    def done() -> bool:
        results.append(command.run("drbdadm", "-c", configuration, "adjust", name, deadline=deadline, check=False))
        return results[-1].ok

    patience = deadline.within(min(_SECONDS_FOR_DISKS, deadline.remaining() / 2))
    try:
        patience.wait_until(done, "DRBD is as configured", interval=0.5)
    except DeadlinePassed:
        if not results:
            raise
        raise Failure(
            f"DRBD could not bring up {name}: {_without_chatter(results[-1])}; "
            f"look at 'dmesg', and try by hand: drbdadm -c {configuration} adjust {name}"
        ) from None


def promote(resource: Resource, deadline: Deadline) -> None:
    """Make this node Primary. Never by force. Raises Refused."""
    done: list[str] = []
    for target in _targets(resource):
        try:
            _change("primary", resource.name, target, deadline)
        except Refused:
            # On 8.4 each volume has a role of its own: either all of them become Primary or none.
            for earlier in done:
                _change("secondary", resource.name, earlier, deadline)
            raise
        done.append(target)


def demote(resource: Resource, deadline: Deadline) -> None:
    """Make this node Secondary. Raises Refused."""
    for target in _targets(resource):
        _change("secondary", resource.name, target, deadline)


def down(name: str, deadline: Deadline) -> None:
    """Take the resource out of the kernel; one that is not there is fine. Raises Refused."""
    _change("down", name, name, deadline)


def resume(resource: Resource, deadline: Deadline) -> None:
    """Let frozen I/O go on, whatever has frozen it. What is written from now on begins a new data generation."""
    for minor in resource.minors:
        command.run("drbdsetup", "resume-io", str(minor), deadline=deadline)


def writable(resource: Resource) -> bool:
    """Whether the kernel lets the devices be written: some versions say so a moment after the promotion."""
    return all(_read_only(minor) == "0" for minor in resource.minors)


def held_by(resource: Resource, refused: Refused | None = None) -> str:
    """Who holds the devices open, in words: as the kernel says where it does, else as far as can be seen."""
    if refused is not None and refused.openers:
        return ", ".join(refused.openers)
    found = [f"/dev/drbd{minor}: {holder}" for minor in resource.minors for holder in holders.of(f"/dev/drbd{minor}")]
    return ", ".join(found) or "somebody who cannot be seen any more"


def _targets(resource: Resource) -> list[str]:
    return [str(minor) for minor in resource.minors] if resource.speaks_8_4 else [resource.name]


def _change(verb: str, name: str, target: str, deadline: Deadline) -> None:
    try:
        result = command.run("drbdsetup", verb, target, deadline=deadline, check=False)
    except DeadlinePassed as passed:
        # A promotion waits for the fence handler.
        log = "'journalctl -t twinsan'" if verb == "primary" else f"'drbdadm status {name}'"
        raise DeadlinePassed(f"{name}: {passed}; see {log} and 'dmesg'") from None
    if result.status in _REFUSED:
        raise Refused(name, verb, result)
    if not result.ok:
        raise command.CommandFailed(result)


def _number(text: str) -> int:
    """The kernel's code in a line such as ``State change failed: (-12) Device is held open by someone``."""
    inside = text.partition("(-")[2].partition(")")[0]
    return -int(inside) if inside.isdecimal() else 0


def _read_only(minor: int) -> str:
    try:
        with open(f"{BLOCK_DEVICES}/drbd{minor}/ro", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "missing"


def _not_configured(name: str, configuration: str, result: command.Result) -> NotHere:
    said = _without_chatter(result)
    if "not defined in your config" in said or "no resources defined" in said:
        return NotHere(
            f"DRBD does not know the resource {name!r} on this host ({os.uname().nodename}): {configuration} defines "
            f"none with an 'on {os.uname().nodename}' section; check drbd_resource and: drbdadm -c {configuration} dump"
        )
    return NotHere(
        f"DRBD cannot read its configuration: {said}; mend it, then check: drbdadm -c {configuration} dump {name}"
    )


def _without_chatter(result: command.Result) -> str:
    lines = [line.strip() for line in result.stderr.splitlines()]
    kept = [line for line in lines if line and line != "." and not any(words in line for words in _CHATTER)]
    return " ".join(kept)[:300] or f"drbdadm ended with exit status {result.status}"
