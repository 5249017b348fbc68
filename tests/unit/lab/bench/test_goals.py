# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of the goals."""

from __future__ import annotations

from typing import Any

from lab.bench import goals

_SLOWER = [{"ratio": 1.2, "ranges_meet": False}, {"ratio": 0.9, "ranges_meet": False}]


def _row(kind: str, agents: str, luns: int, away: float, stall: float = 0, **more: object) -> dict[str, Any]:
    summary = {"away": {"all_s": [away]}, "stall": {"all_s": [stall]} if stall else {}, "io_errors": 0}
    return {"kind": kind, "agents": agents, "luns": luns, **summary, **more}


def _words(result: dict[str, Any]) -> dict[str, str]:
    return {line.split("  ")[0]: line.split("  ")[-1].strip() for line in goals.lines(result)[1:]}


def test_without_figures_nothing_is_reached() -> None:
    assert set(_words({}).values()) == {"not measured"}


def test_a_goal_is_a_ratio_within_the_run() -> None:
    rows = [
        _row("switchover", "twinsan", 1, 5, 6, away_to_doing_nothing=1.3),
        _row("switchover", "ClusterLabs and LINBIT", 1, 50, 60),
        _row("switchover", "agents that do nothing", 1, 4),
        _row("switchover", "twinsan", 8, 19, 20),
        _row("switchover", "agents that do nothing", 8, 11),
    ]
    words = _words({"failover": rows, "data_path": _SLOWER})
    assert words["switchover, 1 LUN: stall, to ClusterLabs and LINBIT"] == "NOT REACHED"
    assert words["switchover, 1 LUN: address away, to agents that do nothing"] == "NOT REACHED"
    assert words["switchover: one more LUN, to one more Dummy"] == "reached"
    assert words["data path: worst row beyond its range, to plain targetcli"] == "NOT REACHED"


def test_what_comes_after_the_fencing_is_summed() -> None:
    phases = {name: {"median_s": 1} for name in ("fencing", "promote", "LUNs", "address", "initiator")}
    rows = [_row("power cut", "twinsan", 1, 10, 10.5, phases=phases)]
    words = _words({"failover": rows})
    assert words["power cut: from the fencing to the first write"] == "reached"
    assert words["power cut: stall"] == "reached"


def test_a_row_of_the_data_path_whose_ranges_meet_is_as_fast() -> None:
    rows = [{"ratio": 1.2, "ranges_meet": False}, {"ratio": 0.9, "ranges_meet": True}]
    assert _words({"data_path": rows})["data path: worst row beyond its range, to plain targetcli"] == "reached"
