# SPDX-License-Identifier: GPL-2.0-or-later
"""The cycle of actions, and the table of their prices."""

from __future__ import annotations

import pytest

from lab.bench import action_table, actions
from lab.bench.action_table import EACH_MINUTE, STEADY, Prices, Readings
from lab.bench.actions import OURS, THEIRS, Side
from lab.bench.metering import Reading
from lab.bench.ocf import Cluster

CLUSTER = Cluster("zeus", "atlas", "3.20.0")


def _prices(side: Side, seconds: float, programs: int) -> Prices:
    measured: Readings = {}
    counted: Readings = {}
    for place, action, _ in actions.steps(side, CLUSTER):
        if action:
            factor = 4 if action == EACH_MINUTE else 1
            measured.setdefault((place, action), []).append(Reading(seconds, seconds / 2 * factor, seconds * factor, 8))
            counted.setdefault((place, action), []).append(Reading(9, 9, 9, 9, programs, programs - 1))
    return Prices([agent.name for agent in side.agents], measured, counted)


@pytest.mark.parametrize("side", [OURS, THEIRS])
def test_what_is_made_is_taken_down(side: Side) -> None:
    done = [step.argv for _, _, step in actions.steps(side, CLUSTER)]
    starts = [argv[0] for argv in done if argv[1] == "start"]
    assert [argv[0] for argv in done if argv[1] == "stop"] == starts[::-1]
    assert len(starts) == 4
    assert [argv[1] for argv in done].index("promote") < [argv[1] for argv in done].index("demote")


def test_a_promotion_waits_until_the_replicas_are_in_sync() -> None:
    steps = list(actions.steps(OURS, CLUSTER))
    names = [action for _, action, _ in steps]
    assert any(step.until for _, _, step in steps[names.index("start") : names.index("promote")])


def test_both_sides_have_a_figure_for_each_action() -> None:
    found = action_table.section(_prices(OURS, 0.5, 1), _prices(THEIRS, 2.0, 20))
    monitors = [row for row in found.rows if row["action"] == STEADY]
    assert [row["cpu_ratio"] for row in monitors] == [0.25] * 4
    assert monitors[0]["twinsan"]["processes"] == 0
    assert monitors[0]["theirs"]["programs"] == 20
    assert len(found.lines) == len(found.rows) + 1


def test_a_minute_has_one_closer_look() -> None:
    found = action_table.section(_prices(OURS, 0.5, 1), _prices(THEIRS, 2.0, 20))
    minutes = {row["agent"]: row for row in found.rows if row["action"] == "monitors of a minute"}
    assert minutes["twinsan:drbd-vaai"]["twinsan"]["cpu_with_background"]["median_s"] == 6 * 0.5
    assert minutes["twinsan:lio-lun"]["twinsan"]["cpu_with_background"]["median_s"] == 5 * 0.5 + 2.0
    assert minutes["twinsan:lio-lun"]["theirs"]["cpu_with_background"]["median_s"] == 6 * 2.0
    assert minutes["twinsan:lio-lun"]["cpu_with_background_ratio"] == round(4.5 / 12, 3)
