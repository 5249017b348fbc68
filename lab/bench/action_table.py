# SPDX-License-Identifier: GPL-2.0-or-later
"""The prices of actions as a table: each action of an agent of twinsan beside the one of its counterpart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.bench import figures
from lab.bench.metering import Reading

STEADY, EACH_MINUTE, UNPROMOTED = "monitor", "monitor, once a minute", "monitor, unpromoted"
_ACTIONS = ("meta-data", "validate-all", "start", "promote", STEADY, EACH_MINUTE, UNPROMOTED, "demote", "stop")

# Monitors in a minute at the template's interval, and those of them that look closer.
_IN_A_MINUTE, _CLOSER = 6, 1

_HEADING = (
    "action", "n", "wall s", "theirs", "CPU s", "theirs", "ratio", "programs", "theirs", "processes", "theirs",
    "MiB", "theirs",
)  # fmt: skip

# The readings of an action by the place of the agent in its chain and the action's name.
Readings = dict[tuple[int, str], list[Reading]]


@dataclass
class Prices:
    """What the actions of one side took; `counted` are the readings under strace, which have programs and processes."""

    names: Sequence[str]
    measured: Readings
    counted: Readings


def section(ours: Prices, theirs: Prices) -> figures.Section:
    """The table. A monitor that looks closer, which only ours have, is compared with any monitor of theirs."""
    rows = []
    for place, _ in enumerate(ours.names):
        actions = [action for action in _ACTIONS if (place, action) in ours.measured]
        rows += [_row(place, action, ours, theirs) for action in actions]
        rows.append(_minute(place, ours, theirs))
    title = "price of an action: medians; programs and processes are what it starts besides itself"
    return figures.Section("actions", title, rows, figures.table(_HEADING, [_cells(row) for row in rows]))


def _row(place: int, action: str, ours: Prices, theirs: Prices) -> dict[str, Any]:
    key, others = (place, action), (place, STEADY if action == EACH_MINUTE else action)
    mine, its = ours.measured[key], theirs.measured[others]
    return {
        "agent": ours.names[place],
        "counterpart": theirs.names[place],
        "action": action,
        "twinsan": _figures(mine, ours.counted[key]),
        "theirs": _figures(its, theirs.counted[others]),
        "wall_ratio": figures.ratio(_walls(mine), _walls(its)),
        "cpu_ratio": figures.ratio(_cpus(mine), _cpus(its)),
        "cpu_with_background_ratio": figures.ratio(_all_cpus(mine), _all_cpus(its)),
        "memory_ratio": figures.ratio(_memories(mine), _memories(its)),
    }


def _figures(readings: Sequence[Reading], counted: Iterable[Reading]) -> dict[str, Any]:
    started = list(counted)
    return {
        "n": len(readings),
        "wall": figures.summary(_walls(readings)),
        "cpu": figures.summary(_cpus(readings)),
        "cpu_with_background": figures.summary(_all_cpus(readings)),
        "memory": figures.summary(_memories(readings), "mib"),
        "programs": max(each.programs or 0 for each in started),
        "processes": max(each.processes or 0 for each in started),
    }


def _minute(place: int, ours: Prices, theirs: Prices) -> dict[str, Any]:
    """The processor time of the monitors of a minute, with what they do in the background; the interval is that of
    twinsan's template on both sides.
    """
    steady, closer = (ours.measured.get((place, action), []) for action in (STEADY, EACH_MINUTE))
    looks = _CLOSER if closer else 0
    mine = [(_IN_A_MINUTE - looks) * value for value in _all_cpus(steady)]
    if closer:
        mine = [value + looks * close for value, close in zip(mine, _all_cpus(closer))]
    its = [_IN_A_MINUTE * value for value in _all_cpus(theirs.measured[place, STEADY])]
    return {
        "agent": ours.names[place],
        "counterpart": theirs.names[place],
        "action": "monitors of a minute",
        "twinsan": {"n": len(mine), "cpu_with_background": figures.summary(mine)},
        "theirs": {"n": len(its), "cpu_with_background": figures.summary(its)},
        "cpu_with_background_ratio": figures.ratio(mine, its),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    sides = (row["twinsan"], row["theirs"])
    first = [f"{row['agent'].partition(':')[2]} {row['action']}", str(sides[0]["n"])]
    if "wall" not in sides[0]:
        cpu = [f"{side['cpu_with_background']['median_s']:.2f}" for side in sides]
        return [*first, "", "", *cpu, _ratio(row["cpu_with_background_ratio"]), *[""] * 6]
    return [
        *first,
        *(f"{side['wall']['median_s']:.2f}" for side in sides),
        *(f"{side['cpu']['median_s']:.2f}" for side in sides),
        _ratio(row["cpu_ratio"]),
        *(str(side[what]) for what in ("programs", "processes") for side in sides),
        *(f"{side['memory']['median_mib']:.1f}" for side in sides),
    ]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _walls(readings: Sequence[Reading]) -> list[float]:
    return [each.wall for each in readings]


def _cpus(readings: Sequence[Reading]) -> list[float]:
    return [each.cpu for each in readings]


def _all_cpus(readings: Sequence[Reading]) -> list[float]:
    return [each.all_cpu for each in readings]


def _memories(readings: Sequence[Reading]) -> list[float]:
    return [each.memory for each in readings]
