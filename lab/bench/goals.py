# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are to reach, beside what they are: ratios within one run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.bench import figures


@dataclass(frozen=True)
class Goal:
    """`measured` is None where the run has no figure for it."""

    name: str
    measured: float | None
    most: float
    unit: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the figure is as good as it is to be; None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.most if self.at_least else self.measured <= self.most


def lines(result: dict[str, Any]) -> list[str]:
    """The goals as a table."""
    words = {True: "reached", False: "NOT REACHED", None: "not measured"}
    rows = []
    for goal in _all(result):
        measured = "-" if goal.measured is None else f"{goal.measured:.2f}{goal.unit}"
        wanted = f"{'at least' if goal.at_least else 'at most'} {goal.most:.2f}{goal.unit}"
        rows.append([goal.name, measured, wanted, words[goal.reached]])
    return figures.table(("figure", "measured", "goal", ""), rows)


def failovers(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of all failovers, with one LUN and with many."""
    rows = [*result.get("failover", []), *result.get("many_luns", [])]
    return sorted(rows, key=lambda row: (row["kind"] != "switchover", row["luns"]))


def _all(result: dict[str, Any]) -> Iterator[Goal]:
    found = failovers(result)
    ours, others = (_find(found, "switchover", name, 1) for name in ("twinsan", "ClusterLabs and LINBIT"))
    stall = _median(ours, "stall")
    yield Goal("switchover, 1 LUN: stall, to ClusterLabs and LINBIT", _over(stall, _median(others, "stall")), 1 / 15)
    yield Goal("switchover, 1 LUN: address away, to agents that do nothing", ours.get("away_to_doing_nothing"), 0.9)
    many = _find(found, "switchover", "twinsan", 8)
    yield Goal("switchover: stall with 8 LUNs, to that with 1", _over(_median(many, "stall"), stall), 2.0)
    yield Goal("switchover: one more LUN, to one more Dummy", _one_more(found), 2.0)
    thirty_two = _find(found, "switchover", "twinsan", 32)
    yield Goal("switchover, 32 LUNs: I/O errors", thirty_two.get("io_errors"), 0.0)
    cut = _find(found, "power cut", "twinsan", 1)
    yield Goal("power cut: stall", _median(cut, "stall"), 11.0, " s")
    parts = [cut.get("phases", {}).get(name) for name in ("promote", "LUNs", "address", "initiator")]
    after = sum(part["median_s"] for part in parts if part) if all(parts) else None
    yield Goal("power cut: from the fencing to the first write", after, 4.0, " s")
    for row in result.get("actions", []):
        if row.get("action") == "monitor" and row.get("cpu_ratio") is not None:
            yield Goal(f"monitor of {row['agent']}: processor time, to {row['counterpart']}", row["cpu_ratio"], 1 / 3)
    rows = [row for row in result.get("data_path", []) if row.get("ratio") is not None]
    # Where the ranges meet, a difference may be the machine's doing.
    worst = min((1.0 if row["ranges_meet"] else row["ratio"] for row in rows), default=None)
    yield Goal("data path: worst row beyond its range, to plain targetcli", worst, 1.0, at_least=True)


def _one_more(rows: list[dict[str, Any]]) -> float | None:
    """What each LUN after the first adds, as a multiple of what a Dummy adds."""
    added = []
    for agents in ("twinsan", "agents that do nothing"):
        one, many = (_median(_find(rows, "switchover", agents, count), "away") for count in (1, 8))
        if one is None or many is None:
            return None
        added.append(many - one)
    return _over(*added)


def _find(rows: Iterable[dict[str, Any]], kind: str, agents: str, luns: int) -> dict[str, Any]:
    wanted = {"kind": kind, "agents": agents, "luns": luns}
    return next((row for row in rows if wanted.items() <= row.items()), {})


def _median(row: dict[str, Any], name: str) -> float | None:
    values = row.get(name, {}).get("all_s")
    return statistics.median(values) if values else None


def _over(value: float | None, other: float | None) -> float | None:
    return round(value / other, 3) if value is not None and other else None
