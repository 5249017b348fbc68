# SPDX-License-Identifier: GPL-2.0-or-later
"""The chain of promotion, target, LUNs and addresses, by simulation: what the scheduler does with the configuration as
it is, in each of the situations that a pair meets.
"""

from __future__ import annotations

from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Resource
    from twinsan.operate.checks.plan import Plan
    from twinsan.operate.checks.simulator import Simulator
    from twinsan.operate.checks.stack import Stack

SERVED_BEFORE_PROMOTION = Fault(
    "served-before-promotion",
    ERROR,
    "{where} does not wait for the promotion of {first}, in {plan}",
    why="a disk that is not promoted cannot be served: the start fails, and hosts lose the disk at each failover",
    mend="crm configure order {first}-before-{then} Mandatory: {first}:promote {then}:start",
)
DEMOTED_BEFORE_STOP = Fault(
    "demoted-before-stop",
    ERROR,
    "{first} is demoted while {where} still serves it, in {plan}",
    why="DRBD cannot demote what is open: the demotion fails, and the node is fenced",
    mend="let the order of the two be symmetrical, as it is by default: crm configure edit",
)
SERVED_BEFORE_TARGET = Fault(
    "served-before-target",
    ERROR,
    "{where} does not wait for its target {first}, in {plan}",
    why="a LUN cannot be added to a target that is not there: its start fails",
    mend="crm configure order {first}-before-{then} Mandatory: {first} {then}",
)
TARGET_STOPS_FIRST = Fault(
    "target-stops-first",
    WARNING,
    "the target {first} stops before {where}, in {plan}",
    why="hosts get a refused login in place of silence, and ESXi may take that for a disk that is gone for good",
    mend="let the order of the two be symmetrical, as it is by default: crm configure edit",
)
DOOR_BEFORE_LUN = Fault(
    "address-before-lun",
    ERROR,
    "{where} lets hosts in before {first} has started, in {plan}",
    why="a host that reaches the target and misses a LUN may take it for removed for good (VMware: PDL)",
    mend="put {first} before {where} in their group, or: crm configure order {first}-before-{then} Mandatory: {first} "
    "{then}",
)
LUN_STOPS_FIRST = Fault(
    "lun-stops-first",
    ERROR,
    "{first} stops while {where} still lets hosts in, in {plan}",
    why="a host that reaches the target and misses a LUN may take it for removed for good (VMware: PDL)",
    mend="let an order of kind Mandatory, which is symmetrical, put {first} before {where}: crm configure edit",
)
LUN_ELSEWHERE = Fault(
    "lun-elsewhere",
    ERROR,
    "{where} is on {there} and {first} is not promoted there, after {plan}",
    why="a disk that is not promoted cannot be served",
    mend="crm configure colocation {then}-where-{first} inf: {then} {first}:Promoted",
)
TARGET_ELSEWHERE = Fault(
    "target-elsewhere",
    ERROR,
    "{where} is on {there} without its target {first}, after {plan}",
    why="a LUN without its target cannot start, and nobody serves",
    mend="crm configure colocation {then}-where-{first} inf: {then} {first}",
)
DOOR_ELSEWHERE = Fault(
    "address-elsewhere",
    ERROR,
    "{where} is on {there} and {first} is not, after {plan}",
    why="hosts reach a target without the LUN, and may take it for removed for good (VMware: PDL)",
    mend="crm configure colocation {then}-where-{first} inf: {then} {first}",
)
TARGET_LOST = Fault(
    "target-lost",
    WARNING,
    "nobody serves {first} if {there} cannot have the target, though the other node could: {where} does not run",
    why="the promotion does not follow the target, so the disk is promoted where it cannot be served",
    mend="crm configure colocation promoted-where-target 100000: {replica}:Promoted {target}",
)
SERVED_TWICE = Fault(
    "served-twice",
    ERROR,
    "{where} runs on both nodes, after {plan}",
    why="two kernels that serve one disk share neither its locks nor its reservations: the data is destroyed",
    mend="take it out of its clone: crm configure edit",
)
NOT_SERVED = Fault(
    "not-served",
    ERROR,
    "nobody serves {first}, after {plan}: {where} does not run",
    why="the scheduler finds no node for it",
    mend="see the constraints and scores that keep it away: crm configure show; crm_simulate -sL",
)
NOT_TAKEN_OVER = Fault(
    "not-taken-over",
    ERROR,
    "{there} does not take over {first}, after {plan}: {where} does not run there",
    why="the failure of one server ends the service",
    mend="see the constraints and scores that keep it away: crm configure show; crm_simulate -sL",
)
MOVES_BACK = Fault(
    "moves-back",
    NOTE,
    "{where} moves back to {there} by itself, after {plan}",
    why="each return of a server costs one more pause: the preference for it exceeds resource-stickiness, {stickiness}",
    mend="if that is not wanted, give the location constraint a lower score: crm configure edit",
)
RESTARTS = Fault(
    "restarts",
    WARNING,
    "{where} stops, after {plan}, though nothing happened on its node",
    why="hosts see a pause because of the other node; clones without interleave do that",
    mend="give the clones that it depends on interleave=true: crm configure edit",
)
RESTLESS = Fault(
    "restless",
    WARNING,
    "the scheduler goes on planning, after {plan}: {where}",
    why="a cluster that does not come to rest starts and stops without end",
    mend="see what it plans: crm_simulate -SL",
)
STOP_NOT_FENCED = Fault(
    "stop-not-fenced",
    ERROR,
    "{where} fails to stop on {there}, and {there} is not fenced",
    why="nothing may start elsewhere until that node is off: one failed stop ends the service",
    mend="let the operation stop have no on-fail, or on-fail=fence: crm configure edit",
)
FENCING_TIE = Fault(
    "fencing-tie",
    WARNING,
    "if the nodes lose each other, they fence at the same time: priority-fencing-delay finds equal priorities on both",
    why="both may be off then; the node that serves needs the higher sum of the priorities of what runs on it",
    mend="crm_resource --resource {then} --meta --set-parameter priority --parameter-value 10",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))


class Look:
    """What was found of a chain so far: each fault of a stack once, with all resources that have it."""

    def __init__(self, simulator: Simulator, stacks: list[Stack]) -> None:
        self.simulator = simulator
        self.stacks = stacks
        self._found: dict[tuple[str, str], tuple[Fault, list[str], dict[str, object]]] = {}

    def add(self, fault: Fault, stack: Stack, where: Resource, first: str, **values: object) -> None:
        """Note a fault of a resource."""
        more = {"first": first, "then": where.outer, **values}
        names = self._found.setdefault((fault.key, stack.name), (fault, [], more))[1]
        if where.id not in names:
            names.append(where.id)

    def spotless(self, stack: Stack) -> bool:
        """Whether nothing was found of a stack so far."""
        return not any(name == stack.name for _, name in self._found)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings. What a stop does wrong follows from what a start does wrong."""
        follows = {
            DEMOTED_BEFORE_STOP: SERVED_BEFORE_PROMOTION,
            TARGET_STOPS_FIRST: SERVED_BEFORE_TARGET,
            LUN_STOPS_FIRST: DOOR_BEFORE_LUN,
            LUN_ELSEWHERE: NOT_SERVED,
        }
        for (_, stack), (fault, names, values) in self._found.items():
            cause = follows.get(fault)
            if cause is None or (cause.key, stack) not in self._found:
                yield fault.at(", ".join(names), node="", **values)

    def orders(self, plan: Plan, name: str) -> None:
        """Check a plan: what has to wait for what."""
        for stack in self.stacks:
            for node in self.simulator.nodes:
                self._starts(stack, plan, node, name)
                self._stops(stack, plan, node, name)

    def _starts(self, stack: Stack, plan: Plan, node: str, name: str) -> None:
        for lun in stack.luns:
            start = f"{lun.id}_start {node}"
            if stack.replica and not plan.waits(start, f"{stack.replica.id}_promote {node}"):
                self.add(SERVED_BEFORE_PROMOTION, stack, lun, stack.replica.outer, plan=name)
            for target in stack.targets:
                if not plan.waits(start, f"{target.id}_start {node}"):
                    self.add(SERVED_BEFORE_TARGET, stack, lun, target.outer, plan=name)
            for door in stack.doors:
                if not plan.waits(f"{door.id}_start {node}", start):
                    self.add(DOOR_BEFORE_LUN, stack, door, lun.id, plan=name)

    def _stops(self, stack: Stack, plan: Plan, node: str, name: str) -> None:
        for lun in stack.luns:
            stop = f"{lun.id}_stop {node}"
            if stop not in plan.actions:
                continue
            if stack.replica and not plan.waits(f"{stack.replica.id}_demote {node}", stop):
                self.add(DEMOTED_BEFORE_STOP, stack, lun, stack.replica.outer, plan=name)
            for target in stack.targets:
                if not plan.waits(f"{target.id}_stop {node}", stop):
                    self.add(TARGET_STOPS_FIRST, stack, lun, target.outer, plan=name)
            for door in stack.doors:
                leaves = f"{door.id}_stop {node}"
                open_before = node in plan.ran.get(door.id, ())
                if open_before and (leaves not in plan.actions or not plan.waits(stop, leaves)):
                    self.add(LUN_STOPS_FIRST, stack, door, lun.id, plan=name)

    def places(self, name: str) -> None:
        """Check where all is now."""
        running, promoted = self.simulator.running, self.simulator.promoted
        for stack in self.stacks:
            for part in stack.parts:
                if len(located(part, running)) > 1:
                    self.add(SERVED_TWICE, stack, part, "", plan=name)
            for lun in stack.luns:
                for node in located(lun, running):
                    values = {"there": node, "plan": name}
                    if stack.replica and node not in located(stack.replica, promoted):
                        self.add(LUN_ELSEWHERE, stack, lun, stack.replica.outer, **values)
                    for target in stack.targets:
                        if node not in located(target, running):
                            self.add(TARGET_ELSEWHERE, stack, lun, target.outer, **values)
                self._doors(stack, lun, name)

    def _doors(self, stack: Stack, lun: Resource, name: str) -> None:
        running = self.simulator.running
        for door in stack.doors:
            away = located(door, running) - located(lun, running)
            # A target that stands ready on both nodes is no door: it lets nobody in without a LUN.
            if away and door not in stack.targets:
                self.add(DOOR_ELSEWHERE, stack, door, lun.outer, there=min(away), plan=name)

    def missing(self, stack: Stack, node: str) -> list[Resource]:
        """What a node lacks to serve a stack."""
        running = self.simulator.running
        return [each for each in (*stack.parts, *stack.targets) if node not in located(each, running)]

    def serving(self, stack: Stack) -> str:
        """The node that serves a stack in full; "" if none does."""
        return next((node for node in self.simulator.nodes if not self.missing(stack, node)), "")


def located(resource: Resource, places: dict[str, set[str]]) -> set[str]:
    """The nodes on which a resource is; crm_simulate lists the instances of a clone under the clone's name."""
    return places.get(resource.id, set()) | (places.get(resource.clone, set()) if resource.clone else set())
