# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD through ``drbdadm``: what the configuration says of a resource, and making the kernel follow it."""

from __future__ import annotations

import os

from twinsan.drbd import setup
from twinsan.errors import DeadlinePassed, Failure, NotHere, NotInstalled, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

NO_MODULE = Reason(
    NotInstalled,
    "the DRBD module cannot be loaded into kernel {release}: {complaint}",
    "install the module for this kernel (Debian's kernel has one)",
)
NO_FILE = Reason(NotHere, "DRBD's configuration {drbdconf} is missing", "restore it, or set the parameter drbdconf")
NOT_DEFINED = Reason(
    NotHere,
    "DRBD does not know the resource {resource!r} on this host ({node}): {drbdconf} defines none with an 'on {node}' "
    "section",
    "check drbd_resource and: drbdadm -c {drbdconf} dump",
)
UNREADABLE = Reason(
    NotHere,
    "DRBD cannot read its configuration: {complaint}",
    "mend it, then check: drbdadm -c {drbdconf} dump {resource}",
)
NOT_ADJUSTED = Reason(
    Failure,
    "DRBD could not bring up {resource}: {complaint}",
    "look at 'dmesg', and try by hand: drbdadm -c {drbdconf} adjust {resource}",
)

# drbdadm prints these on standard error even when it succeeds.
_CHATTER = ("modinfo: ERROR", "found __DRBD_NODE__", "PRETENDING")

_SECONDS_FOR_DISKS = 10.0


def load(deadline: Deadline) -> None:
    """Load DRBD's kernel module unless it is loaded. Raises NotInstalled if modprobe fails."""
    if not setup.loaded():
        result = command.run("modprobe", "drbd", deadline=deadline, check=False)
        if not result.ok:
            raise NO_MODULE(release=os.uname().release, complaint=result.complaint)


def devices(name: str, drbdconf: str, deadline: Deadline) -> list[str]:
    """Return the device paths that DRBD's configuration gives to a resource. Raises NotHere if the file `drbdconf` is
    missing, if it does not define the resource for this host, or, with DRBD's message, if DRBD cannot read it.
    """
    if not os.path.exists(drbdconf):
        raise NO_FILE(drbdconf=drbdconf)
    result = command.run("drbdadm", "-c", drbdconf, "sh-dev", name, deadline=deadline, check=False)
    if not result.ok:
        complaint = _complaint(result)
        if "not defined in your config" in complaint or "no resources defined" in complaint:
            raise NOT_DEFINED(resource=name, node=os.uname().nodename, drbdconf=drbdconf)
        raise UNREADABLE(complaint=complaint, drbdconf=drbdconf, resource=name)
    return result.stdout.split()


def adjust(name: str, drbdconf: str, deadline: Deadline) -> None:
    """Make the kernel's state follow the configuration: create, attach and connect what is missing.

    A failure is retried for 10 s, at most for half of the remaining time: udev or LVM may hold a disk for a moment.
    Raises Failure with drbdadm's message.
    """
    results: list[command.Result] = []

    def adjusted() -> bool:
        results.append(command.run("drbdadm", "-c", drbdconf, "adjust", name, deadline=deadline, check=False))
        if len(results) == 1 and not results[0].ok:
            # A disk may have grown since. DRBD looks for its meta data at the end, and this moves them there: drbdmeta
            # has noted where the end was.
            command.run("drbdadm", "-c", drbdconf, "check-resize", name, deadline=deadline, check=False)
        return results[-1].ok

    patience = deadline.within(min(_SECONDS_FOR_DISKS, deadline.remaining() / 2))
    try:
        patience.wait_until(adjusted, "DRBD is as configured", interval=0.5)
    except DeadlinePassed:
        if not results:
            raise
        raise NOT_ADJUSTED(resource=name, complaint=_complaint(results[-1]), drbdconf=drbdconf) from None


def _complaint(result: command.Result) -> str:
    """Return drbdadm's error message as one line of at most 300 characters."""
    lines = [line.strip() for line in result.stderr.splitlines()]
    kept = [line for line in lines if line and line != "." and not any(words in line for words in _CHATTER)]
    return " ".join(kept)[:300] or f"drbdadm ended with exit status {result.status}"
