# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitors do for the handlers, which DRBD calls only once: repeat the decision, and review the constraint.

That is done in a process of its own, with a time limit, and no monitor waits for it. A monitor only reads the notes
that the last such process has left.
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

# How often to query the CIB while DRBD's state does not change: often while a constraint is known to exist, or while
# the peer is away, which may be creating one; else seldom. At each monitor while a constraint bans a replica that is
# complete: if this server died now, nobody would serve.
_SECONDS = 300.0
_SECONDS_WITH_CONSTRAINT = 20.0

# The beginning of the note of a review that the next monitor has to start.
_DUE = "due "

FROZEN = Reason(Degraded, "I/O of {resource} is frozen: {missing}")
FROZEN_UNFENCED = Reason(
    Degraded,
    "I/O of {resource} is frozen: {peer} is lost, and not yet fenced or found alive",
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
    """Start the background work that the state of the resource asks for: repeat the decision if I/O is frozen, else
    review the constraint if that is due. After a change of the state it is due at once; after a promotion at the
    second monitor, because the LUNs start beside the first one and would have to wait for its programs.
    """
    name, state = resource.name, _reviewed_state(resource)
    noted = _review_note(name).read()
    if _frozen(resource):
        child.run_detached(lambda: _decide_again(name))
    elif resource.primary and noted and not noted.removeprefix(_DUE).startswith(resource.role):
        _review_note(name).replace(_DUE + state)
    elif not _is_reviewed(resource):
        _review_note(name).replace(state)
        child.run_detached(lambda: _review(name))


def freeze_ailment(resource: Resource) -> str:
    """Return the reason why the I/O of a Primary stays frozen; "" if it is not frozen, or if the reason is unknown."""
    if not _frozen(resource):
        return ""
    missing, peer = fence.undecided_note(resource.name).read(), fence.peer_note(resource.name).read()
    if missing:
        return FROZEN.text(resource=resource.name, missing=missing)
    # The handler has not noted anything yet.
    return FROZEN_UNFENCED.text(resource=resource.name, peer=peer) if peer else ""


def ban_ailment(resource: Resource) -> str:
    """Return the reason if this node may not be promoted while the peer that may be is away; else ""."""
    note = fence.ban_note(resource.name)
    owner = "" if resource.primary or not resource.alone else note.read()
    if not owner:
        return ""
    return BANNED.text(resource=resource.name, since=behind.clock(note.modified()), owner=owner)


def leftover_ailment(resource: Resource, *, at_once: bool = False) -> str:
    """Return the reason if this is a Primary and a fence constraint was left behind; else "". The caller has found the
    replicas complete. Unless `at_once` is set, the result is "" until a monitor had the chance to remove it.
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
    """Whether the CIB was queried a short time ago, while DRBD was in its present state."""
    name = resource.name
    constrained = fence.constraint_note(name).exists() or fence.ban_note(name).exists()
    if constrained and resource.complete and resource.complete_peers:
        return False
    seconds = _SECONDS_WITH_CONSTRAINT if constrained or resource.alone else _SECONDS
    try:
        age = time.time() - _review_note(name).modified()
    except OSError:
        return False
    return 0 <= age < seconds and _review_note(name).read() == _reviewed_state(resource)


def _reviewed_state(resource: Resource) -> str:
    """The part of the state that decides whether a constraint is needed, as a text to compare."""
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
