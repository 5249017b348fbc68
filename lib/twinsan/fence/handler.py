# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide what to tell DRBD about a lost peer, and make it so. The package's docstring says why it is right."""

from __future__ import annotations

import os
import sys
import syslog
import time

from twinsan import fence, rundir
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, NotInstalled
from twinsan.fence.state import Constraint, State, constraint_id
from twinsan.system import cib, drbd, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from twinsan.system.events2 import Connection, Resource

    _Found = TypeVar("_Found")

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

# The next monitor of a frozen Primary begins 10 s after this one.
_SECONDS_FOR_MONITOR = 20.0

SECONDS_FOR_QUERY = 10.0
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
    if call.peer:
        _note(fence.peer(call.resource), call.peer)
    try:
        status, reason = _fence_peer(call, seconds)
    except Failure as failure:
        status, reason = UNDECIDED, str(failure)
    log(f"fence-peer {call.resource}: {reason} (exit status {status} after {time.monotonic() - started:.1f} s)", status)
    return status


def _fence_peer(call: Call, seconds: float | None) -> tuple[int, str]:
    budget = Deadline(_SECONDS_FOR_PRIMARY if seconds is None else seconds)
    own = patiently(lambda: up(call.resource, budget.within(SECONDS_FOR_QUERY)), budget)
    if not own.primary and seconds is None:
        budget = budget.within(_SECONDS_FOR_PROMOTION)
    # A second call waits for the first one, and then finds what that has arranged.
    with lock.Held(_lock(call.resource), budget):
        try:
            return _decide(call, budget)
        except Undecided as undecided:
            raise Undecided(f"{undecided}{_frozen(own)}") from None


def _frozen(own: Resource) -> str:
    """What becomes of I/O when the handler gives up."""
    if not own.primary:
        return ""
    return f"; I/O stays frozen until the monitor of drbd-vaai sees that done, or by hand: drbdadm resume-io {own.name}"


def decide_again(resource: str) -> None:
    """Repeat the decision for a Primary whose handler has given up, and do what DRBD would where it is certain now.

    Nothing where a handler is at work.
    """
    budget = Deadline(_SECONDS_FOR_MONITOR)
    try:
        with lock.Held(_lock(resource), Deadline(0)):
            reasons = [_decide(Call(resource, peer), budget) for peer in _lost(resource, budget)]
            if reasons and all(status in (PEER_OUTDATED, PEER_FENCED) for status, _ in reasons):
                _thaw(resource, budget)
                log(f"I/O of {resource} goes on: {'; '.join(reason for _, reason in reasons)}", BACK_AGAIN)
    except Failure as failure:
        # The verdict has it for the monitor; the journal would get the same every 10 s.
        syslog.syslog(syslog.LOG_DEBUG, f"{resource}: {failure}")


def _lost(resource: str, budget: Deadline) -> list[str]:
    """The peers that are not connected, as `Call` wants them."""
    own = up(resource, budget.within(SECONDS_FOR_QUERY))
    state = State(cib.query(budget.within(SECONDS_FOR_QUERY)))
    # 8.4 tells its peer's name to the handler only.
    names = {"peer": fence.read(fence.peer(resource))}
    return [names.get(peer.name, peer.name) for peer in state.rivals(own) if not peer.connected]


def _thaw(resource: str, budget: Deadline) -> None:
    """Let frozen I/O go on, as DRBD does when it hears that the peer is fenced or outdated.

    The lock of fencing is held: whoever could lift the constraint has to wait, also where the peer has come back and is
    gone again meanwhile. An action of the cluster that gives this node up is not disturbed.
    """
    with lock.Held(f"drbd.{resource}", Deadline(0)):
        own = up(resource, budget.within(SECONDS_FOR_QUERY))
        if not own.primary or own.suspended != ("fencing",) or not own.complete:
            raise Undecided(f"{resource} has changed meanwhile")
        drbd.resume(own, budget.within(SECONDS_FOR_QUERY))


def _lock(resource: str) -> str:
    return f"fence.{resource}"


def _decide(call: Call, budget: Deadline) -> tuple[int, str]:
    """Look at everything until it is certain. Monitors read in the verdict what is missing meanwhile."""

    def look() -> tuple[int, str]:
        try:
            return _attempt(call, budget)
        except Failure as failure:
            if not _cut_short(failure, budget):
                _note(fence.verdict(call.resource), str(failure))
            raise

    found = patiently(look, budget)
    rundir.forget(fence.verdict(call.resource))
    return found


def _note(path: str, text: str) -> None:
    """A note for the monitors. That there is no room for it keeps no I/O frozen."""
    try:
        rundir.write(path, text)
    except OSError as error:
        log(f"{path} could not be written: {error}", BACK_AGAIN)


def patiently(look: Callable[[], _Found], budget: Deadline) -> _Found:
    """Repeat what raises Failure until it does not, or time is up; then the last Failure is raised. What a later look
    cannot mend is raised at once.
    """
    attempts = 0
    missing: Failure | None = None
    while True:
        try:
            return look()
        except (NotInstalled, NotUp):
            raise
        except Failure as failure:
            missing = failure if missing is None or not _cut_short(failure, budget) else missing
        if budget.expired():
            raise missing
        attempts += 1
        interval = _POLL_SECONDS if attempts < _POLLS_BEFORE_SLOW else _SLOW_POLL_SECONDS
        time.sleep(min(interval, budget.remaining()))


def _cut_short(failure: Failure, budget: Deadline) -> bool:
    """Whether a look only failed because the time for all looks is up: that says nothing of what is missing."""
    return isinstance(failure, DeadlinePassed) and budget.expired()


def _attempt(call: Call, budget: Deadline) -> tuple[int, str]:
    """One look at everything. Raises Failure, saying what is missing, as long as nothing is certain."""
    own = up(call.resource, budget.within(SECONDS_FOR_QUERY))
    peers = _connections(own, call.peer)
    if any(peer.connected for peer in peers):
        return BACK_AGAIN, "the peer is connected again, nothing to do"
    if peers and all(peer.diskless for peer in peers):
        return PEER_OUTDATED, f"{call.peer} has no disk on purpose, and so no data to be promoted with"
    state = State(cib.query(budget.within(SECONDS_FOR_QUERY)))
    me, peer = _members(state, call)
    if not state.has_quorum:
        raise Undecided("this node's partition of the cluster has no quorum; bring the other nodes back: crm_mon -1")
    constraint = state.constraint(call.resource)
    if constraint is not None and constraint.bans(me):
        return _banned(own, constraint)
    if not own.complete and not (constraint is not None and constraint.bans(peer)):
        disks = ", ".join(volume.disk for volume in own.volumes)
        raise Undecided(f"the disk here is {disks or 'missing'}: {peer} may have newer data; bring {peer} back")
    if state.is_down(peer):
        _ban(state, own, me, peer, budget)
        return PEER_FENCED, f"{peer} is down: fenced, or gone in good order"
    if state.lives(peer):
        return _settle_with_living(state, own, me, peer, budget)
    raise Undecided(f"{peer} is lost and not yet fenced; {_confirm(peer)}")


def _confirm(peer: str) -> str:
    return f"once it is off for sure: stonith_admin --confirm={peer}"


def up(resource: str, deadline: Deadline) -> Resource:
    """The state of a resource. Raises NotUp where there is none."""
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


def _connections(own: Resource, peer: str) -> list[Connection]:
    return [connection for connection in own.connections if connection.name in ("peer", peer)] or own.connections


def _banned(own: Resource, constraint: Constraint) -> tuple[int, str]:
    """The peer has gone on without this node: what was written there is missing here."""
    owner = " or ".join(sorted(constraint.allowed))
    if own.primary:
        # DRBD does not outdate a Primary. Nothing was acknowledged here since the link broke: to stay frozen is right.
        raise Undecided(
            f"{owner} has gone on without this node; demote here: drbdadm secondary {own.name}; see the constraint: "
            f"crm configure show {constraint.id}"
        )
    return PEER_IS_ACTIVE, f"{owner} has gone on without this node (constraint {constraint.id}); bring {owner} back"


def _settle_with_living(state: State, own: Resource, me: str, peer: str, budget: Deadline) -> tuple[int, str]:
    if not state.clone_of(own.name):
        raise Undecided(
            f"{peer} lives, and no clone in the cluster has drbd_resource={own.name}: nothing keeps it from promotion; "
            "see: crm configure show"
        )
    if not cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        raise Undecided(f"{peer} does not answer; {_confirm(peer)}")
    created = _ban(state, own, me, peer, budget)
    if cib.answers(peer, budget.within(_SECONDS_FOR_PROOF)):
        return PEER_OUTDATED, f"{peer} lives and has the constraint; only the replication link is down"
    if created:
        lift(own.name, constraint_id(own.name, state.clone_of(own.name)))
    raise Undecided(f"{peer} stopped answering; {_confirm(peer)}")


def _ban(state: State, own: Resource, me: str, peer: str, budget: Deadline) -> bool:
    """Let the constraint stand that `peer` may not be promoted. Returns whether it had to be created.

    A resource without a clone is promoted by hand or not at all: there is nothing to ban.
    """
    resource = own.name
    if not state.clone_of(resource):
        return False
    standing = state.constraint(resource)
    if standing is not None and standing.bans(peer):
        return False
    deadline = budget.within(SECONDS_FOR_QUERY)
    if standing is not None and standing.effective:
        _exclude(standing, own, me, peer, deadline)
        return False
    if standing is not None:
        cib.delete_constraint(standing.id, deadline)
    # Creating fails where the peer was quicker: the next attempt then sees its constraint.
    cib.create_constraint(state.new_constraint(resource, me, state.entitled(own) - {peer}), deadline)
    _note(fence.marker(resource), "")
    return True


def _exclude(standing: Constraint, own: Resource, me: str, peer: str, deadline: Deadline) -> None:
    """Take `peer` out of those who may be promoted. It may be doing the same to this node: then one of the two finds
    itself banned, or both do. There is never a moment without a constraint.
    """
    cib.delete_expression(standing.expression(peer), deadline)
    narrowed = State(cib.query(deadline)).constraint(own.name)
    if narrowed is None or narrowed.bans(me) or not narrowed.bans(peer):
        raise Undecided(f"the constraint {standing.id} has changed meanwhile; see: crm configure show {standing.id}")


def lift(resource: str, identifier: str) -> None:
    """Take a constraint away."""
    cib.delete_constraint(identifier, Deadline(SECONDS_FOR_QUERY))
    rundir.forget(fence.marker(resource))


def log(line: str, status: int) -> None:
    """Tell the journal and whoever has typed it."""
    syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR if status == UNDECIDED else syslog.LOG_NOTICE, line)
    print(f"twinsan: {line}", file=sys.stderr)
