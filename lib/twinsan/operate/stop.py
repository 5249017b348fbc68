# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan stop``: a planned end of the whole pair. It looks first who would notice, and asks.

The node that serves stops last. DRBD then keeps in its meta data that the other replica is the older one: at the next
start the newest one can serve even if it comes up alone, and the older one refuses. If both stopped at once, neither
could know.
"""

from __future__ import annotations

import os
import sys

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.operate import in_use, question, reading, remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.remote import Node

_SECONDS = 60.0
# For the stop of all that a node runs: more than the sum of its time-outs.
_SECONDS_TO_STOP = 900.0

NO_CLUSTER = Reason(
    Failure,
    "the cluster of {node} does not run, or cannot be seen",
    "type this on the other node; or see: systemctl status pacemaker",
)
NO_PAIR = Reason(Failure, "the cluster has the nodes {nodes}, which is no pair", "stop each by hand")
UNCLEAN = Reason(Failure, "{node} is {state}, and nobody knows what it does", "see: crm_mon -1; then type this again")
MAINTENANCE = Reason(
    Failure,
    "the cluster is in maintenance mode, so that its end would stop nothing that it runs",
    "crm_attribute --name maintenance-mode --delete",
)
NOT_COMPLETE = Reason(
    Failure,
    "not both replicas of {resource} are complete and connected{ailment}",
    "wait until twinsan status shows UpToDate/UpToDate; to stop it now all the same: --even-so",
)
REFUSED = Reason(Failure, "nothing was stopped")
NOT_STOPPED = Reason(Failure, "{node} did not stop: {why}", "see there: crm_mon -1 and journalctl -u pacemaker")

_END = (
    "Both are stopped. To start again, power both on, or type on both: systemctl start pacemaker\n"
    'If one of them does not come up, see docs/day-two.md, "Only one server comes up": only {last} has all data.'
)


class Options:
    """What was typed."""

    def __init__(self, *, yes: bool = False, even_so: bool = False, power_off: bool = False) -> None:
        self.yes = yes
        self.even_so = even_so
        self.power_off = power_off


class Look:
    """What was found: the `states` of the nodes by their names, and the facts of those `nodes` that run, this one
    first. `unseen` is why the other one, though it runs, does not tell what it does.
    """

    def __init__(self) -> None:
        name = os.uname().nodename
        self.here = in_use.facts(remote.Node(name))
        if self.here["cluster"] is None:
            raise NO_CLUSTER(node=name)
        self.states = {str(node["name"]): str(node["state"]) for node in self.here["cluster"]["nodes"]}
        if len(self.states) != 2:
            raise NO_PAIR(nodes=" ".join(self.states))
        pair = remote.pair(self.states)
        self.nodes = [node for node in pair if self.states[node.name] != "offline"]
        self.facts = {name: self.here}
        self.unseen: list[Failure] = []
        for node in self.nodes[1:]:
            try:
                node.require_name()
                self.facts[node.name] = in_use.facts(node)
            except Failure as failure:
                self.unseen.append(failure)

    @property
    def serving(self) -> dict[str, str]:
        """What each node serves, as names of DRBD resources."""
        found: dict[str, list[str]] = {}
        for each in self.here["services"]:
            found.setdefault(str(each["promoted"]), []).append(str(each["drbd"]))
        return {node: " ".join(names) for node, names in found.items()}

    @property
    def order(self) -> list[Node]:
        """The nodes in the order of their end. The one that serves is the last; if both do, this one."""
        serving = self.serving
        return sorted(self.nodes, key=lambda node: (node.name in serving, node is self.nodes[0]))

    def faults(self) -> Iterator[Failure]:
        """What keeps the pair from being stopped, whatever the operator says."""
        yield from self.unseen
        if self.here["cluster"]["maintenance"]:
            yield MAINTENANCE()
        for name, state in self.states.items():
            if state in ("unclean", "pending"):
                yield UNCLEAN(node=name, state=state)

    def doubts(self) -> Iterator[Failure]:
        """What speaks against it, and is the operator's to decide."""
        for node in self.nodes:
            if node.name in self.facts:
                yield from in_use.doubts(node, self.facts[node.name])
        for service in self.here["services"]:
            ailment = _incomplete(self.here["replication"], service["drbd"])
            if ailment is not None:
                yield NOT_COMPLETE(resource=service["drbd"], ailment=ailment)


def stop(options: Options) -> int:
    """Stop both nodes of the pair. Returns the exit status: 1 if something speaks against it or the answer is no, 2 if
    there is nobody to ask. Raises Failure.
    """
    question.require_root()
    look = Look()
    faults, doubts = list(look.faults()), list(look.doubts())
    if faults or (doubts and not options.even_so):
        for each in [*faults, *doubts]:
            print(f"twinsan: {each}", file=sys.stderr)
        raise REFUSED()  # noqa: RSE102  a Reason, which makes the exception
    for each in doubts:
        question.say(f"Even so: {str(each).partition('; ')[0]}")
    question.say(_plan(look, options))
    try:
        question.ask(REFUSED, yes=options.yes)
    except Misconfigured as wrong:
        print(f"twinsan: {wrong}", file=sys.stderr)
        return reading.WRONG
    _carry_out(look, options)
    return 0


def _carry_out(look: Look, options: Options) -> None:
    order = look.order
    for node in order:
        _stop(node)
    if options.power_off:
        # This one is the last: it has to tell the other.
        for node in reversed(look.nodes):
            node.run("systemctl", "--no-block", "poweroff", deadline=Deadline(_SECONDS))
    question.say(_END.format(last=order[-1].name))


def _incomplete(replication: list[dict[str, Any]] | None, name: str) -> str | None:
    """What is not well with a DRBD resource, to follow what is said of it; None if both replicas are complete."""
    for each in replication or ():
        if each["drbd"] == name:
            complete = all(
                volume["disk"] == peer["disk"] == "UpToDate" and peer["connected"]
                for volume in each["volumes"]
                for peer in volume["peers"]
            )
            peers = all(volume["peers"] for volume in each["volumes"])
            ailment = str(each["ailment"]).partition("; ")[0]
            return None if complete and peers and each["volumes"] else f": {ailment}" if ailment else ""
    return ": DRBD does not have it here"


def _plan(look: Look, options: Options) -> str:
    """What is going to be done, in words."""
    serving = look.serving
    names = [
        f"{node.name}, which serves {serving[node.name]}" if node.name in serving else node.name for node in look.order
    ]
    then = "; then it powers both off" if options.power_off else ""
    return f"This stops {', then '.join(names)}{then}. Nobody is served from then on."


def _stop(node: Node) -> None:
    """Stop the cluster on a node: Pacemaker, which stops all that it runs, then corosync."""
    question.say(f"{node.name} stops ...")
    try:
        node.run("systemctl", "stop", "pacemaker", "corosync", deadline=Deadline(_SECONDS_TO_STOP))
    except Failure as failure:
        raise NOT_STOPPED(node=node.name, why=failure) from None
    question.say(f"{node.name} is stopped")
