# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitors do for the handlers, which DRBD calls once: the decision again, a look at the constraint again.

It is done in a process of its own, bounded, and no monitor waits for it. A monitor only reads what the last one noted.
"""

from __future__ import annotations

import os
import time

from twinsan import fence, rundir
from twinsan.system import behind, child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.events2 import Resource

# How often the CIB is asked where DRBD's state did not change: seldom, or often while a constraint is known to stand or
# the peer, which may be making one, is away.
_SECONDS = 300.0
_SECONDS_WITH_CONSTRAINT = 20.0


def go_on(resource: Resource) -> None:
    """Do in the background what the state of the resource asks for. A change of it, as by a promotion, asks for a look
    at once.
    """
    name = resource.name
    if _frozen(resource):
        child.detached(lambda: _decide_again(name))
        return
    if not _looked(resource):
        rundir.write(_note(name), _state(resource))
        child.detached(lambda: _review(name))


def undecided(resource: Resource) -> str:
    """Why the I/O of a Primary stays frozen, and what to type; "" where it is not frozen, or nobody knows."""
    if not _frozen(resource):
        return ""
    text, peer = fence.read(fence.verdict(resource.name)), fence.read(fence.peer(resource.name))
    if not text and peer:
        # The handler has not looked yet. The cluster keeps showing what it is told first.
        text = f"{peer} is lost and not yet fenced; once it is off for sure: stonith_admin --confirm={peer}"
    return f"I/O of {resource.name} is frozen: {text}" if text else ""


def banned(resource: Resource) -> str:
    """That this node may not be promoted while the one is away that may, and what to type; "" where it may, as far as
    is known.
    """
    path = fence.ban(resource.name)
    owner = "" if resource.primary or not resource.alone else fence.read(path)
    if not owner:
        return ""
    name, since = resource.name, behind.clock(os.stat(path).st_mtime)
    return (
        f"{name} is banned here since {since}: only {owner} has all data; bring {owner} back; "
        f"gone for good: twinsan unfence-peer --force {name}"
    )


def left_behind(resource: Resource, *, at_once: bool = False) -> str:
    """A fence constraint that nobody has removed although the replicas are complete, and what to type. A monitor has
    had the time to remove it, unless `at_once` is set.
    """
    name = resource.name
    if not resource.primary or not os.path.exists(fence.marker(name)):
        return ""
    if not at_once and fence.read(_note(name)) != _state(resource):
        return ""
    return f"the peer of {name} is still kept from promotion by a fence constraint; type: twinsan unfence-peer {name}"


def _frozen(resource: Resource) -> bool:
    return resource.primary and "fencing" in resource.suspended


def _looked(resource: Resource) -> bool:
    """Whether the CIB was looked at a short time ago, in the state that DRBD is in."""
    name = resource.name
    stands = os.path.exists(fence.marker(name)) or os.path.exists(fence.ban(name))
    seconds = _SECONDS_WITH_CONSTRAINT if stands or resource.alone else _SECONDS
    try:
        age = time.time() - os.stat(_note(name)).st_mtime
    except OSError:
        return False
    return 0 <= age < seconds and fence.read(_note(name)) == _state(resource)


def _state(resource: Resource) -> str:
    """What of the state makes a constraint needed or not."""
    peers = ",".join(sorted(peer.name for peer in resource.complete_peers))
    return f"{resource.role} {'complete' if resource.complete else 'behind'} {peers}"


def _note(name: str) -> str:
    return rundir.path(f"fence-look.{name}")


def _decide_again(name: str) -> None:
    from twinsan.fence import handler

    handler.decide_again(name)


def _review(name: str) -> None:
    from twinsan.fence import lifting

    lifting.review(name)
