# SPDX-License-Identifier: GPL-2.0-or-later
"""What each agent answers in every state, on fakes. tests/cluster runs the same tables on real kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.states import state
from tests.states.state import Item, State
from tests.unit.fake_world import TABLES, FakeWorld

# The agents of whose reasons what to type begins in the part that crm_mon shows.
_BRIEF = ("lio-iscsi-target", "lio-lun")
_ROWS = [pytest.param(agent, row, id=f"{agent}: {row.name}") for agent, (rows, _) in TABLES.items() for row in rows]


@pytest.mark.parametrize(("agent", "row"), _ROWS)
def test_a_state(
    agent: str, row: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = state.plan(row)
    results = FakeWorld(agent, row, tmp_path, monkeypatch).carry_out(items, capsys)
    assert state.judge(items, results) == []
    if agent in _BRIEF:
        assert [told for _, text in results for told in state.late_commands(text)] == []


def test_names_are_unique() -> None:
    for rows, _ in TABLES.values():
        assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("item", "result", "told"),
    [
        (Item("step", "mkdir x"), (1, "no"), "step 'mkdir x' ended with 1: no"),
        (Item("call", "stop", "0"), (1, "ocf-exit-reason:x"), "stop: 1 instead of 0: ocf-exit-reason:x"),
        (Item("call", "stop", "0"), (0, "ocf-exit-reason:x"), "stop: 0 as expected, but it says ['x']"),
        (Item("call", "stop", "1 y"), (1, "ocf-exit-reason:x; z"), "stop: 'y' is not in: x; z"),
        (Item("call", "stop", "1 x"), (1, "ocf-exit-reason:x"), "stop: it does not say what to type: x"),
        (Item("call", "stop", "1 x"), (1, ""), "stop: 0 reasons instead of one: "),
        (Item("objects", "before"), (0, "a"), "not as before: new ['a'], gone ['b']"),
    ],
)
def test_what_is_not_as_expected_is_told(item: Item, result: tuple[int, str], told: str) -> None:
    before = Item("objects", "before", "new")
    assert state.judge([before, item], [(0, "b"), result]) == [told]


@pytest.mark.parametrize(
    ("text", "late"),
    [
        ("ocf-exit-reason:x; type: crm_resource --cleanup", 0),
        (f"ocf-exit-reason:{'x' * 110}; see 'dmesg'", 0),
        (f"ocf-exit-reason:{'x' * 128}; see 'dmesg'", 1),
        (f"ocf-exit-reason:{'x' * 128}; correct it", 0),
        (f"lio-lun: {'x' * 128}; see 'dmesg'", 0),
    ],
)
def test_a_command_that_crm_mon_does_not_show_is_late(text: str, late: int) -> None:
    assert len(state.late_commands(text)) == late
