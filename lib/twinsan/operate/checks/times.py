# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations: monitors that are missing, and time-outs against what the agents, DRBD's handlers and ESXi need."""

from __future__ import annotations

from twinsan.cluster.values import INFINITY, is_true, score, seconds
from twinsan.fence.patience import SECONDS_FOR_PROMOTION
from twinsan.operate.checks.configuration import DEFAULT_TIMEOUT
from twinsan.operate.checks.fencing import APD_SECONDS
from twinsan.operate.checks.finding import ERROR, WARNING, Fault
from twinsan.operate.checks.stack import REPLICAS, all_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Configuration, Resource
    from twinsan.operate.checks.finding import Finding
    from twinsan.operate.checks.stack import Stack

SHORT = Fault(
    "timeout-short",
    WARNING,
    "{where}: the operation {operation} may take {given:g} s, and its agent asks for {advised:g} s",
    why="an action that the cluster kills has failed; a stop that fails is a fenced node",
    mend="give it timeout={advised:g}s: crm configure edit {where}",
)
SHORT_STOP = Fault(
    "timeout-shortest",
    WARNING,
    "{where}: the operation {operation} may take {given:g} s",
    why="targetcli takes longer than that on a busy server: a stop that is late is a fenced node",
    mend="give it timeout={advised:g}s: crm configure edit {where}",
)
SHORT_PROMOTION = Fault(
    "promotion-timeout-short",
    ERROR,
    "{where}: a promotion may take {given:g} s, and DRBD's handler fence-peer may take {advised:g} s of it",
    why="a promotion waits for the handler; one that is killed has failed, and nobody serves",
    mend="give the operation promote timeout={right:g}s: crm configure edit {where}",
)
LONG = Fault(
    "timeout-long",
    WARNING,
    "{where}: the operation {operation} may take {given:g} s",
    why="ESXi gives up a disk after 140 s (APD): an action that hangs has to fail before that, so that the other node "
    "takes over",
    mend="give it timeout=60s: crm configure edit {where}",
)
NO_MONITOR = Fault(
    "monitor-missing",
    WARNING,
    "{where} has no monitor for {role}",
    why="the cluster does not notice that it has failed",
    mend="add one with interval={interval}s timeout={timeout}s: crm configure edit {where}",
)
COLLIDING = Fault(
    "monitors-collide",
    ERROR,
    "{where} has two monitors with an interval of {interval:g} s",
    why="Pacemaker tells operations apart by name and interval: only one of the two runs",
    mend="give one of them another interval: crm configure edit {where}",
)
SLOW_MONITOR = Fault(
    "monitor-slow",
    WARNING,
    "{where} is monitored every {interval:g} s",
    why="so long a fault goes unnoticed while hosts wait",
    mend="give the monitor interval=10s: crm configure edit {where}",
)
FAILURE_TIMEOUT_SHORT = Fault(
    "failure-timeout-short",
    WARNING,
    "{where} has failure-timeout={given:g}s",
    why="crm_mon stops showing a degraded resource after that time, although it still is",
    mend="crm_resource --resource {where} --meta --set-parameter failure-timeout --parameter-value 150s",
)
NO_FAILURE_TIMEOUT = Fault(
    "failure-timeout-missing",
    WARNING,
    "{where} has no failure-timeout",
    why="a node where it failed too often is banned until somebody cleans up; two of them end the service",
    mend="crm_resource --resource {where} --meta --set-parameter failure-timeout --parameter-value 150s",
)
FATAL_START = Fault(
    "start-failure-fatal",
    WARNING,
    "start-failure-is-fatal is true",
    why="one failed start bans its node until somebody cleans up; on the last node that ends the service",
    mend="crm_attribute --name start-failure-is-fatal --update false, and give each resource a migration-threshold",
)
NO_THRESHOLD = Fault(
    "threshold-missing",
    WARNING,
    "{where} has no migration-threshold, and start-failure-is-fatal is false",
    why="a start that fails is tried on the same node without end, and the other node never gets a turn",
    mend="crm_resource --resource {where} --meta --set-parameter migration-threshold --parameter-value 2",
)
NO_STICKINESS = Fault(
    "stickiness-missing",
    WARNING,
    "{where} has no resource-stickiness",
    why="what serves may move back to a server that returns, at the price of one more pause",
    mend="crm_resource --resource {where} --meta --set-parameter resource-stickiness --parameter-value 100",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_LEAST_OF_TARGETCLI = 40.0
_TARGETCLI = ("ocf:heartbeat:iSCSITarget", "ocf:heartbeat:iSCSILogicalUnit")
_SLOWEST = 60.0
_SHORTEST_FAILURE_TIMEOUT = 60.0

# What crm-fence-peer.9.sh of drbd-utils takes by default.
_HANDLER_OF_LINBIT = 90.0
_MARGIN = 10.0


def find(configuration: Configuration, stacks: list[Stack]) -> Iterator[Finding]:
    """Yield what is wrong with operations, and with what follows their failure, but for `advised`."""
    ours = {each.id: each for what in ("targets", "luns", "addresses") for each in all_of(stacks, what)}
    replicas = {stack.replica.id: stack.replica for stack in stacks if stack.replica}
    for resource in (*replicas.values(), *ours.values()):
        yield from _timeouts(resource)
        yield from _monitors(resource, promotable=resource.id in replicas)
    for resource in ours.values():
        longest = max(("start", "stop"), key=resource.timeout)
        if resource.timeout(longest) > APD_SECONDS:
            yield LONG.at(resource.id, operation=longest, given=resource.timeout(longest))
    yield from _failures(configuration, [*replicas.values(), *ours.values()])
    holders = {each.outer: each for each in (*all_of(stacks, "luns"), *all_of(stacks, "addresses"))}
    loose = [outer for outer, each in holders.items() if score(each.meta.get("resource-stickiness", "0")) <= 0]
    if loose:
        yield NO_STICKINESS.at(loose[0] if len(loose) == 1 else ", ".join(loose))


def _timeouts(resource: Resource) -> Iterator[Finding]:
    if resource.agent in REPLICAS:
        yield from _promotion(resource)
    for operation in ("start", "stop") if resource.agent in _TARGETCLI else ():
        given = resource.timeout(operation)
        if given < _LEAST_OF_TARGETCLI:
            yield SHORT_STOP.at(resource.id, operation=operation, given=given, advised=_LEAST_OF_TARGETCLI)


def _budget(replica: Resource) -> float:
    """How long a promotion may wait for the handler of DRBD, and what else it does."""
    return SECONDS_FOR_PROMOTION + _MARGIN if replica.agent == REPLICAS[0] else _HANDLER_OF_LINBIT


def _promotion(replica: Resource) -> Iterator[Finding]:
    given, least = replica.timeout("promote"), _budget(replica)
    if given < least:
        yield SHORT_PROMOTION.at(replica.id, given=given, advised=least, right=least + 2 * _MARGIN)


def advised(stacks: list[Stack]) -> Iterator[Finding]:
    """Yield the time-outs that are shorter than an agent of twinsan advises. The agents are imported for that, which
    takes longer than all other rules.
    """
    replicas = [stack.replica for stack in stacks if stack.replica]
    others = [each for what in ("targets", "luns", "addresses") for each in all_of(stacks, what)]
    for resource in {each.id: each for each in (*replicas, *others)}.values():
        if resource.agent.startswith("ocf:twinsan:"):
            yield from _shorter_than_advised(resource)


def _shorter_than_advised(resource: Resource) -> Iterator[Finding]:
    from twinsan.site import declarations

    for advised in declarations.operations(resource.agent.rpartition(":")[2]):
        if advised.name == "monitor":
            same = [each.timeout for each in resource.monitors() if (each.role or None) == advised.role]
            given = min((DEFAULT_TIMEOUT if each is None else each for each in same), default=float(advised.timeout))
        else:
            given = resource.timeout(advised.name)
        if given < advised.timeout and not (advised.name == "promote" and given < _budget(resource)):
            name = f"{advised.name} of role {advised.role}" if advised.role else advised.name
            yield SHORT.at(resource.id, operation=name, given=given, advised=advised.timeout)


def _monitors(resource: Resource, *, promotable: bool) -> Iterator[Finding]:
    monitors = [each for each in resource.monitors() if each.role != "Stopped"]
    intervals = [each.interval for each in resource.monitors()]
    for interval in sorted({each for each in intervals if intervals.count(each) > 1}):
        yield COLLIDING.at(resource.id, interval=interval)
    # One without a role is for a replica that is not promoted.
    roles = {each.role or "Unpromoted" for each in monitors} if promotable else {""}
    for role, interval in (("Promoted", 10), ("Unpromoted", 20)) if promotable else (("", 10),):
        if not monitors or role not in roles:
            told = f"the role {role}" if role else "what runs"
            yield NO_MONITOR.at(resource.id, role=told, interval=interval, timeout=30 if promotable else 20)
    slowest = max((each.interval for each in monitors), default=0.0)
    if slowest > _SLOWEST:
        yield SLOW_MONITOR.at(resource.id, interval=slowest)


def _failures(configuration: Configuration, resources: list[Resource]) -> Iterator[Finding]:
    fatal = is_true(configuration.option("start-failure-is-fatal", "true"))
    if fatal:
        yield FATAL_START.at("start-failure-is-fatal")
    for outer, resource in {each.outer: each for each in resources}.items():
        threshold = resource.meta.get("migration-threshold", "INFINITY")
        given = seconds(resource.meta.get("failure-timeout", "")) or 0.0
        if not fatal and score(threshold) in (0, INFINITY):
            yield NO_THRESHOLD.at(outer)
        if not given:
            yield NO_FAILURE_TIMEOUT.at(outer)
        elif given < _SHORTEST_FAILURE_TIMEOUT:
            yield FAILURE_TIMEOUT_SHORT.at(outer, given=given)
