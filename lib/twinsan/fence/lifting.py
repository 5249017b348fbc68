# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the fence constraint away once it is not needed, and find one that was left behind."""

from __future__ import annotations

import os
import time

from twinsan import fence, rundir
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.fence import handler
from twinsan.fence.handler import SECONDS_FOR_QUERY
from twinsan.fence.state import State
from twinsan.system import cib, drbd_health, lock, promotion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.fence.state import Constraint
    from twinsan.system.events2 import Resource

# For a CIB that does not answer, an election, a node that is booting. After that the monitors do it.
SECONDS_FOR_DRBD = 600.0

_SECONDS_FOR_LOCK = 60.0


def unfence_peer(resource: str, *, force: bool = False, seconds: float = SECONDS_FOR_QUERY) -> int:
    """Take the constraint of a resource away, once the peer's replica is complete; 0 where none stands.

    What keeps it from that is waited for as long as `seconds`.
    """
    started = time.monotonic()
    status = 1
    try:
        outcome = handler.patiently(lambda: _unfence_peer(resource, force=force), Deadline(seconds))
        status = 0
    except Failure as failure:
        outcome = str(failure)
    handler.log(
        f"unfence-peer {resource}: {outcome} (exit status {status} after {time.monotonic() - started:.1f} s)", status
    )
    return status


def tell_score(resource: str) -> None:
    """Tell the cluster that this replica could be promoted, where its resync has just ended: the next monitor, which
    would tell it, is up to 20 s away, and until then a failover would find nobody to promote. A monitor tells the rest.
    """
    try:
        own = handler.up(resource, Deadline(SECONDS_FOR_QUERY))
        if own.primary or not own.complete:
            return
        replica = State(cib.query(Deadline(SECONDS_FOR_QUERY))).replica_of(resource)
        if replica:
            promotion.tell(replica, own, Deadline(SECONDS_FOR_QUERY))
    except (Failure, OSError) as failure:
        handler.log(f"the promotion score of {resource} is left to the monitor: {failure}", 0)


def review(resource: str) -> None:
    """What a monitor does in the background: lift a constraint that was left behind, note one that bans this node.

    The look needs no lock, which a promotion may be waiting for; to lift needs it, and looks again.
    """
    try:
        state = State(cib.query(Deadline(SECONDS_FOR_QUERY)))
        standing = state.constraint(resource)
        _note(resource, state, standing)
        own = handler.up(resource, Deadline(SECONDS_FOR_QUERY))
        if standing is None or not (own.complete and own.complete_peers):
            return
        with lock.Held(f"fence.{resource}", Deadline(0)):
            outcome = _lift_where_complete(resource)
        handler.log(f"monitor of {resource}: {outcome}", 0)
    except Failure:
        # A handler is at work, or nobody answers. The next monitor tries again, and says that the constraint stands.
        return


def _lift_where_complete(resource: str) -> str:
    own = handler.up(resource, Deadline(SECONDS_FOR_QUERY))
    if not (own.complete and own.complete_peers):
        raise Failure(_stays(own))
    state = State(cib.query(Deadline(SECONDS_FOR_QUERY)))
    standing = state.constraint(resource)
    _note(resource, state, standing)
    return "no constraint stands, nothing to do" if standing is None else _lift(state, own, standing)


def _lift_by_force(resource: str) -> str:
    state = State(cib.query(Deadline(SECONDS_FOR_QUERY)))
    standing = state.constraint(resource)
    if standing is not None:
        handler.lift(resource, standing.id)
    _note(resource, state, None)
    return f"constraint {standing.id} is removed" if standing else "no constraint stands, nothing to do"


def _unfence_peer(resource: str, *, force: bool) -> str:
    with lock.Held(f"fence.{resource}", Deadline(_SECONDS_FOR_LOCK)):
        return _lift_by_force(resource) if force else _lift_where_complete(resource)


def _lift(state: State, own: Resource, standing: Constraint) -> str:
    """Take the constraint away, or out of it who is complete again. Returns what was done.

    Only who would have to rely on the constraint may lift it: its owner, or the Primary. Another one may still see a
    connection that the owner knows to be lost (for seconds: until a ping is not answered).
    """
    me = state.node(os.uname().nodename)
    if standing.bans(me) and not own.primary:
        raise Failure(f"{standing.owner} has made the constraint; type there: twinsan unfence-peer {own.name}")
    if all(peer in own.complete_peers for peer in state.rivals(own)):
        handler.lift(own.name, standing.id)
        rundir.forget(fence.ban(own.name))
        return f"constraint {standing.id} is removed"
    allowed = standing.allowed | state.entitled(own)
    if allowed == standing.allowed:
        raise Failure(_stays(own))
    cib.widen_constraint(state.new_constraint(own.name, standing.owner, allowed), Deadline(SECONDS_FOR_QUERY))
    return f"constraint {standing.id} allows {', '.join(sorted(allowed))} now"


def _note(resource: str, state: State, standing: Constraint | None) -> None:
    """Note for the monitor whether a constraint stands, and whether it bans this node."""
    if standing is None:
        rundir.forget(fence.marker(resource))
    else:
        rundir.write_first(fence.marker(resource), "")
    if standing is None or not standing.bans(state.node(os.uname().nodename)):
        rundir.forget(fence.ban(resource))
    else:
        rundir.write_first(fence.ban(resource), standing.owner)


def _stays(own: Resource) -> str:
    ailment = drbd_health.ailment(own) or "not every replica is complete"
    return f"the constraint stays: {ailment}; against better knowledge: twinsan unfence-peer --force {own.name}"
