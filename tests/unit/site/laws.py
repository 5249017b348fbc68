# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds in every plan for a pair, whatever happened to it, and in every state that it comes to rest in.

The order is that of the plan's graph: one action before the other because the other waits for it, and not because it
happened to be listed first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.unit.site.graph import Graph
from twinsan.site.model import Resource, Site

NODES = ("atlas", "zeus")
OTHER = {"atlas": "zeus", "zeus": "atlas"}
RUNNING, PROMOTED = "running", "promoted"
# What runs where, with its role.
State = dict[tuple[str, str], str]

# How often each kind of law was looked at.
counts: Counter[str] = Counter()
_MAKES = {RUNNING: "start", PROMOTED: "promote"}
_UNMAKES = {RUNNING: ("stop",), PROMOTED: ("demote", "stop")}


@dataclass
class Laws:
    """The laws of one plan: of the graph `graph`, made when what ran was `state`."""

    site: Site
    state: State
    graph: Graph

    def check(self) -> None:
        """Raise AssertionError where the plan breaks a law."""
        self.holds("no notifications", not self.graph.notifications, "an agent is started for a notification")
        for resource in self.site.resources:
            for node in NODES:
                self._nothing_serves_before(resource, node)
                self._nothing_goes_before_what_is_above(resource, node)
                self._one_node_at_a_time(resource, node)

    def holds(self, law: str, truth: bool, otherwise: str) -> None:
        """Count a law, and raise AssertionError where it does not hold."""
        counts[law] += 1
        assert truth, f"{law}: {otherwise}"

    def _nothing_serves_before(self, resource: Resource, node: str) -> None:
        """The data is writable and the target stands before a LUN comes, and all LUNs are there before an address."""
        below = [(resource.called("p_drbd"), PROMOTED), (resource.called("p_target"), RUNNING)]
        luns = [(lun.name, RUNNING) for lun in resource.luns]
        for parts, needed in ((resource.luns, below), (resource.portals, luns)):
            for part in parts:
                start = f"{part.name}_start {node}"
                if start in self.graph.actions:
                    for name, role in needed:
                        truth = self._is_there(name, role, node, start)
                        self.holds("nothing serves before", truth, f"{start} does not wait for {name} {role}")

    def _is_there(self, name: str, role: str, node: str, then: str) -> bool:
        make = f"{name}_{_MAKES[role]} {node}"
        if make in self.graph.actions:
            return self.graph.before(make, then)
        unmade = any(f"{name}_{verb} {node}" in self.graph.actions for verb in _UNMAKES[role])
        return self.state.get((name, node)) == role and not unmade

    def _nothing_goes_before_what_is_above(self, resource: Resource, node: str) -> None:
        """The addresses go before a LUN, and all LUNs before the role and the target."""
        if f"fence {node}" in self.graph.actions:
            return
        luns = [lun.name for lun in resource.luns]
        portals = [portal.name for portal in resource.portals]
        below = [f"{resource.called('p_drbd')}_demote", f"{resource.called('p_drbd')}_stop"]
        below.append(f"{resource.called('p_target')}_stop")
        for lowers, uppers in ((below, luns), ([f"{lun}_stop" for lun in luns], portals)):
            for lower in lowers:
                if f"{lower} {node}" in self.graph.actions:
                    for upper in uppers:
                        if self.state.get((upper, node)):
                            truth = f"{upper}_stop {node}" in self.graph.actions and self.graph.before(
                                f"{upper}_stop {node}", f"{lower} {node}"
                            )
                            self.holds("nothing goes before", truth, f"{lower} {node} does not wait for {upper}")

    def _one_node_at_a_time(self, resource: Resource, node: str) -> None:
        """What is on the other node has gone from there, or that node is off, before the same comes here."""
        other, drbd = OTHER[node], resource.called("p_drbd")
        moving = [(f"{name}_start", (f"{name}_stop",), name, RUNNING) for name in resource.parts]
        # A replica whose demotion failed is stopped instead.
        for come, gone, name, role in [
            *moving,
            (f"{drbd}_promote", (f"{drbd}_demote", f"{drbd}_stop"), drbd, PROMOTED),
        ]:
            if f"{come} {node}" not in self.graph.actions:
                continue
            fence = f"fence {other}"
            if fence in self.graph.actions:
                truth = self.graph.before(fence, f"{come} {node}")
                self.holds("fencing before", truth, f"{come} {node} does not wait for the fencing of {other}")
            elif self.state.get((name, other)) == role:
                truth = any(
                    f"{go} {other}" in self.graph.actions and self.graph.before(f"{go} {other}", f"{come} {node}")
                    for go in gone
                )
                self.holds("one node at a time", truth, f"{come} {node} does not wait for {gone[0]} {other}")


def check_rest(site: Site, state: State, monitors: set[tuple[str, str, int]]) -> None:
    """What holds when no plan is left: raise AssertionError where it does not. `monitors` are those that run: the name
    of what they look at, the node, the interval in s.
    """

    def holds(law: str, truth: bool, otherwise: str) -> None:
        counts[law] += 1
        assert truth, f"{law}: {otherwise}"

    for resource in site.resources:
        drbd, target = resource.called("p_drbd"), resource.called("p_target")
        promoted = [node for node in NODES if state.get((drbd, node)) == PROMOTED]
        holds("one writer", len(promoted) <= 1, f"{drbd} is promoted on {promoted}")
        for node in NODES:
            for lun in resource.luns:
                if state.get((lun.name, node)):
                    holds("a LUN has its disk", node in promoted, f"{lun.name} is on {node}, and its data is not")
                    holds("a LUN has its target", bool(state.get((target, node))), f"{lun.name} is without {target}")
            for portal in resource.portals:
                if state.get((portal.name, node)):
                    for lun in resource.luns:
                        truth = bool(state.get((lun.name, node)))
                        holds("an address has all LUNs", truth, f"{portal.name} is on {node}, and {lun.name} is not")
        for name, node, interval in _monitors(resource, state):
            truth = (name, node, interval) in monitors
            holds("what runs is monitored", truth, f"{name} has no monitor of {interval} s on {node}")
    for name, node in state:
        if name.startswith("fence_"):
            truth = (name, node, 60) in monitors
            holds("what runs is monitored", truth, f"{name} has no monitor on {node}")


def _monitors(resource: Resource, state: State) -> list[tuple[str, str, int]]:
    """The monitors that have to run: as the agents advise."""
    found = []
    for node in NODES:
        role = state.get((resource.called("p_drbd"), node))
        if role:
            found.append((resource.called("p_drbd"), node, 10 if role == PROMOTED else 20))
        if state.get((resource.called("p_target"), node)):
            found.append((resource.called("p_target"), node, 10))
            # Where an address is not, it is watched as well.
            found += [(portal.name, node, 7) for portal in resource.portals if not state.get((portal.name, node))]
        found += [(name, node, 10) for name in resource.parts if state.get((name, node))]
    return found
