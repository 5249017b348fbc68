# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of a drill: look whether it is safe, begin to watch, have the cluster do it, wait, and report."""

from __future__ import annotations

import json
import sys
import time

from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Misconfigured, Reason
from twinsan.host import block_tree, command, lock
from twinsan.operate import luns, output, remote
from twinsan.operate.drill import history, initiator, outcome
from twinsan.operate.drill import unit as units
from twinsan.operate.drill.readiness import Readiness
from twinsan.operate.drill.report import Report
from twinsan.operate.drill.writes import Watch
from twinsan.operate.facts import gathering
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.verdict import prediction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.drill.initiator import Reader

SWITCHOVER, POWER_CUT = "switchover", "power cut"

# How long the writes are watched before, to know how often there are any.
_SECONDS_BEFORE = 3.0
# As long as ESXi waits before it gives a path up for good (APD, 140 s; VMware KB 2032934), and open-iscsi at most.
_SECONDS_TO_MOVE = 140.0
# A host that has lost its path tries again at least this often.
_SECONDS_TO_RETURN = 60.0
_SECONDS_TO_ASK = 20.0

BOTH = Reason(Misconfigured, "--go and --power-cut are two drills", "choose one")
NO_DRILL = Reason(Misconfigured, "{option} is for a drill", "add --go, or --power-cut")
NO_POWER_CUT = Reason(Misconfigured, "--fence answers the questions of --power-cut", "add --power-cut")
NO_CLUSTER = Reason(
    Failure,
    "the cluster cannot be seen: {error}",
    "see: systemctl status pacemaker, and what else is there: twinsan status",
)
ON_THE_VICTIM = Reason(Failure, "this node serves {resource}: it would fence itself", "type this on {peer}")
NOT_CONFIRMED = Reason(Failure, "nothing was done", "the answers are {node} and {resource}")
NO_TERMINAL = Reason(
    Misconfigured, "there is no terminal to ask at", "give the name of the node to fence: --fence {node}"
)
WRONG_NODE = Reason(Misconfigured, "--fence names {given}, and {node} serves {resource}", "look first: twinsan drill")
CHANGED = Reason(Failure, "nothing was done: meanwhile {resource} is not where it was", "look again: twinsan drill")
NOT_CLEARED = Reason(
    Failure,
    "the constraint of the drill could not be taken away ({error}); it ends by itself after 10 min",
    "crm_resource --resource {moved} --clear",
)
NOT_MOVED = Reason(
    Failure,
    "{resource} is not served by {node} after {seconds:.0f} s",
    "see: crm_mon -1 --inactive, and: twinsan status",
)


class Wish:
    """What the operator has typed: see the options of the command."""

    __slots__ = ("as_json", "fence", "go", "initiator", "picture", "power_cut", "resource", "timeout")

    def __init__(
        self,
        *,
        go: bool,
        power_cut: bool,
        fence: str | None,
        resource: str | None,
        initiator: str | None,
        picture: str | None,
        timeout: float | None,
        as_json: bool,
    ) -> None:
        self.go = go
        self.power_cut = power_cut
        self.fence = fence
        self.resource = resource
        self.initiator = initiator
        self.picture = picture
        self.timeout = gathering.SECONDS if timeout is None else timeout
        self.as_json = as_json

    @property
    def acts(self) -> bool:
        """Whether something is to be done, and not only looked at."""
        return self.go or self.power_cut

    def check(self) -> None:
        """Check that the options fit each other. Raises Misconfigured, and Failure for a picture that has no place."""
        if self.go and self.power_cut:
            raise BOTH()  # noqa: RSE102  a Reason, which makes the exception
        if self.fence is not None and not self.power_cut:
            raise NO_POWER_CUT()  # noqa: RSE102
        for option, value in (("--initiator", self.initiator), ("--picture", self.picture)):
            if value is not None and not self.acts:
                raise NO_DRILL(option=option)
        if self.picture is not None:
            output.require_folder(self.picture)


class Look:
    """What is found before a drill: the `unit` that moves, whether that is safe, the node `here`, the one that it
    would leave, and the one that it would go to.
    """

    def __init__(self, wish: Wish) -> None:
        try:
            configuration = Configuration(cib.query(Deadline(wish.timeout)))
        except Failure as failure:
            raise NO_CLUSTER(error=failure) from None
        facts = gathering.gather(wish.timeout)
        self.unit = units.choose(facts.services, configuration, wish.resource)
        self.readiness = next(
            Readiness(facts, service, expected)
            for service, expected in zip(facts.services, prediction.of(facts))
            if service.drbd == self.unit.resource
        )
        self.here = facts.node
        # What is safe has both.
        self.left = self.readiness.prediction.node or ""
        self.right = self.readiness.prediction.other or ""


def drill(wish: Wish) -> int:
    """Do what was asked for, and print it. Returns the exit status: 1 if it is not safe. Raises Failure."""
    wish.check()
    reader = initiator.Reader(*initiator.parse(wish.initiator)) if wish.initiator is not None else None
    found = Look(wish)
    if not wish.acts:
        print(json.dumps(found.readiness.json(), indent=2) if wish.as_json else found.readiness.text())
        return 0 if found.readiness.safe else 1
    if found.readiness.safe and wish.power_cut:
        _confirm(found, wish.fence)
        found = _again(found, wish)
    if not found.readiness.safe:
        _tell(f"nothing was done\n{found.readiness.text()}")
        return 1
    with lock.Held("drill", Deadline(1.0)):
        report = _practise(found, reader, POWER_CUT if wish.power_cut else SWITCHOVER)
    print(json.dumps(report.json(), indent=2) if wish.as_json else report.text())
    if wish.picture is not None:
        output.replace(wish.picture, report.picture())
    return 0


def _again(before: Look, wish: Wish) -> Look:
    """Look again: the answers may have taken long. Raises Failure if another node serves now."""
    now = Look(wish)
    if now.readiness.safe and (now.left, now.right) != (before.left, before.right):
        raise CHANGED(resource=now.unit.resource)
    return now


def _confirm(found: Look, answer: str | None) -> None:
    """Ask twice whether to fence. Raises Failure for any answer but the right ones."""
    if found.here == found.left:
        raise ON_THE_VICTIM(resource=found.unit.resource, peer=found.right)
    if answer is not None:
        if answer != found.left:
            raise WRONG_NODE(given=answer, node=found.left, resource=found.unit.resource)
        return
    if not sys.stdin.isatty():
        raise NO_TERMINAL(node=found.left)
    node = input(f"This switches {found.left} off, as a power cut does. Its name, to go on: ")
    resource = input(
        f"Hosts will get no answer for some seconds. The name of what they use, to go on ({found.unit.resource}): "
    )
    if (node.strip(), resource.strip()) != (found.left, found.unit.resource):
        raise NOT_CONFIRMED(node=found.left, resource=found.unit.resource)


def _practise(found: Look, reader: Reader | None, kind: str) -> Report:
    minors = {name: block_tree.drbd_minors(path) for name, path in found.unit.luns.items()}
    watch = Watch([minor for each in minors.values() for minor in each])
    if reader:
        reader.start(_SECONDS_BEFORE + _SECONDS_TO_MOVE + _SECONDS_TO_RETURN)
    watch.start()
    try:
        _tell(f"watching for {_SECONDS_BEFORE:.0f} s how often hosts write")
        time.sleep(_SECONDS_BEFORE)
        begin = time.time()
        _tell(f"{kind}: {found.unit.resource} goes from {found.left} to {found.right}")
        if kind == SWITCHOVER:
            _switch_over(found)
        else:
            command.run("stonith_admin", "--reboot", found.left, deadline=Deadline(_SECONDS_TO_MOVE))
            _wait_until_served(found)
        _wait_for_writes(watch, time.time())
    finally:
        watch.stop()
        if reader:
            reader.stop()
    span = (begin, time.time())
    moments = {name: sorted(when for each in minor for when in watch.times[each]) for name, minor in minors.items()}
    unseen = [f"writes: {watch.fault}"] if watch.fault else []
    if reader:
        moments[reader.host] = reader.times
        unseen += [f"{reader.host}: {text}" for text in (reader.fault, *reader.errors[:1]) if text]
    return _report(kind, found, moments, span, unseen)


def _switch_over(found: Look) -> None:
    # With a lifetime, so that nothing stays if this node dies before it takes the constraint away.
    ask = ("crm_resource", "--resource", found.unit.moved)
    try:
        command.run(*ask, "--move", "--node", found.right, "--lifetime", "PT10M", deadline=Deadline(_SECONDS_TO_ASK))
        _wait_until_served(found)
    finally:
        try:
            command.run(*ask, "--clear", deadline=Deadline(_SECONDS_TO_ASK))
        except Failure as failure:
            raise NOT_CLEARED(moved=found.unit.moved, error=failure) from None


def _wait_until_served(found: Look) -> None:
    deadline = Deadline(_SECONDS_TO_MOVE)

    def served() -> bool:
        return all(luns.running_on(name, deadline) == [found.right] for name in sorted(found.unit.addresses))

    try:
        deadline.wait_until(served, f"{found.right} serves", interval=1.0)
    except DeadlinePassed:
        raise NOT_MOVED(resource=found.unit.resource, node=found.right, seconds=_SECONDS_TO_MOVE) from None


def _wait_for_writes(watch: Watch, arrived: float) -> None:
    try:
        Deadline(_SECONDS_TO_RETURN).wait_until(lambda: watch.grown_since(arrived), "hosts write again")
    except DeadlinePassed:
        _tell(f"a LUN that was written before was not written for {_SECONDS_TO_RETURN:.0f} s")


def _report(
    kind: str, found: Look, moments: dict[str, list[float]], span: tuple[float, float], unseen: list[str]
) -> Report:
    def ask(node: str) -> history.History | None:
        try:
            return history.of(remote.Node(node), span[0])
        except Failure as failure:
            unseen.append(f"what {node} did: {failure}")
            return None

    right = ask(found.right)
    if kind == SWITCHOVER:
        ends = outcome.of_switchover(ask(found.left), right, found.unit)
    else:
        ends = outcome.of_power_cut(right, found.unit) if right else {}
    pauses = [each for each in (outcome.longest_pause(times, *span) for times in moments.values()) if each]
    longest = max(pauses, key=lambda pause: pause.seconds, default=None)
    began, written = (longest.begin, longest.end) if longest else (span[0], None)
    return Report(kind, found.left, found.right, moments, outcome.phases(began, ends, written), span, unseen)


def _tell(text: str) -> None:
    """Show what goes on, beside the answer."""
    print(f"twinsan: {text}", file=sys.stderr)
