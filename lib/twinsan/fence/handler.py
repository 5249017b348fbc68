# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide what to tell DRBD about a lost peer, and make it so. The package's docstring says why it is right."""

from __future__ import annotations

import os
import sys
import syslog
import time

from twinsan import fence
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, NotInstalled
from twinsan.fence.state import Constraint, State, constraint_id
from twinsan.system import cib, drbd, drbd_health, lock, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.system.events2 import Resource

# Exit statuses that DRBD understands (drbd.conf(5), "fence-peer"). Any other leaves I/O frozen.
BACK_AGAIN = 0
UNDECIDED = 1
PEER_OUTDATED = 4
PEER_IS_ACTIVE = 6
PEER_FENCED = 7

# A promotion waits inside the kernel for the answer; the agent gives it 180 s. A fencing that was confirmed takes no
# time here, since the cluster promotes only after it.
_SECONDS_FOR_PROMOTION = 60.0

# A Primary is frozen as long as nobody answers, so to give up early only makes an operator thaw it by hand. After 600 s
# drbdadm, which stands between the kernel and this handler, gives up itself.
_SECONDS_FOR_PRIMARY = 580.0

_SECONDS_FOR_QUERY = 10.0
_SECONDS_FOR_PROOF = 3.0
_POLL_SECONDS = 0.25
_SLOW_POLL_SECONDS = 2.0
_POLLS_BEFORE_SLOW = 240


class Undecided(Failure):
    """Nothing is certain yet."""


class NotUp(Failure):
    """There is no resource to decide about."""


class Call:
    """What DRBD said when it called: the resource and the peer's host name ("" where that is not known)."""

    def __init__(self, resource: str, peer: str) -> None:
        self.resource = resource
        self.peer = peer

    @classmethod
    def of(cls, resource: str, variables: Mapping[str, str]) -> Call:
        """Read the environment of a handler: DRBD 9 numbers the nodes, 8.4 names the one peer."""
        numbered = variables.get(f"DRBD_NODE_ID_{variables.get('DRBD_PEER_NODE_ID', '')}", "")
        others = [name for name in variables.get("DRBD_PEERS", "").split() if name != os.uname().nodename]
        return cls(resource, numbered or variables.get("DRBD_PEER", "") or (others[0] if len(others) == 1 else ""))


def fence_peer(call: Call, seconds: float | None = None) -> int:
    """Find out what became of the peer, within `seconds` or a time that fits. Returns the exit status for DRBD."""
    started = time.monotonic()
    try:
        status, reason = _fence_peer(call, seconds)
    except Failure as failure:
        status, reason = UNDECIDED, str(failure)
    _log(
        f"fence-peer {call.resource}: {reason} (exit status {status} after {time.monotonic() - started:.1f} s)", status
    )
    return status


def _fence_peer(call: Call, seconds: float | None) -> tuple[int, str]:
    own = _up(call.resource, Deadline(_SECONDS_FOR_QUERY))
    fitting = _SECONDS_FOR_PRIMARY if own.primary else _SECONDS_FOR_PROMOTION
    budget = Deadline(fitting if seconds is None else seconds)
    # A second call waits for the first one, and then finds what that has arranged.
    with lock.Held(f"fence.{call.resource}", budget):
        attempts = 0
        while True:
            try:
                return _attempt(call, budget)
            except (NotInstalled, NotUp):
                raise
            except Failure as failure:
                missing = str(failure)
            if budget.expired():
                raise Undecided(f"{missing}; {_advice(call, frozen=own.primary)}")
            attempts += 1
            interval = _POLL_SECONDS if attempts < _POLLS_BEFORE_SLOW else _SLOW_POLL_SECONDS
            time.sleep(min(interval, budget.remaining()))


def _advice(call: Call, *, frozen: bool) -> str:
    peer = call.peer or "PEER"
    confirm = f"once {peer} is off for sure: stonith_admin --confirm={peer}"
    return f"I/O stays frozen; {confirm}, then: drbdadm resume-io {call.resource}" if frozen else confirm


def _attempt(call: Call, budget: Deadline) -> tuple[int, str]:
    """One look at everything. Raises Failure, saying what is missing, as long as nothing is certain."""
    own = _up(call.resource, budget.within(_SECONDS_FOR_QUERY))
    if _connected(own, call.peer):
        return BACK_AGAIN, "the peer is connected again, nothing to do"
    state = State(cib.query(budget.within(_SECONDS_FOR_QUERY)))
    me, peer = _members(state, call)
    if not state.has_quorum:
        raise Undecided("this node's partition of the cluster has no quorum; see: crm_mon -1")
    constraint = state.constraint(call.resource)
    if constraint is not None and constraint.bans(me):
        return _banned(own, constraint)
    if not _has_best_data(own) and not (constraint is not None and constraint.bans(peer)):
        disks = ", ".join(volume.disk for volume in own.volumes)
        raise Undecided(f"the disk here is {disks or 'missing'}: {peer} may have newer data; bring {peer} back")
    if state.is_down(peer):
        _ban(state, call.resource, me, peer, budget)
        return PEER_FENCED, f"{peer} is down: fenced, or gone in good order"
    if state.lives(peer):
        return _settle_with_living(state, call.resource, me, peer, budget)
    raise Undecided(f"{peer} is lost and not yet fenced; see: crm_mon -1, stonith_admin --history={peer}")


def _up(resource: str, deadline: Deadline) -> Resource:
    own = drbd.query(resource, deadline)
    if own is None:
        raise NotUp(f"{resource} is not up here; bring it up: drbdadm up {resource}")
    return own


def _members(state: State, call: Call) -> tuple[str, str]:
    """The cluster's names of this node and of the peer."""
    host = os.uname().nodename
    me = state.node(host)
    if not me:
        raise Undecided(
            f"the cluster has no node {host}; the host's name and the node's have to agree: crm_node --list"
        )
    peer = state.node(call.peer) if call.peer else state.other_than(me)
    if not peer:
        raise Undecided(
            f"the cluster has no node {call.peer or 'beside this one'}; DRBD's 'on' sections have to name its nodes: "
            "crm_node --list"
        )
    return me, peer


def _connected(own: Resource, peer: str) -> bool:
    connections = [connection for connection in own.connections if connection.name in ("peer", peer)]
    return any(connection.connected for connection in connections or own.connections)


def _has_best_data(own: Resource) -> bool:
    return bool(own.volumes) and all(volume.disk == "UpToDate" for volume in own.volumes)


def _banned(own: Resource, constraint: Constraint) -> tuple[int, str]:
    """The peer has gone on without this node: what was written there is missing here."""
    owner = " or ".join(sorted(constraint.allowed))
    if own.primary:
        # DRBD does not outdate a Primary. Nothing was acknowledged here since the link broke: to stay frozen is right.
        raise Undecided(
            f"{owner} has gone on without this node (constraint {constraint.id}); "
            f"demote here: drbdadm secondary {own.name}"
        )
    return PEER_IS_ACTIVE, f"{owner} has gone on without this node (constraint {constraint.id}); bring {owner} back"


def _settle_with_living(state: State, resource: str, me: str, peer: str, budget: Deadline) -> tuple[int, str]:
    if not state.clone_of(resource):
        raise Undecided(
            f"{peer} lives, and no clone in the cluster has drbd_resource={resource}: nothing keeps it from promotion"
        )
    if not cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        raise Undecided(f"{peer} is a member of the cluster and does not answer; waiting until it does or is fenced")
    created = _ban(state, resource, me, peer, budget)
    if cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        return PEER_OUTDATED, f"{peer} lives and has the constraint; only the replication link is down"
    if created:
        _lift(resource, constraint_id(resource, state.clone_of(resource)))
    raise Undecided(f"{peer} stopped answering; waiting until it answers again or is fenced")


def _ban(state: State, resource: str, me: str, peer: str, budget: Deadline) -> bool:
    """Let the constraint stand that only this node may be promoted. Returns whether it had to be created.

    A resource without a clone is promoted by hand or not at all: there is nothing to ban.
    """
    if not state.clone_of(resource):
        return False
    standing = state.constraint(resource)
    if standing is not None and standing.bans(peer):
        return False
    deadline = budget.within(_SECONDS_FOR_QUERY)
    if standing is not None:
        cib.delete_constraint(standing.id, deadline)
    # Creating fails where the peer was quicker: the next attempt then sees its constraint.
    cib.create_constraint(state.new_constraint(resource, me), deadline)
    with open(fence.marker(resource), "w", encoding="ascii"):
        pass
    return True


def _lift(resource: str, identifier: str) -> None:
    cib.delete_constraint(identifier, Deadline(_SECONDS_FOR_QUERY))
    rundir.forget(fence.marker(resource))


def unfence_peer(resource: str, *, force: bool = False) -> int:
    """Take the constraint of a resource away, once the peer's replica is complete; 0 where none stands."""
    started = time.monotonic()
    status = 1
    try:
        if not force:
            _up(resource, Deadline(_SECONDS_FOR_QUERY))
        with lock.Held(f"fence.{resource}", Deadline(_SECONDS_FOR_PROMOTION)):
            outcome = _unfence_peer(resource, force=force)
        status = 0
    except Failure as failure:
        outcome = str(failure)
    _log(f"unfence-peer {resource}: {outcome} (exit status {status} after {time.monotonic() - started:.1f} s)", status)
    return status


def _unfence_peer(resource: str, *, force: bool) -> str:
    deadline = Deadline(_SECONDS_FOR_QUERY)
    if not force:
        try:
            deadline.wait_until(lambda: _complete(resource, deadline), "both replicas are UpToDate")
        except DeadlinePassed:
            raise Failure(_incomplete(resource)) from None
    state = State(cib.query(Deadline(_SECONDS_FOR_QUERY)))
    standing = state.constraint(resource)
    if standing is None:
        rundir.forget(fence.marker(resource))
        return "no constraint stands, nothing to do"
    _lift(resource, standing.id)
    return f"constraint {standing.id} is removed"


def _complete(resource: str, deadline: Deadline) -> bool:
    own = _up(resource, deadline)
    replicas = [replica for volume in own.volumes for _, replica in own.replicas(volume)]
    expected = len(own.volumes) * len(own.connections)
    return (
        _has_best_data(own)
        and len(replicas) == expected > 0
        and all(replica.disk == "UpToDate" for replica in replicas)
    )


def _incomplete(resource: str) -> str:
    ailment = drbd_health.ailment(_up(resource, Deadline(_SECONDS_FOR_QUERY)))
    return f"the constraint stays: {ailment}; against better knowledge: twinsan unfence-peer --force {resource}"


def _log(line: str, status: int) -> None:
    syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR if status == UNDECIDED else syslog.LOG_NOTICE, line)
    print(f"twinsan: {line}", file=sys.stderr)
