# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of a drill: look whether it is safe, begin to watch, have the cluster do it, wait, and report."""

from __future__ import annotations

import json
import sys
import time

from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Misconfigured, Reason
from twinsan.host import block_tree, command, durable_file, lock
from twinsan.operate import luns, remote
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
    from twinsan.operate.drill.unit import Unit
    from twinsan.operate.facts.shape import Facts

SWITCHOVER, POWER_CUT = "switchover", "power cut"

# How long the writes are watched before, to know how often there are any.
_SECONDS_BEFORE = 3.0
# As long as ESXi waits before it gives a path up for good (APD, 140 s; VMware KB 2032934), and open-iscsi at most.
_SECONDS_TO_MOVE = 140.0
# A host that has lost its path tries again at least this often.
_SECONDS_TO_RETURN = 60.0
_SECONDS_TO_ASK = 20.0

BOTH = Reason(Misconfigured, "--go and --power-cut are two drills", "choose one")
ON_THE_VICTIM = Reason(Failure, "this node serves {resource}: it would fence itself", "type this on {peer}")
NOT_CONFIRMED = Reason(Failure, "nothing was done", "the answers are {node} and {resource}")
NO_TERMINAL = Reason(
    Misconfigured, "there is no terminal to ask at", "give the name of the node to fence: --fence {node}"
)
WRONG_NODE = Reason(Misconfigured, "--fence names {given}, and {node} serves {resource}", "look first: twinsan drill")
NOT_MOVED = Reason(
    Failure,
    "{resource} is not served by {node} after {seconds:.0f} s",
    "see: crm_mon -1 --inactive, and: twinsan status",
)


class Wish:
    """What the operator has typed: see the options of the command."""

    __slots__ = ("as_json", "fence", "go", "initiator", "picture", "power_cut", "resource")

    def __init__(
        self,
        *,
        go: bool,
        power_cut: bool,
        fence: str | None,
        resource: str | None,
        initiator: str | None,
        picture: str | None,
        as_json: bool,
    ) -> None:
        self.go = go
        self.power_cut = power_cut
        self.fence = fence
        self.resource = resource
        self.initiator = initiator
        self.picture = picture
        self.as_json = as_json


class Place:
    """Where a unit is served, and where it would go."""

    __slots__ = ("here", "left", "right")

    def __init__(self, left: str, right: str, here: str) -> None:
        self.left = left
        self.right = right
        self.here = here


def drill(wish: Wish) -> int:
    """Do what was asked for, and print it. Returns the exit status. Raises Failure."""
    if wish.go and wish.power_cut:
        raise BOTH()  # noqa: RSE102  a Reason, which makes the exception
    facts = gathering.gather(_SECONDS_TO_ASK)
    unit = units.choose(facts.services, Configuration(cib.query(Deadline(_SECONDS_TO_ASK))), wish.resource)
    found = next(
        Readiness(facts, service, expected)
        for service, expected in zip(facts.services, prediction.of(facts))
        if service.drbd == unit.resource
    )
    if not wish.go and not wish.power_cut:
        print(json.dumps(found.json(), indent=2) if wish.as_json else found.text())
        return 0 if found.safe else 1
    found.require_safe()
    place = _place(found, facts)
    reader = _reader(wish)
    if wish.power_cut:
        _confirm(unit, place, wish.fence)
    with lock.Held("drill", Deadline(1.0)):
        report = _practise(unit, place, reader, POWER_CUT if wish.power_cut else SWITCHOVER)
    if wish.picture:
        durable_file.write(wish.picture, report.picture())
    print(json.dumps(report.json(), indent=2) if wish.as_json else report.text())
    return 0


def _place(found: Readiness, facts: Facts) -> Place:
    left, right = found.prediction.node, found.prediction.other
    # What is safe has both.
    assert left is not None
    assert right is not None
    return Place(left, right, facts.node)


def _reader(wish: Wish) -> Reader | None:
    if wish.initiator is None:
        return None
    return initiator.Reader(*initiator.parse(wish.initiator), f"{time.time_ns():x}")


def _confirm(unit: Unit, place: Place, answer: str | None) -> None:
    """Ask twice whether to fence. Raises Failure for any answer but the right ones."""
    if place.here == place.left:
        raise ON_THE_VICTIM(resource=unit.resource, peer=place.right)
    if answer is not None:
        if answer != place.left:
            raise WRONG_NODE(given=answer, node=place.left, resource=unit.resource)
        return
    if not sys.stdin.isatty():
        raise NO_TERMINAL(node=place.left)
    node = input(f"This switches {place.left} off, as a power cut does. Its name, to go on: ")
    resource = input(
        f"Hosts will get no answer for some seconds. The name of what they use, to go on ({unit.resource}): "
    )
    if (node.strip(), resource.strip()) != (place.left, unit.resource):
        raise NOT_CONFIRMED(node=place.left, resource=unit.resource)


def _practise(unit: Unit, place: Place, reader: Reader | None, kind: str) -> Report:
    minors = {name: block_tree.drbd_minors(path) for name, path in unit.luns.items()}
    watch = Watch([minor for each in minors.values() for minor in each])
    watch.start()
    try:
        if reader:
            reader.start(_SECONDS_BEFORE + _SECONDS_TO_MOVE + _SECONDS_TO_RETURN)
        _tell(f"watching for {_SECONDS_BEFORE:.0f} s how often hosts write")
        time.sleep(_SECONDS_BEFORE)
        begin = time.time()
        _tell(f"{kind}: {unit.resource} goes from {place.left} to {place.right}")
        if kind == SWITCHOVER:
            _switch_over(unit, place)
        else:
            command.run("stonith_admin", "--reboot", place.left, deadline=Deadline(_SECONDS_TO_MOVE))
            _wait_until_served(unit, place)
        arrived = time.time()
        _wait_for_writes(watch, arrived)
    finally:
        watch.stop()
        if reader:
            reader.stop()
    end = time.time()
    moments = {name: sorted(time for each in found for time in watch.times[each]) for name, found in minors.items()}
    unseen = [f"writes: {watch.fault}"] if watch.fault else []
    if reader:
        moments[reader.host] = reader.times
        unseen += [f"{reader.host}: {text}" for text in (reader.fault, *reader.errors[:1]) if text]
    return _report(kind, unit, place, moments, (begin, end), unseen)


def _switch_over(unit: Unit, place: Place) -> None:
    # With a lifetime, so that nothing stays if this node dies before it takes the constraint away.
    ask = ("crm_resource", "--resource", unit.moved)
    command.run(*ask, "--move", "--node", place.right, "--lifetime", "PT10M", deadline=Deadline(_SECONDS_TO_ASK))
    try:
        _wait_until_served(unit, place)
    finally:
        command.run(*ask, "--clear", deadline=Deadline(_SECONDS_TO_ASK))


def _wait_until_served(unit: Unit, place: Place) -> None:
    deadline = Deadline(_SECONDS_TO_MOVE)

    def served() -> bool:
        return all(luns.running_on(name, deadline) == [place.right] for name in sorted(unit.addresses))

    try:
        deadline.wait_until(served, f"{place.right} serves", interval=1.0)
    except DeadlinePassed:
        raise NOT_MOVED(resource=unit.resource, node=place.right, seconds=_SECONDS_TO_MOVE) from None


def _wait_for_writes(watch: Watch, arrived: float) -> None:
    try:
        Deadline(_SECONDS_TO_RETURN).wait_until(lambda: watch.grown_since(arrived), "hosts write again")
    except DeadlinePassed:
        _tell(f"a LUN that was written before was not written for {_SECONDS_TO_RETURN:.0f} s")


def _report(
    kind: str,
    unit: Unit,
    place: Place,
    moments: dict[str, list[float]],
    span: tuple[float, float],
    unseen: list[str],
) -> Report:
    def ask(node: str) -> history.History | None:
        try:
            return history.of(remote.Node(node), span[0])
        except Failure as failure:
            unseen.append(f"what {node} did: {failure}")
            return None

    right = ask(place.right)
    if kind == SWITCHOVER:
        ends = outcome.of_switchover(ask(place.left), right, unit.drbd, unit.addresses)
    else:
        ends = outcome.of_power_cut(right, unit.drbd, unit.addresses) if right else {}
    pauses = [each for each in (outcome.longest_pause(times, *span) for times in moments.values()) if each]
    longest = max(pauses, key=lambda pause: pause.seconds, default=None)
    began, written = (longest.begin, longest.end) if longest else (span[0], None)
    return Report(kind, place.left, place.right, moments, outcome.phases(began, ends, written), span, unseen)


def _tell(text: str) -> None:
    """Show what goes on, beside the answer."""
    print(f"twinsan: {text}", file=sys.stderr)
