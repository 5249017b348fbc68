# SPDX-License-Identifier: GPL-2.0-or-later
"""The situations that a pair meets, each simulated from rest: a start, the loss of a node and its return, standby, old
data, faults of a LUN and of the target, a stop that fails.
"""

from __future__ import annotations

from twinsan.cluster.values import is_true, score, seconds
from twinsan.errors import Failure
from twinsan.operate.checks import chain
from twinsan.operate.checks.simulator import Simulator, clean_cluster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding
    from twinsan.operate.checks.plan import Plan
    from twinsan.operate.checks.stack import Stack

# Names for a configuration that has none.
_NODES = ("atlas", "zeus")

_MOST_PLANS = 4


def find(configuration: Configuration, stacks: list[Stack], deadline: Deadline) -> Iterator[Finding]:
    """Yield what the scheduler would do wrong. Raises Failure if it does not take the configuration, or not in time:
    after what was found by then.
    """
    if not stacks:
        return
    simulator = Simulator(begin(configuration), _nodes(configuration), deadline)
    look = chain.Look(simulator, stacks)
    failed: Failure | None = None
    try:
        _Situations(configuration, look).go()
    except Failure as failure:
        failed = failure
    finally:
        simulator.close()
    yield from look.findings()
    if failed is not None:
        raise failed


def begin(configuration: Configuration) -> bytes:
    """The cluster from which all is simulated."""
    return clean_cluster(configuration, _nodes(configuration))


def _nodes(configuration: Configuration) -> tuple[str, str]:
    listed = list(dict.fromkeys([*configuration.nodes(), *_NODES]))
    return listed[0], listed[1]


class _Situations:
    """All situations, beginning from the rest in which the first stack is served `here`, and not on `there`."""

    def __init__(self, configuration: Configuration, look: chain.Look) -> None:
        self._configuration = configuration
        self._look = look
        self._simulator = look.simulator
        self._stacks = look.stacks
        self._rest = b""
        self._here = self._there = ""
        # The stacks that are served at rest, and where.
        self._served: dict[Stack, str] = {}
        self._delays: dict[str, float] = {}

    def go(self) -> None:
        """Simulate all of them; after a start that serves nothing, no more."""
        self._start()
        if not self._served:
            return
        for situation in (
            self._loss_of_the_active,
            self._standby_with_a_failed_stop,
            self._old_data,
            self._faulty_lun,
            self._no_target,
            self._fencing_at_once,
        ):
            self._simulator.load(self._rest)
            situation()

    def _run(
        self, name: str, *words: str, until: Callable[[], bool] = lambda: False, places: bool = True
    ) -> list[Plan]:
        """Carry out plans until there is none or `until` holds, and check each."""
        plans: list[Plan] = []
        while not plans or (len(plans) < _MOST_PLANS and plans[-1].acts and not until()):
            plans.append(self._simulator.step(*(() if plans else words)))
            self._look.orders(plans[-1], name)
            if places:
                self._look.places(name)
        return plans

    def _start(self) -> None:
        name = "a start of both nodes"
        plans = self._run(name, until=lambda: all(map(self._look.serving, self._stacks)))
        for stack in self._stacks:
            serving = self._look.serving(stack)
            if serving:
                self._served[stack] = serving
                self._here = self._here or serving
            elif self._look.spotless(stack):
                missing = [each for node in self._simulator.nodes for each in self._look.missing(stack, node)]
                self._look.add(chain.NOT_SERVED, stack, missing[0], stack.name, plan=name)
        if plans[-1].acts and len(plans) == _MOST_PLANS and self._look.spotless(self._stacks[0]):
            self._look.add(chain.RESTLESS, self._stacks[0], self._stacks[0].luns[0], "", plan=name)
        one, two = self._simulator.nodes
        self._there = two if self._here == one else one
        self._rest = self._simulator.saved()

    def _moved(self) -> bool:
        return all(self._look.serving(stack) == self._there for stack in self._served)

    def _require_moved(self, name: str) -> None:
        for stack in self._served:
            missing = self._look.missing(stack, self._there)
            if missing and self._look.spotless(stack):
                values = {"there": self._there, "plan": name}
                self._look.add(chain.NOT_TAKEN_OVER, stack, missing[0], stack.name, **values)

    def _loss_of_the_active(self) -> None:
        name = f"the loss of {self._here}"
        plans = self._run(name, "--node-fail", self._here, until=self._moved)
        self._note_delay(plans[0], self._here)
        self._require_moved(name)
        if not self._moved():
            return
        name = f"the return of {self._here}"
        self._simulator.bring_back(self._here)
        plans = self._run(name, until=lambda: True)
        for stack in self._served:
            self._judge_return(stack, plans, name)

    def _judge_return(self, stack: Stack, plans: list[Plan], name: str) -> None:
        left = [each for each in stack.parts if any(f"{each.id}_stop {self._there}" in plan.actions for plan in plans)]
        if not left:
            return
        if self._look.serving(stack) == self._there:
            self._look.add(chain.RESTARTS, stack, left[0], "", plan=name)
            return
        stickiness = left[0].meta.get("resource-stickiness", "0")
        # That there is no stickiness is found elsewhere.
        for part in left if score(stickiness) > 0 else ():
            self._look.add(chain.MOVES_BACK, stack, part, "", plan=name, there=self._here, stickiness=stickiness)

    def _standby_with_a_failed_stop(self) -> None:
        stack, here = next(iter(self._served.items()))
        lun = stack.luns[0]
        self._simulator.standby(here)
        failed = ("--op-fail", f"{lun.id}_stop_0@{here}=1")
        self._run(f"standby of {here}", *failed, until=lambda: True, places=False)
        if not is_true(self._configuration.option("stonith-enabled", "true")):
            return
        for _ in range(2):
            if f"fence {here}" in self._simulator.step().actions:
                return
        self._look.add(chain.STOP_NOT_FENCED, stack, lun, "", there=here)

    def _old_data(self) -> None:
        """The node that serves loses its disk, so that only the other one has all data."""
        if all(stack.replica is None for stack in self._served):
            return
        name = f"the loss of the disk of {self._here}"
        self._simulator.outdate(self._here)
        self._run(name, until=self._moved)
        self._require_moved(name)

    def _faulty_lun(self) -> None:
        stack, here = next(iter(self._served.items()))
        lun = stack.luns[-1]
        monitors = lun.monitors()
        if monitors:
            failed = f"{lun.id}_monitor_{monitors[0].interval * 1000:.0f}@{here}=1"
            self._run(f"a fault of {lun.id}", "--op-inject", failed, until=lambda: True)

    def _no_target(self) -> None:
        """A node where the target fails for good; then somebody wants all to be there."""
        stack = next((each for each in self._served if each.replica and each.targets and each.targets[0].clone), None)
        if stack is None or stack.replica is None or not stack.targets[0].monitors():
            return
        target = stack.targets[0]
        here = self._served[stack]
        name = f"a fault of {target.id} on {here} that lasts"
        failed = f"{target.id}_monitor_{target.monitors()[0].interval * 1000:.0f}@{here}=5"
        self._run(name, "--op-inject", failed, until=lambda: self._look.serving(stack) not in ("", here))
        serving = self._look.serving(stack)
        if not serving and self._look.spotless(stack):
            missing = self._look.missing(stack, self._there if here == self._here else self._here)
            values = {"there": here, "replica": stack.replica.outer, "target": target.outer}
            self._look.add(chain.TARGET_LOST, stack, (missing or stack.parts)[0], stack.name, **values)
        if serving:
            self._simulator.prefer(here, [*dict.fromkeys(each.outer for each in stack.parts)])
            self._run(f"{name}, and a move to it", until=lambda: True)

    def _note_delay(self, plan: Plan, node: str) -> None:
        self._delays[node] = plan.delays.get(node, 0.0)

    def _fencing_at_once(self) -> None:
        """With two votes, the nodes must not fence each other at the same time."""
        delay = seconds(self._configuration.option("priority-fencing-delay")) or 0.0
        fences = is_true(self._configuration.option("stonith-enabled", "true"))
        if not fences or not delay or self._delays.get(self._here):
            return
        self._note_delay(self._simulator.step("--node-fail", self._there), self._there)
        if not self._delays[self._there]:
            stack = next(iter(self._served))
            self._look.add(chain.FENCING_TIE, stack, stack.replica or stack.parts[0], "")
