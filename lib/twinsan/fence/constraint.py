# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence constraint in the CIB: create it, take a node out of those it allows, remove it."""

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
    """Have a constraint that keeps `peer` from promotion. `me` is the cluster's name of this node, `own` the state of
    its replica. Returns whether the constraint had to be created. Raises Failure; Undecided where somebody else has
    changed the constraint meanwhile.

    A resource without a clone is promoted by hand or not at all: there is nothing to ban.
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
    # Creating fails where the peer was quicker: the next attempt then sees its constraint.
    cib.create_constraint(view.new_constraint(resource, me, view.complete_nodes(own) - {peer}), deadline)
    journal.write_note(fence.constraint_note(resource), "")
    return True


def _exclude(present: Constraint, own: Resource, me: str, peer: str, deadline: Deadline) -> None:
    """Take `peer` out of those who may be promoted. It may be doing the same to this node: then one of the two finds
    itself banned, or both do. There is never a moment without a constraint.
    """
    cib.delete_expression(present.expression_id(peer), deadline)
    narrowed = View(cib.query(deadline)).constraint(own.name)
    if narrowed is None or narrowed.bans(me) or not narrowed.bans(peer):
        raise CHANGED_MEANWHILE(constraint=present.id)


def remove(resource: str, identifier: str) -> None:
    """Remove a constraint of `resource` from the CIB, by its id. Raises Failure."""
    cib.delete_constraint(identifier, Deadline(SECONDS_FOR_QUERY))
    fence.constraint_note(resource).forget()
