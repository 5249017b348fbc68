# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence constraint in the CIB: create it, ban one more node, remove it."""

from __future__ import annotations

from twinsan import fence
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import Reason
from twinsan.fence import journal
from twinsan.fence.failures import Undecided
from twinsan.fence.patience import SECONDS_FOR_QUERY
from twinsan.fence.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource
    from twinsan.fence.view import Constraint

CHANGED_MEANWHILE = Reason(
    Undecided, "the constraint {constraint} has changed meanwhile", "see: crm configure show {constraint}"
)


def ban(view: View, own: Resource, me: str, peer: str, budget: Deadline) -> bool:
    """Make sure that a constraint keeps `peer` from promotion. `me` is the cluster's name of this node, `own` the state
    of its replica. Returns whether the constraint had to be created. Raises Failure; Undecided if somebody else has
    changed the constraint meanwhile.

    A resource without a clone in the cluster is promoted by hand or not at all, so it needs no constraint.
    """
    resource = own.name
    if not view.clone_of(resource):
        return False
    present = view.constraint(resource)
    if present is not None and present.bans(peer):
        return False
    deadline = budget.within(SECONDS_FOR_QUERY)
    if present is not None and present.effective:
        _exclude(present, own, me, peer, deadline)
        return False
    if present is not None:
        cib.delete_constraint(present.id, deadline)
    # Creation fails if the peer was quicker. The next attempt then sees the peer's constraint.
    cib.create_constraint(view.new_constraint(resource, me, view.complete_nodes(own) - {peer}), deadline)
    journal.write_note(fence.constraint_note(resource), "")
    return True


def _exclude(present: Constraint, own: Resource, me: str, peer: str, deadline: Deadline) -> None:
    """Remove `peer` from the nodes that the constraint allows. The peer may be doing the same to this node: then one of
    the two finds itself banned, or both do. There is never a moment without a constraint.
    """
    cib.delete_expression(present.expression_id(peer), deadline)
    narrowed = View(cib.query(deadline)).constraint(own.name)
    if narrowed is None or narrowed.bans(me) or not narrowed.bans(peer):
        raise CHANGED_MEANWHILE(constraint=present.id)


def remove(resource: str, identifier: str) -> None:
    """Remove a constraint of `resource` from the CIB, by its id. Raises Failure."""
    cib.delete_constraint(identifier, Deadline(SECONDS_FOR_QUERY))
    fence.constraint_note(resource).forget()
