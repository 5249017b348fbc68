# SPDX-License-Identifier: GPL-2.0-or-later
"""The decision about a lost peer, from one query of DRBD and the cluster. The package's docstring explains it."""

from __future__ import annotations

import os

from twinsan.cluster import cib
from twinsan.errors import Reason
from twinsan.fence import constraint, replica
from twinsan.fence.failures import Undecided
from twinsan.fence.patience import SECONDS_FOR_QUERY
from twinsan.fence.view import View, constraint_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Connection, Resource
    from twinsan.fence.view import Constraint

# Exit statuses that DRBD understands (drbd.conf(5), "fence-peer"). Any other leaves I/O frozen.
BACK_AGAIN = 0
UNDECIDED = 1
PEER_OUTDATED = 4
PEER_IS_ACTIVE = 6
PEER_FENCED = 7

# For crmadmin, which asks the peer's controller: that answers within milliseconds or not at all.
_SECONDS_FOR_PROOF = 3.0

_CONFIRM = "once it is off for sure: stonith_admin --confirm={peer}"

NO_QUORUM = Reason(
    Undecided,
    "this node's partition of the cluster has no quorum",
    "bring the other votes back: corosync-quorumtool -s",
)
NOT_COMPLETE = Reason(Undecided, "the disk here is {disks}: {peer} may have newer data", "bring {peer} back")
NOT_FENCED = Reason(Undecided, "{peer} is lost and not yet fenced", _CONFIRM)
NO_ANSWER = Reason(Undecided, "{peer} does not answer", _CONFIRM)
STOPPED_ANSWERING = Reason(Undecided, "{peer} stopped answering", _CONFIRM)
NO_SUCH_HOST = Reason(
    Undecided,
    "the cluster has no node {host}",
    "the host's name and the node's have to agree: crm_node --list",
)
NO_SUCH_PEER = Reason(
    Undecided,
    "the cluster has no node {peer}",
    "DRBD's 'on' sections have to name its nodes: crm_node --list",
)
NO_OTHER_NODE = Reason(
    Undecided,
    "the cluster has no node beside this one",
    "DRBD's 'on' sections have to name its nodes: crm_node --list",
)
OTHER_WENT_ON = Reason(
    Undecided,
    "{owner} has gone on without this node",
    "demote here: drbdadm secondary {resource}; see the constraint: crm configure show {constraint}",
)
NO_CLONE = Reason(
    Undecided,
    "{peer} lives, and no clone in the cluster has drbd_resource={resource}: nothing keeps it from promotion",
    "see: crm configure show",
)


class Call:
    """A call of the handler: DRBD's name of the resource, and the peer's host name, "" if that is not known."""

    def __init__(self, resource: str, peer: str) -> None:
        self.resource = resource
        self.peer = peer

    @classmethod
    def of(cls, resource: str, variables: Mapping[str, str]) -> Call:
        """Read the call from the environment of a handler. DRBD 9 gives the node ids, 8.4 the name of the one peer."""
        numbered = variables.get(f"DRBD_NODE_ID_{variables.get('DRBD_PEER_NODE_ID', '')}", "")
        others = [name for name in variables.get("DRBD_PEERS", "").split() if name != os.uname().nodename]
        return cls(resource, numbered or variables.get("DRBD_PEER", "") or (others[0] if len(others) == 1 else ""))


def attempt(call: Call, budget: Deadline) -> tuple[int, str]:
    """Query DRBD and the cluster once, and create the constraint if it is due. Returns (exit status for DRBD, why).
    Raises Failure, with what is missing, as long as nothing is certain.
    """
    own = replica.query(call.resource, budget.within(SECONDS_FOR_QUERY))
    peers = _connections(own, call.peer)
    if any(peer.connected for peer in peers):
        return BACK_AGAIN, "the peer is connected again, nothing to do"
    if peers and all(peer.diskless for peer in peers):
        return PEER_OUTDATED, f"{call.peer} has no disk on purpose, and so no data to be promoted with"
    view = View(cib.query(budget.within(SECONDS_FOR_QUERY)))
    me, peer = _node_names(view, call)
    if not view.has_quorum:
        raise NO_QUORUM()  # noqa: RSE102  It is no class.
    present = view.constraint(call.resource)
    if present is not None and present.bans(me):
        return _answer_of_the_banned(own, present)
    if not own.complete and not (present is not None and present.bans(peer)):
        disks = ", ".join(volume.disk for volume in own.volumes)
        raise NOT_COMPLETE(disks=disks or "missing", peer=peer)
    if view.is_down(peer):
        constraint.ban(view, own, me, peer, budget)
        return PEER_FENCED, f"{peer} is down: fenced, or gone in good order"
    if view.is_member(peer):
        return _settle_with_living(view, own, me, peer, budget)
    raise NOT_FENCED(peer=peer)


def _node_names(view: View, call: Call) -> tuple[str, str]:
    """Return the cluster's names of this node and of the peer. Raises Undecided if the cluster does not know one."""
    host = os.uname().nodename
    me = view.node_name(host)
    if not me:
        raise NO_SUCH_HOST(host=host)
    peer = view.node_name(call.peer) if call.peer else view.only_other_node(me)
    if not peer:
        raise NO_SUCH_PEER(peer=call.peer) if call.peer else NO_OTHER_NODE()
    return me, peer


def _connections(own: Resource, peer: str) -> list[Connection]:
    """The connections to the peer; all connections if none has its name."""
    return [connection for connection in own.connections if connection.name in ("peer", peer)] or own.connections


def _answer_of_the_banned(own: Resource, present: Constraint) -> tuple[int, str]:
    """The answer if the peer has gone on without this node: what was written there is missing here."""
    owner = " or ".join(sorted(present.allowed))
    if own.primary:
        # DRBD does not outdate a Primary. Nothing was acknowledged here since the link broke, so I/O must stay frozen.
        raise OTHER_WENT_ON(owner=owner, resource=own.name, constraint=present.id)
    return PEER_IS_ACTIVE, f"{owner} has gone on without this node (constraint {present.id}); bring {owner} back"


def _settle_with_living(view: View, own: Resource, me: str, peer: str, budget: Deadline) -> tuple[int, str]:
    """The answer for a peer that is alive: it has to answer before and after the constraint is created."""
    if not view.clone_of(own.name):
        raise NO_CLONE(peer=peer, resource=own.name)
    if not cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        raise NO_ANSWER(peer=peer)
    created = constraint.ban(view, own, me, peer, budget)
    if cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        return PEER_OUTDATED, f"{peer} lives and has the constraint; only the replication link is down"
    if created:
        constraint.remove(own.name, constraint_id(own.name, view.clone_of(own.name)))
    raise STOPPED_ANSWERING(peer=peer)
