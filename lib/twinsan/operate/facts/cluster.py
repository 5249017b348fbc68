# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster: what its configuration and status (`configuration`) and crm_mon (`overview`) say together."""

from __future__ import annotations

from twinsan.cluster import values
from twinsan.fence.view import constraint_id
from twinsan.operate.facts import cluster_shape as shape
from twinsan.operate.facts import configuration
from twinsan.operate.facts.fact import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Iterator

    from twinsan.operate.facts.configuration import Configuration, Primitive
    from twinsan.operate.facts.overview import Overview

_SCORE, _FAIL_COUNT = "master-", "fail-count-"
_OK, _PROMOTED = ("0", "190"), ("8", "191")
# Success, and that of a monitor of a promoted resource.
_WELL = ("0", "8")
# An agent that is still degraded answers success once now and then, so that the cluster takes its new reason (see
# docs/decisions.md). Its next monitor says the truth: each is at most 20 s later.
_SECONDS_TO_BE_SURE = 30
# The end of the id of an entry that Pacemaker keeps for a failure, beside the last result of the same operation.
_OF_FAILURE = "_last_failure_0"


def join(cib: Configuration, overview: Overview, now: float) -> shape.Cluster:
    """Return the cluster's facts; `now` is the time, in seconds since the epoch."""
    watchdog = values.seconds(cib.option("stonith-watchdog-timeout", cib.option("fencing-watchdog-timeout", "0")))
    enabled = cib.option("stonith-enabled", cib.option("fencing-enabled", "true"))
    return shape.Cluster(
        quorum=overview.quorum,
        maintenance=values.is_true(cib.option("maintenance-mode", "false")),
        stopped=values.is_true(cib.option("stop-all-resources", "false")),
        fencing_enabled=values.is_true(enabled),
        no_quorum_policy=cib.option("no-quorum-policy", "stop"),
        priority_fencing_delay_seconds=values.seconds(cib.option("priority-fencing-delay", "0")) or 0.0,
        watchdog_seconds=watchdog or None,
        nodes=tuple(overview.nodes()),
        instances=tuple(_instances(cib, overview)),
        failures=failures(cib, overview, now),
        fail_counts=tuple(_fail_counts(cib)),
        scores=tuple(_scores(cib)),
        constraints=tuple(_constraints(cib)),
        fence_devices=tuple(_fence_devices(cib, overview)),
        fencings=overview.fencings(),
    )


def _instances(cib: Configuration, overview: Overview) -> Iterator[shape.Instance]:
    for resource, agent, role, node, managed, failed in overview.instances():
        begun, took = _begin(cib, resource, role, node) if node else (None, None)
        yield shape.Instance(resource, agent, role, node, managed, failed, begun, took)


def _begin(cib: Configuration, resource: str, role: str, node: str) -> tuple[int | None, float | None]:
    """When the action ended that gave a resource its role on a node, and how long it took. After a restart of the
    cluster it may be known by a probe only, which says nothing of either.
    """
    wanted = "promote" if role == "Promoted" else "start"
    for entry in cib.history(node, resource):
        if entry.get("operation") == wanted and entry.get("rc-code") in (*_OK, *_PROMOTED):
            return whole(entry.get("last-rc-change")), _took(entry)
    return None, None


def failures(cib: Configuration, overview: Overview, now: float) -> tuple[shape.Failure, ...]:
    """Return the failures that crm_mon shows, with their reasons in full, if the history has longer ones, and whether
    each is over; `now` is the time, in seconds since the epoch.
    """
    return tuple(_completed(cib, failure, now) for failure in overview.failures())


def _completed(cib: Configuration, failure: shape.Failure, now: float) -> shape.Failure:
    history = [
        entry
        for entry in cib.history(failure.node, failure.resource)
        if entry.get("operation") == failure.operation and not entry.get("id", "").endswith(_OF_FAILURE)
    ]
    failed = [
        entry for entry in cib.history(failure.node, failure.resource) if entry.get("rc-code") == str(failure.code)
    ]
    reasons = [entry.get("exit-reason", "") for entry in failed if entry.get("operation") == failure.operation]
    longer = next((each for each in reasons if len(each) > len(failure.reason)), failure.reason)
    well = [whole(entry.get("last-rc-change")) or 0 for entry in history if entry.get("rc-code") in _WELL]
    over = any((failure.at or 0) < moment <= now - _SECONDS_TO_BE_SURE for moment in well)
    return replace(failure, reason=longer, over=over)


def _scores(cib: Configuration) -> Iterator[shape.Score]:
    for node, name, value in cib.attributes():
        if name.startswith(_SCORE):
            resource = configuration.without_number(name[len(_SCORE) :])
            yield shape.Score(resource, node, values.score(value))


def _fail_counts(cib: Configuration) -> Iterator[shape.FailCount]:
    """The counts, each the sum over the operations of the resource, as the scheduler counts."""
    counts: dict[tuple[str, str], int] = {}
    for node, name, value in cib.attributes():
        if name.startswith(_FAIL_COUNT):
            resource = configuration.without_number(name[len(_FAIL_COUNT) :].partition("#")[0])
            number = counts.get((resource, node), 0) + values.score(value)
            counts[resource, node] = min(number, values.INFINITY)
    for (resource, node), count in counts.items():
        primitive = cib.find(resource)
        threshold = values.score(primitive.meta.get("migration-threshold", "0")) if primitive else 0
        yield shape.FailCount(resource, node, count, threshold or None)


def _constraints(cib: Configuration) -> Iterator[shape.Constraint]:
    clones = [(each.parameters.get("drbd_resource", ""), each.within) for each in cib.of_agent("drbd-vaai")]
    fences = {constraint_id(drbd, clone) for drbd, within in clones for clone in within}
    for element in cib.root.findall("configuration/constraints/rsc_location"):
        identifier = element.get("id", "")
        kind = "fence" if identifier in fences else "other"
        kind = "move" if identifier.startswith("cli-prefer-") else kind
        kind = "ban" if identifier.startswith(("cli-ban-", "cli-standby-")) else kind
        for resource in _constrained(element):
            yield from _one_by_one(element, identifier, resource, kind, cib.node_names())


def _constrained(element: ET.Element) -> list[str]:
    sets = [each.get("id", "") for each in element.findall("resource_set/resource_ref")]
    return [element.get("rsc", "")] if element.get("rsc") else sets or [element.get("rsc-pattern", "")]


def _one_by_one(
    element: ET.Element, identifier: str, resource: str, kind: str, everybody: list[str]
) -> Iterator[shape.Constraint]:
    """A constraint for each of its rules, or the one that it is without a rule."""
    for part in element.findall("rule") or [element]:
        role = part.get("role") or element.get("role")
        role = values.role(role) if role else role
        name = element.get("node")
        nodes = (name,) if name else _nodes_of(part, everybody)
        score = part.get("score") or element.get("score") or "?"
        yield shape.Constraint(identifier, resource, kind, role if role == "Promoted" else None, score, nodes)


def _nodes_of(rule: ET.Element, everybody: list[str]) -> tuple[str, ...] | None:
    """The nodes for which a rule of node names holds; None for any other rule."""
    expressions = list(rule)
    if not expressions or any(
        each.tag != "expression" or each.get("attribute") != "#uname" or each.get("operation") not in ("eq", "ne")
        for each in expressions
    ):
        return None
    either = rule.get("boolean-op", "and") == "or"

    def holds(node: str) -> bool:
        found = [(each.get("value") == node) == (each.get("operation") == "eq") for each in expressions]
        return any(found) if either else all(found)

    return tuple(filter(holds, everybody))


def _fence_devices(cib: Configuration, overview: Overview) -> Iterator[shape.FenceDevice]:
    places = {resource: (node, failed) for resource, _, _, node, _, failed in overview.instances() if node}
    for primitive in cib.primitives:
        if not primitive.agent.startswith("stonith:"):
            continue
        node, failed = places.get(primitive.id, (None, False))
        results = _last_results(cib, node, primitive.id) if node else []
        answers = not failed and results[0].get("rc-code") == "0" if results else None
        took = [seconds for each in results if (seconds := _took(each)) is not None]
        power_wait = primitive.parameters.get("power_wait")
        yield shape.FenceDevice(
            resource=primitive.id,
            agent=primitive.agent.partition(":")[2],
            targets=tuple(_targets(primitive)),
            node=node,
            answers=answers,
            monitor_seconds=min(took, default=None),
            power_wait_seconds=values.seconds(power_wait) if power_wait else None,
            delay_seconds=_delay(primitive.parameters.get("pcmk_delay_base", "0")),
        )


def _last_results(cib: Configuration, node: str, resource: str) -> list[ET.Element]:
    """The results of starts and monitors of a resource on a node, the latest first."""
    found = [each for each in cib.history(node, resource) if each.get("operation") in ("start", "monitor")]
    return sorted(found, key=lambda each: whole(each.get("call-id")) or 0, reverse=True)


def _targets(primitive: Primitive) -> list[str]:
    names = primitive.parameters.get("pcmk_host_list", "").replace(",", " ").split()
    pairs = primitive.parameters.get("pcmk_host_map", "").replace(",", ";").replace(" ", ";").split(";")
    return names or [pair.partition(":")[0] for pair in pairs if pair]


def _delay(text: str) -> float:
    """The longest of a delay's values: it may have one for each node, as in ``atlas:5s;zeus:0s``."""
    return max((values.seconds(word.rpartition(":")[2]) or 0.0 for word in text.replace(";", " ").split()), default=0.0)


def _took(entry: ET.Element) -> float | None:
    milliseconds = whole(entry.get("exec-time"))
    return milliseconds / 1000 if milliseconds is not None else None


def whole(text: str | None) -> int | None:
    """A whole number; None for anything else."""
    return int(text) if text and text.isdecimal() else None
