# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitors do for the handlers, which DRBD calls only once: they decide again, and review the constraint.

That is done in a process of its own, bounded, and no monitor waits for it. A monitor only reads the notes of the last
one.
"""

from __future__ import annotations

import time

from twinsan import fence
from twinsan.drbd import behind
from twinsan.errors import Degraded, Reason
from twinsan.host import child
from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource

# How often the CIB is asked where DRBD's state did not change: seldom, or often while a constraint is known to stand or
# the peer, which may be making one, is away.
_SECONDS = 300.0
_SECONDS_WITH_CONSTRAINT = 20.0

FROZEN = Reason(Degraded, "I/O of {resource} is frozen: {missing}")
FROZEN_UNFENCED = Reason(
    Degraded,
    "I/O of {resource} is frozen: {peer} is lost and not yet fenced",
    "once it is off for sure: stonith_admin --confirm={peer}",
)
BANNED = Reason(
    Degraded,
    "{resource} is banned here since {since}: only {owner} has all data",
    "bring {owner} back; gone for good: twinsan unfence-peer --force {resource}",
)
LEFT_BEHIND = Reason(
    Degraded,
    "the peer of {resource} is still kept from promotion by a fence constraint",
    "type: twinsan unfence-peer {resource}",
)


def start_background_work(resource: Resource) -> None:
    """Start in the background what the state of the resource asks for: to decide again where I/O is frozen, or to
    review the constraint. After a change of the state, as by a promotion, the review is due at once.
    """
    name = resource.name
    if _frozen(resource):
        child.run_detached(lambda: _decide_again(name))
        return
    if not _is_reviewed(resource):
        _review_note(name).replace(_reviewed_state(resource))
        child.run_detached(lambda: _review(name))


def freeze_ailment(resource: Resource) -> str:
    """Return the reason why the I/O of a Primary stays frozen; "" where it is not frozen, or nobody knows."""
    if not _frozen(resource):
        return ""
    missing, peer = fence.undecided_note(resource.name).read(), fence.peer_note(resource.name).read()
    if missing:
        return FROZEN.text(resource=resource.name, missing=missing)
    # The handler has not looked yet. The cluster keeps showing what it is told first.
    return FROZEN_UNFENCED.text(resource=resource.name, peer=peer) if peer else ""


def ban_ailment(resource: Resource) -> str:
    """Return the reason where this node may not be promoted and the one that may is away; "" where it may, as far as is
    known.
    """
    note = fence.ban_note(resource.name)
    owner = "" if resource.primary or not resource.alone else note.read()
    if not owner:
        return ""
    return BANNED.text(resource=resource.name, since=behind.clock(note.modified()), owner=owner)


def leftover_ailment(resource: Resource, *, at_once: bool = False) -> str:
    """Return the reason where nobody has removed a fence constraint although the replicas are complete; "" where there
    is none, or where no monitor has had the time to remove it, which `at_once` does not ask for.
    """
    name = resource.name
    if not resource.primary or not fence.constraint_note(name).exists():
        return ""
    if not at_once and _review_note(name).read() != _reviewed_state(resource):
        return ""
    return LEFT_BEHIND.text(resource=name)


def _frozen(resource: Resource) -> bool:
    return resource.primary and "fencing" in resource.suspended


def _is_reviewed(resource: Resource) -> bool:
    """Whether the CIB was looked at a short time ago, in the state that DRBD is in."""
    name = resource.name
    constrained = fence.constraint_note(name).exists() or fence.ban_note(name).exists()
    seconds = _SECONDS_WITH_CONSTRAINT if constrained or resource.alone else _SECONDS
    try:
        age = time.time() - _review_note(name).modified()
    except OSError:
        return False
    return 0 <= age < seconds and _review_note(name).read() == _reviewed_state(resource)


def _reviewed_state(resource: Resource) -> str:
    """What of the state makes a constraint needed or not."""
    peers = ",".join(sorted(peer.name for peer in resource.complete_peers))
    return f"{resource.role} {'complete' if resource.complete else 'behind'} {peers}"


def _review_note(name: str) -> Note:
    return Note(f"fence-look.{name}")


def _decide_again(name: str) -> None:
    from twinsan.fence import handler

    handler.decide_again(name)


def _review(name: str) -> None:
    from twinsan.fence import lifting

    lifting.review(name)
