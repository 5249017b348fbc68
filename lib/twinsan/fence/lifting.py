# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove the fence constraint once it is not needed: the handler unfence-peer, and the monitor's review."""

from __future__ import annotations

import os
import time

from twinsan import fence
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.disk import promotion
from twinsan.drbd import health as drbd_health
from twinsan.errors import Failure, Reason
from twinsan.fence import constraint, handler, journal, patience, replica
from twinsan.fence.patience import SECONDS_FOR_QUERY
from twinsan.fence.view import View
from twinsan.host import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource
    from twinsan.fence.view import Constraint

# Enough for a CIB that does not answer, an election, a node that is booting. After that the monitors do it.
SECONDS_FOR_DRBD = 600.0

_SECONDS_FOR_LOCK = 60.0

STAYS = Reason(
    Failure,
    "the constraint stays: {ailment}",
    "against better knowledge: twinsan unfence-peer --force {resource}",
)
OF_ANOTHER_NODE = Reason(Failure, "{owner} has made the constraint", "type there: twinsan unfence-peer {resource}")


def unfence_peer(resource: str, *, force: bool = False, seconds: float = SECONDS_FOR_QUERY) -> int:
    """Remove the constraint of a resource if the peer's replica is complete; with `force` in any case. A failure is
    retried for `seconds`. Returns the exit status: 0 if the constraint was removed, was not there, or allows more nodes
    now; 1 if it stays.
    """
    started = time.monotonic()
    status = 1
    try:
        outcome = patience.repeat(lambda: _unfence_peer(resource, force=force), Deadline(seconds))
        status = 0
    except Failure as failure:
        outcome = str(failure)
    took = f"(exit status {status} after {time.monotonic() - started:.1f} s)"
    journal.log(f"unfence-peer {resource}: {outcome} {took}", failed=bool(status))
    return status


def publish_score(resource: str) -> None:
    """Publish the promotion score of this replica after its resync has ended. The next monitor, which would do so, is
    up to 20 s away, and until then a failover would find no node to promote. All other scores, and this one if it
    cannot be published, are left to the monitor.
    """
    try:
        own = replica.query(resource, Deadline(SECONDS_FOR_QUERY))
        if own.primary or not own.complete:
            return
        primitive = View(cib.query(Deadline(SECONDS_FOR_QUERY))).replica_of(resource)
        if primitive:
            promotion.publish_score(primitive, own, Deadline(SECONDS_FOR_QUERY))
    except (Failure, OSError) as failure:
        journal.log(f"the promotion score of {resource} is left to the monitor: {failure}")


def review(resource: str) -> None:
    """Remove a constraint that was left behind, and note one that bans this node. A monitor does this in the
    background. A failure is left to the next monitor.

    The first query takes no lock, because a promotion may be waiting for it. The removal takes it, and queries again.
    """
    try:
        view = View(cib.query(Deadline(SECONDS_FOR_QUERY)))
        present = view.constraint(resource)
        _note(resource, view, present)
        own = replica.query(resource, Deadline(SECONDS_FOR_QUERY))
        if present is None or not (own.complete and own.complete_peers):
            return
        with lock.Held(handler.lock_name(resource), Deadline(0)):
            outcome = _lift_where_complete(resource)
        journal.log(f"monitor of {resource}: {outcome}")
    except Failure:
        # A handler is running, or the cluster does not answer. The next monitor tries again, and reports a constraint
        # that still exists.
        return


def _lift_where_complete(resource: str) -> str:
    own = replica.query(resource, Deadline(SECONDS_FOR_QUERY))
    if not (own.complete and own.complete_peers):
        raise _stays(own)
    view = View(cib.query(Deadline(SECONDS_FOR_QUERY)))
    present = view.constraint(resource)
    _note(resource, view, present)
    return "no constraint stands, nothing to do" if present is None else _lift(view, own, present)


def _lift_by_force(resource: str) -> str:
    view = View(cib.query(Deadline(SECONDS_FOR_QUERY)))
    present = view.constraint(resource)
    if present is not None:
        constraint.remove(resource, present.id)
    _note(resource, view, None)
    return f"constraint {present.id} is removed" if present else "no constraint stands, nothing to do"


def _unfence_peer(resource: str, *, force: bool) -> str:
    with lock.Held(handler.lock_name(resource), Deadline(_SECONDS_FOR_LOCK)):
        return _lift_by_force(resource) if force else _lift_where_complete(resource)


def _lift(view: View, own: Resource, present: Constraint) -> str:
    """Remove the constraint, or make it allow the nodes that are complete again. Returns what was done.

    A node that the constraint bans may lift it only as Primary. For seconds, until a ping is not answered, it may still
    see a connection that the owner knows to be lost.
    """
    me = view.node_name(os.uname().nodename)
    if present.bans(me) and not own.primary:
        raise OF_ANOTHER_NODE(owner=present.owner, resource=own.name)
    if all(peer in own.complete_peers for peer in view.promotable_peers(own)):
        constraint.remove(own.name, present.id)
        fence.ban_note(own.name).forget()
        return f"constraint {present.id} is removed"
    allowed = present.allowed | view.complete_nodes(own)
    if allowed == present.allowed:
        raise _stays(own)
    cib.widen_constraint(view.new_constraint(own.name, present.owner, allowed), Deadline(SECONDS_FOR_QUERY))
    return f"constraint {present.id} allows {', '.join(sorted(allowed))} now"


def _note(resource: str, view: View, present: Constraint | None) -> None:
    """Note for the monitor whether there is a constraint, and whether it bans this node."""
    if present is None:
        fence.constraint_note(resource).forget()
    else:
        fence.constraint_note(resource).create("")
    if present is None or not present.bans(view.node_name(os.uname().nodename)):
        fence.ban_note(resource).forget()
    else:
        fence.ban_note(resource).create(present.owner)


def _stays(own: Resource) -> Failure:
    return STAYS(ailment=drbd_health.ailment(own) or "not every replica is complete", resource=own.name)
