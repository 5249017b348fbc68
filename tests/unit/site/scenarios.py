# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a pair, as functions of a pair that end with AssertionError where it does not go as it should.

Each begins with a pair that serves (`begin_settled`) or with one where nothing runs yet (`begin_cold`). Each plan obeys
the laws. What a scenario says itself is what may change, and what is served where at the end.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection

from tests.unit.site.graph import Graph
from tests.unit.site.laws import NODES, OTHER, PROMOTED, Laws, check_rest
from tests.unit.site.pair import Pair
from twinsan.site import model
from twinsan.site.model import Resource, Site

# How often each of this was done.
counts: Counter[str] = Counter()
Scenario = Callable[[Pair], None]

_MOST_PLANS = 6
# An interval of a monitor, and some.
_LATER = 12


def step(pair: Pair, *failing: str, inject: str = "", seconds: int = 0) -> Graph:
    """Carry out the next plan, which must obey the laws."""
    before = pair.state()
    pair.go(*failing, inject=inject, seconds=seconds)
    graph = pair.carried_out()
    counts["plans"] += 1
    Laws(pair.site, before, graph).check()
    return graph


def settle(pair: Pair, only: Collection[str] | None = None, verbs: Collection[str] = ()) -> None:
    """Carry out plans until there is none. Nothing may change but what is named in `only`, if it is given, and by no
    other actions than `verbs`, if there are any.
    """
    for _ in range(_MOST_PLANS):
        graph = step(pair)
        _only(graph, only, verbs)
        if not graph.changes() and not graph.fenced():
            check_rest(pair.site, pair.state(), pair.monitors())
            return
    raise AssertionError(f"it does not come to rest: {graph.changes()}")


def _only(graph: Graph, only: Collection[str] | None, verbs: Collection[str] = ()) -> None:
    changed = {(name, verb) for name, verb, _ in graph.changes()}
    if only is not None:
        more = {name for name, _ in changed} - set(only)
        assert not more, f"{more} need not change"
    if verbs:
        assert {verb for _, verb in changed} <= set(verbs), changed


def all_served(pair: Pair, node: str = "") -> None:
    """Each resource is served in full by one node, or by `node`."""
    for resource in pair.site.resources:
        found = serving(pair, resource)
        assert found == node if node else found in NODES, f"{resource.name} is served on {found or 'neither'}"


def serving(pair: Pair, resource: Resource) -> str:
    """The node that has the data writable, the target, all LUNs and all addresses; "" if none has all."""
    state = pair.state()
    for node in NODES:
        names = [resource.called("p_target"), *resource.parts]
        if state.get((resource.called("p_drbd"), node)) == PROMOTED and all(state.get((name, node)) for name in names):
            return node
    return ""


def begin_cold(pair: Pair) -> None:
    """Both nodes are up, and nothing runs."""
    pair.begin()


def begin_settled(pair: Pair) -> dict[str, str]:
    """All is served. Returns the node of each resource."""
    if not pair.settled:
        pair.begin()
        settle(pair)
        pair.settled = pair.saved()
    pair.begin(pair.settled)
    return {resource.name: serving(pair, resource) for resource in pair.site.resources}


def moves_of(resource: Resource) -> set[str]:
    """All that a switchover of a resource touches."""
    return {resource.called("p_drbd"), *resource.parts}


def restarts_of(resource: Resource, name: str, node: str, here: str) -> set[str]:
    """What has to restart if a resource of the cluster fails on `node`, while `here` serves."""
    portals = {portal.name for portal in resource.portals}
    if name in portals:
        return {name}
    if name in resource.parts:
        return {name, *portals}
    return {name, *resource.parts} if node == here else {name}


# What happens.


def cold_start(pair: Pair) -> None:
    begin_cold(pair)
    settle(pair)
    for resource in pair.site.resources:
        assert serving(pair, resource) in ([resource.preferred] if resource.preferred else NODES), resource.name
    state = pair.state()
    for resource in pair.site.resources:
        for node in NODES:
            for name in ("p_drbd", "p_target"):
                assert state.get((resource.called(name), node)), f"no {resource.called(name)} stands by on {node}"
    for node in NODES if pair.site.fencing.by == model.IPMI else ():
        assert state.get((f"fence_{node}", OTHER[node])), f"nobody can fence {node}"


def alone(pair: Pair, node: str) -> None:
    """One node boots by itself, with the other known to be off."""
    begin_cold(pair)
    pair.lose(OTHER[node])
    settle(pair)
    all_served(pair, node)


def fails_alone(pair: Pair, resource: Resource, name: str) -> None:
    """Something fails too often on the only node: it comes back when the failures have expired."""
    alone(pair, NODES[0])
    for _ in range(pair.site.policy.migration_threshold):
        step(pair, f"{name}_monitor_10000@{NODES[0]}=1", seconds=_LATER)
    settle(pair)
    assert serving(pair, resource) == ""
    step(pair, seconds=pair.site.policy.failure_timeout + 1)
    settle(pair)
    all_served(pair, NODES[0])


def device_fails(pair: Pair, node: str) -> None:
    """A fence device that cannot log in is not asked again and again, but after a minute."""
    begin_cold(pair)
    start = f"fence_{node}_start {OTHER[node]}"
    step(pair, f"fence_{node}_start_0@{OTHER[node]}=1")
    settle(pair)
    assert not pair.state().get((f"fence_{node}", OTHER[node]))
    assert start in step(pair, seconds=61).actions


def move(pair: Pair, resource: Resource) -> None:
    here = begin_settled(pair)[resource.name]
    holder = resource.called("g_san") if resource.grouped else resource.portals[0].name
    pair.move(OTHER[here], holder)
    settle(pair, only=moves_of(resource))
    assert serving(pair, resource) == OTHER[here]
    pair.clear(holder)
    settle(pair, only=moves_of(resource) if resource.failback else ())


def lost(pair: Pair, node: str) -> None:
    here = begin_settled(pair)
    affected = [resource for resource in pair.site.resources if here[resource.name] == node]
    devices = {f"fence_{name}" for name in NODES} | {"fence_sbd"}
    pair.crash(node)
    graph = step(pair)
    assert graph.fenced() == {node}
    # Where each node serves something, one of the addresses has a priority.
    favoured = len(affected) == len(pair.site.resources) or any(each.priority for each in affected)
    assert graph.delays[node] == (pair.site.priority_fencing_delay if favoured else 0), "who fences first"
    _only(graph, {*devices, *(name for resource in affected for name in moves_of(resource))})
    settle(pair, only=devices)
    all_served(pair, OTHER[node])
    pair.back(node)
    _return(pair, node)


def without_data(pair: Pair, node: str) -> None:
    """A node comes back whose data is old: it gets what is newer, and serves nothing before it has all."""
    begin_settled(pair)
    pair.crash(node)
    settle(pair)
    pair.back(node)
    pair.outdate(node)
    settle(pair, verbs={"start"})
    all_served(pair, OTHER[node])


def _return(pair: Pair, node: str) -> None:
    """A node is there again. Nothing moves, unless it is to."""
    back = [resource for resource in pair.site.resources if resource.failback and resource.preferred == node]
    if back:
        settle(pair)
        assert {serving(pair, resource) for resource in back} == {node}
        return
    stands_by = {resource.called(name) for resource in pair.site.resources for name in ("p_drbd", "p_target")}
    settle(pair, {*stands_by, "fence_atlas", "fence_zeus"}, verbs={"start"})
    all_served(pair, OTHER[node])


def monitor_fails(pair: Pair, resource: Resource | None, name: str, node: str, seconds: int) -> None:
    here = begin_settled(pair)
    only = {name} if resource is None else restarts_of(resource, name, node, here[resource.name])
    _only(step(pair, inject=f"{name}_monitor_{seconds}000@{node}=1"), only)
    # A replica that was demoted may be promoted elsewhere.
    settle(pair, only)
    all_served(pair)
    if resource is None or name != resource.called("p_drbd"):
        assert {each.name: serving(pair, each) for each in pair.site.resources} == here


def fails_often(pair: Pair, resource: Resource, name: str) -> None:
    here = begin_settled(pair)
    for number in range(pair.site.policy.migration_threshold):
        if name != resource.called("p_drbd"):
            assert serving(pair, resource) == here[resource.name], f"it moves after {number} failures"
        step(pair, f"{name}_monitor_10000@{here[resource.name]}=1", seconds=_LATER)
    settle(pair)
    here[resource.name] = OTHER[here[resource.name]]
    assert {each.name: serving(pair, each) for each in pair.site.resources} == here


def start_fails(pair: Pair, name: str, node: str, status: int) -> None:
    """Where it would start. With 1 it is tried again, there; with 5 not before something is done about it."""
    here = begin_settled(pair)
    resource = next((each for each in pair.site.resources if name in each.parts), None)
    begin_cold(pair)
    step(pair, f"{name}_start_0@{node}={status}")
    settle(pair)
    all_served(pair)
    if resource:
        assert serving(pair, resource) == (here[resource.name] if status == 1 else OTHER[here[resource.name]])


def promotion_fails(pair: Pair, resource: Resource) -> None:
    here = begin_settled(pair)[resource.name]
    begin_cold(pair)
    step(pair, f"{resource.called('p_drbd')}_promote_0@{here}=1")
    settle(pair)
    all_served(pair)


def stop_fails(pair: Pair, name: str, node: str, verb: str) -> None:
    begin_settled(pair)
    pair.standby(node)
    step(pair, f"{name}_{verb}_0@{node}=1")
    if verb == "stop":
        assert step(pair).fenced() == {node}
    settle(pair)
    all_served(pair, OTHER[node])


def quorum_lost(pair: Pair) -> None:
    begin_settled(pair)
    pair.lose_quorum()
    if pair.site.witness:
        settle(pair, only=())
    else:
        settle(pair, verbs={"stop", "demote"})
        assert {serving(pair, resource) for resource in pair.site.resources} == {""}
        assert PROMOTED not in pair.state().values()
    pair.change_root(**{"have-quorum": "1"})
    settle(pair)
    all_served(pair)


def partition(pair: Pair, node: str) -> None:
    """The rest has no quorum: it fences and promotes nothing. Its plan cannot be carried out, since it has to stop on
    the lost node what it may not fence.
    """
    begin_settled(pair)
    pair.crash(node)
    pair.lose_quorum()
    graph = pair.plan()
    counts["plans"] += 1
    Laws(pair.site, pair.state(), graph).check()
    assert not graph.fenced()
    assert {verb for _, verb, _ in graph.changes()} <= ({"stop", "demote"} if not pair.site.witness else set())


def peer_banned(pair: Pair, resource: Resource) -> None:
    """The node that takes over has the peer banned, whose data is old when it comes back."""
    here = begin_settled(pair)[resource.name]
    pair.crash(here)
    pair.fence_constraint(resource, OTHER[here])
    settle(pair)
    all_served(pair, OTHER[here])
    pair.back(here)
    pair.standby(OTHER[here])
    settle(pair)
    assert pair.state().get((resource.called("p_drbd"), here)) != PROMOTED, "the old data is served"
    pair.lift_constraint(resource)
    settle(pair)
    assert serving(pair, resource) == here


def banned(pair: Pair, resource: Resource) -> None:
    """The node that served has the other one banned, whose data is old, and dies."""
    here = begin_settled(pair)[resource.name]
    pair.fence_constraint(resource, here)
    settle(pair, only=())
    pair.crash(here)
    settle(pair)
    assert pair.state().get((resource.called("p_drbd"), OTHER[here])) != PROMOTED, "the old data is served"
    pair.lift_constraint(resource)
    settle(pair)
    assert serving(pair, resource) == OTHER[here]


def standby(pair: Pair, node: str) -> None:
    here = begin_settled(pair)
    affected = [resource for resource in pair.site.resources if here[resource.name] == node]
    stands_by = {resource.called(name) for resource in pair.site.resources for name in ("p_drbd", "p_target")}
    moved = {name for resource in affected for name in moves_of(resource)}
    pair.standby(node)
    settle(pair, {*stands_by, *moved, "fence_atlas", "fence_zeus", "fence_sbd"})
    all_served(pair, OTHER[node])
    pair.active(node)
    _return(pair, node)


def outdated(pair: Pair, node: str) -> None:
    """A node has no data that could be served."""
    begin_settled(pair)
    pair.outdate(node)
    settle(pair)
    all_served(pair, OTHER[node])


def no_target(pair: Pair, resource: Resource) -> None:
    """A node cannot have the target; then somebody wants all to be there."""
    here = begin_settled(pair)[resource.name]
    pair.begin()
    step(pair, f"{resource.called('p_target')}_start_0@{here}=5")
    settle(pair)
    assert serving(pair, resource) == OTHER[here]
    assert pair.state().get((resource.called("p_drbd"), here)), "the data is no longer replicated"
    pair.move(here, resource.called("g_san") if resource.grouped else resource.portals[0].name)
    settle(pair)


def maintenance(pair: Pair, resource: Resource) -> None:
    """Nothing is touched, whatever fails; what failed restarts when it ends."""
    here = begin_settled(pair)
    name = resource.luns[0].name
    pair.maintenance("true")
    _only(step(pair), ())
    _only(step(pair, inject=f"{name}_monitor_10000@{here[resource.name]}=1"), ())
    pair.maintenance("false")
    settle(pair, only=restarts_of(resource, name, here[resource.name], here[resource.name]))
    assert {each.name: serving(pair, each) for each in pair.site.resources} == here


def of_site(site: Site, where: dict[tuple[str, str], str]) -> dict[str, Scenario]:
    """All that may happen to a pair with a configuration, by name. `where` is what runs where, with its role."""
    found: dict[str, Scenario] = {"cold start": cold_start, "quorum lost": quorum_lost}

    def add(name: str, function: Callable[..., None], *values: object) -> None:
        found[name] = functools.partial(_call, function, values)

    for node in NODES:
        for name, function in (("lost", lost), ("standby", standby), ("partition", partition), ("alone", alone)):
            add(f"{name} {node}", function, node)
        add(f"outdated {node}", outdated, node)
        add(f"without data {node}", without_data, node)
        if site.fencing.by == model.IPMI:
            add(f"fence_{node} fails", device_fails, node)
    for resource in site.resources:
        for happens in (move, promotion_fails, peer_banned, banned, no_target, maintenance):
            add(f"{happens.__name__} {resource.name}", happens, resource)
        below = [resource.called(name) for name in ("p_drbd", "p_target")]
        for name in (*below, *resource.parts):
            add(f"{name} fails often", fails_often, resource, name)
            add(f"{name} fails alone", fails_alone, resource, name)
    for (name, node), role in where.items():
        owner = next((each for each in site.resources if name in _names(each)), None)
        seconds = 60 if owner is None else 20 if name == owner.called("p_drbd") and role != PROMOTED else 10
        add(f"{name} monitor fails on {node}", monitor_fails, owner, name, node, seconds)
        add(f"{name} start fails on {node}", start_fails, name, node, 1)
        add(f"{name} cannot start on {node}", start_fails, name, node, 5)
        add(f"{name} stop fails on {node}", stop_fails, name, node, "stop")
        if role == PROMOTED:
            add(f"{name} demote fails on {node}", stop_fails, name, node, "demote")
    return found


def _call(function: Callable[..., None], values: tuple[object, ...], pair: Pair) -> None:
    function(pair, *values)


def _names(resource: Resource) -> set[str]:
    return {resource.called("p_drbd"), resource.called("p_target"), *resource.parts}
