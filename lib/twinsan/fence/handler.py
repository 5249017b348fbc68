# SPDX-License-Identifier: GPL-2.0-or-later
"""The handler fence-peer, which decides within the available time what to answer DRBD about a lost peer; and the
monitor's repetition of that decision.
"""

from __future__ import annotations

import syslog
import time

from twinsan import fence
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.drbd import setup as drbd_setup
from twinsan.errors import Failure, Reason
from twinsan.fence import decision, journal, patience, replica
from twinsan.fence.decision import PEER_FENCED, PEER_OUTDATED, UNDECIDED, Call
from twinsan.fence.failures import Undecided
from twinsan.fence.patience import SECONDS_FOR_PROMOTION, SECONDS_FOR_QUERY
from twinsan.fence.view import View
from twinsan.host import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource

# The I/O of a Primary is frozen until there is an answer, so giving up early would only make an operator resume it by
# hand. After 600 s drbdadm, which is between the kernel and this handler, gives up itself.
_SECONDS_FOR_PRIMARY = 580.0

# The next monitor of a frozen Primary begins 10 s after this one.
_SECONDS_FOR_MONITOR = 20.0

STAYS_FROZEN = Reason(
    Undecided,
    "{reason}",
    "I/O stays frozen until the monitor of drbd-vaai sees that done, or by hand: drbdadm resume-io {resource}",
)
CHANGED_MEANWHILE = Reason(Undecided, "{resource} has changed meanwhile")


def fence_peer(call: Call, seconds: float | None = None) -> int:
    """Find out what became of the peer. Returns the exit status for DRBD, and logs why.

    Gives up after `seconds`; by default after 580 s on a Primary, and after 60 s if a promotion waits for the answer.
    """
    started = time.monotonic()
    if call.peer:
        journal.write_note(fence.peer_note(call.resource), call.peer)
    try:
        status, reason = _decide_in_time(call, seconds)
    except Failure as failure:
        status, reason = UNDECIDED, str(failure)
    took = f"(exit status {status} after {time.monotonic() - started:.1f} s)"
    journal.log(f"fence-peer {call.resource}: {reason} {took}", failed=status == UNDECIDED)
    return status


def _decide_in_time(call: Call, seconds: float | None) -> tuple[int, str]:
    budget = Deadline(_SECONDS_FOR_PRIMARY if seconds is None else seconds)
    own = patience.repeat(lambda: replica.query(call.resource, budget.within(SECONDS_FOR_QUERY)), budget)
    if not own.primary and seconds is None:
        budget = budget.within(SECONDS_FOR_PROMOTION)
    # A second call waits for the first one, and then finds its result.
    with lock.Held(lock_name(call.resource), budget):
        try:
            return _decide(call, budget)
        except Undecided as undecided:
            raise _consequence(undecided, own) from None


def _consequence(undecided: Undecided, own: Resource) -> Failure:
    """The failure of a handler that gives up; on a Primary it says that I/O stays frozen."""
    return STAYS_FROZEN(reason=undecided, resource=own.name) if own.primary else undecided


def decide_again(resource: str) -> None:
    """Repeat the decision for a Primary whose handler has given up. If it is certain now, resume I/O, as DRBD would. Do
    nothing while a handler is running. A failure is only noted for the monitor.
    """
    budget = Deadline(_SECONDS_FOR_MONITOR)
    try:
        with lock.Held(lock_name(resource), Deadline(0)):
            answers = [_decide(Call(resource, peer), budget) for peer in _lost_peers(resource, budget)]
            if answers and all(status in (PEER_OUTDATED, PEER_FENCED) for status, _ in answers):
                _thaw(resource, budget)
                journal.log(f"I/O of {resource} goes on: {'; '.join(reason for _, reason in answers)}")
    except Failure as failure:
        # The note has it for the monitor. The journal would get the same line every 10 s.
        syslog.syslog(syslog.LOG_DEBUG, f"{resource}: {failure}")


def _lost_peers(resource: str, budget: Deadline) -> list[str]:
    """The host names of the promotable peers that are not connected, as `Call` takes them."""
    own = replica.query(resource, budget.within(SECONDS_FOR_QUERY))
    view = View(cib.query(budget.within(SECONDS_FOR_QUERY)))
    # 8.4 gives its peer's name to the handler only.
    names = {"peer": fence.peer_note(resource).read() or ""}
    return [names.get(peer.name, peer.name) for peer in view.promotable_peers(own) if not peer.connected]


def _thaw(resource: str, budget: Deadline) -> None:
    """Resume frozen I/O, as DRBD does when the handler answers that the peer is fenced or outdated.

    The caller holds the fencing lock: a process that would lift the constraint has to wait, even if the peer has come
    back and is gone again meanwhile. An action of the cluster that is giving up this node holds the other lock, and is
    not disturbed.
    """
    with lock.Held(f"drbd.{resource}", Deadline(0)):
        own = replica.query(resource, budget.within(SECONDS_FOR_QUERY))
        if not own.primary or own.suspended != ("fencing",) or not own.complete:
            raise CHANGED_MEANWHILE(resource=resource)
        drbd_setup.resume(own, budget.within(SECONDS_FOR_QUERY))


def lock_name(resource: str) -> str:
    """Return the name of the lock to hold while deciding about a resource or lifting its constraint."""
    return f"fence.{resource}"


def _decide(call: Call, budget: Deadline) -> tuple[int, str]:
    """Repeat the attempt until the answer is certain. Meanwhile a note tells the monitors what is missing."""

    def look() -> tuple[int, str]:
        try:
            return decision.attempt(call, budget)
        except Failure as failure:
            if not patience.is_cut_short(failure, budget):
                journal.write_note(fence.undecided_note(call.resource), str(failure))
            raise

    answer = patience.repeat(look, budget)
    fence.undecided_note(call.resource).forget()
    return answer
