# SPDX-License-Identifier: GPL-2.0-or-later
"""Switchovers and power cuts of one chain, and where their time went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab import counts, operations, progress
from lab.bench import figures
from lab.bench.chain import Chain
from lab.bench.probe import Interruption, Probe
from lab.errors import LabError
from lab.host import now
from lab.machine import Machine
from lab.operations import Operation
from lab.pair import Pair

# The chain of many LUNs, or of other agents, takes minutes in guests of one processor.
_SECONDS = 400.0

SWITCHOVER, POWER_CUT = "switchover", "power cut"

# In their order. "stop" begins with the last write that is acknowledged, or with the stop of the address; "detection"
# with the power cut. "LUNs" is all that starts between the promotion and the address.
PHASES = {
    SWITCHOVER: ("stop", "demote", "promote", "LUNs", "address", "initiator"),
    POWER_CUT: ("detection", "fencing", "promote", "LUNs", "address", "initiator"),
}


@dataclass(frozen=True)
class Failover:
    """One failover. `away` are the seconds without the address: from its stop, or the power cut, to its start. `stall`
    are those in which no write was acknowledged, None where nobody writes.
    """

    away: float
    stall: float | None
    errors: int
    phases: dict[str, float]
    coordinator: bool = False


@dataclass
class Series:
    """Failovers of one kind of one chain."""

    kind: str
    chain: str
    luns: int
    done: list[Failover] = field(default_factory=list)

    @property
    def away(self) -> list[float]:
        """The seconds of each without the address."""
        return [each.away for each in self.done]

    @property
    def stalls(self) -> list[float]:
        """The seconds of each in which no write was acknowledged; none where nobody wrote."""
        return [each.stall for each in self.done if each.stall is not None]

    def phase(self, name: str) -> list[float]:
        """The seconds of each in that phase."""
        return [each.phases[name] for each in self.done if name in each.phases]

    def row(self) -> dict[str, Any]:
        """All of it for result.json."""
        return {
            "kind": self.kind,
            "agents": self.chain,
            "luns": self.luns,
            "io_errors": sum(each.errors for each in self.done),
            "away": figures.summary(self.away),
            "stall": figures.summary(self.stalls),
            "phases": {name: figures.summary(self.phase(name)) for name in PHASES[self.kind] if self.phase(name)},
            **({"victim_was_coordinator": [each.coordinator for each in self.done]} if self.kind == POWER_CUT else {}),
        }


def switch_over(made: Pair, chain: Chain, probe: Probe | None, name: str) -> Failover:
    """Move the chain to the other node."""
    made.wait_until_idle(_SECONDS)
    target = made.peer_of(serving(made, chain))
    with progress.step(f"Switchover, {name}: to {target}"):
        begin = now()
        made.atlas.succeed(f"crm_resource --resource {chain.moved} --move --node {target}")
        _wait_for_start(chain, target, begin)
        waited = _wait_for_initiator(probe, begin)
        made.wait_until_idle(_SECONDS)
        made.atlas.succeed(f"crm_resource --resource {chain.moved} --clear")
        made.wait_until_idle(_SECONDS)
    counts.add(counts.SWITCHOVERS)
    done = operations.read(made.servers, begin)
    left = _last(done, "stop", lambda each: each == chain.address)
    marks = {
        "stop": _last(done, "stop", lambda each: each != chain.drbd),
        "demote": _last(done, "demote", lambda each: each == chain.drbd),
        **_starts(chain, done),
    }
    return _failover(marks["address"] - left, waited.begin if waited else left, marks, waited)


def cut_power(made: Pair, chain: Chain, probe: Probe | None, name: str) -> Failover:
    """Cut the power of the node that serves; wait until the other one serves, and the pair is whole again."""
    made.wait_until_idle(_SECONDS)
    victim = serving(made, chain)
    survivor = made.peer_of(victim)
    coordinator = victim.name in survivor.succeed("crmadmin --dc_lookup")
    with progress.step(f"Power cut, {name}: of {victim}"):
        begin = now()
        victim.power_off()
        _wait_for_start(chain, survivor, begin)
        waited = _wait_for_initiator(probe, begin)
        done = operations.read([survivor], begin)
        lost, fenced = operations.lost(survivor, begin), operations.fenced(survivor, begin)
        victim.wait_until_on()
        victim.wait_for_boot()
        made.wait_until_online()
        if chain.serves:
            made.wait_until_in_sync()
        made.wait_until_idle(_SECONDS)
    if lost is None or fenced is None:
        raise LabError(f"{survivor} does not tell when it lost {victim} and when that was fenced")
    marks = {"detection": lost, "fencing": fenced, **_starts(chain, done)}
    return _failover(marks["address"] - begin, begin, marks, waited, coordinator=coordinator)


def serving(made: Pair, chain: Chain) -> Machine:
    """The server that has the address of the chain."""
    where = made.atlas.succeed(f"crm_resource --resource {chain.address} --locate")
    return made.atlas if "on: atlas" in where else made.zeus


def durations(begin: float, marks: dict[str, float]) -> dict[str, float]:
    """The seconds of each phase, from the times at which they ended; none for one that ended before its predecessor."""
    found = {}
    for name, end in marks.items():
        found[name] = max(0.0, end - begin)
        begin = max(begin, end)
    return found


def _wait_for_start(chain: Chain, target: Machine, begin: float) -> None:
    target.wait_until(
        f"journalctl --since=@{int(begin)} -t pacemaker-controld"
        f" | grep -q 'Result of start operation for {chain.address} on {target}: OK'",
        f"{chain.address} has started",
        _SECONDS,
        interval=1.0,
    )


def _wait_for_initiator(probe: Probe | None, begin: float) -> Interruption | None:
    if probe is None:
        return None
    probe.wait_until_written(now())
    return probe.interruption(begin, now())


def _failover(
    away: float, begin: float, marks: dict[str, float], waited: Interruption | None, *, coordinator: bool = False
) -> Failover:
    if waited is None:
        return Failover(away, None, 0, durations(begin, marks), coordinator)
    phases = durations(begin, {**marks, "initiator": waited.end})
    return Failover(away, waited.end - waited.begin, waited.errors, phases, coordinator)


def _starts(chain: Chain, done: Sequence[Operation]) -> dict[str, float]:
    promoted = _last(done, "promote", lambda each: each == chain.drbd)
    between = [each.time for each in done if each.action == "start" and each.resource != chain.address]
    return {
        "promote": promoted,
        "LUNs": max([promoted, *between]),
        "address": _last(done, "start", lambda each: each == chain.address),
    }


def _last(done: Iterable[Operation], action: str, is_meant: Callable[[str], bool]) -> float:
    """When the last such action ended."""
    times = [each.time for each in done if each.action == action and is_meant(each.resource)]
    if not times:
        raise LabError(f"the journals do not tell when the cluster's {action} was done")
    return max(times)
