# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import chart, report
from lab.load import Write
from tests.unit.lab.test_report import POWER_CUT, SWITCHOVER, with_two_stalls

pytestmark = pytest.mark.long

CAPTION = chart.Caption("Title", "Subtitle")


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    writes = [*with_two_stalls(), Write(250, 0, 1, 9, 5)]
    events = [report.Event(100 + second, f"event number {second}") for second in range(12)]
    path = tmp_path / "time.line"
    chart.draw(writes, events, report.stalls(writes), [SWITCHOVER, POWER_CUT], CAPTION, path)
    assert (tmp_path / "time.line.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "time.line.svg").getroot().tag.endswith("svg")


def test_a_picture_of_the_same_run_is_the_same(tmp_path: Path) -> None:
    pictures = []
    for name in ("a", "b"):
        chart.draw(with_two_stalls(), [], [], [], CAPTION, tmp_path / name)
        pictures.append((tmp_path / f"{name}.svg").read_bytes())
    assert pictures[0] == pictures[1]


def test_labels_step_down_while_they_would_touch_and_start_again_above() -> None:
    lanes = chart.Lanes()
    placed = [lanes.place(position, position, 0.2) for position in (0.1, 0.15, 0.2, 0.5)]
    assert placed == [5, 4, 3, 5]


@given(st.lists(st.tuples(st.floats(0, 0.9), st.floats(0.01, 0.3)), max_size=6))
def test_as_many_labels_as_lanes_never_overlap(labels: list[tuple[float, float]]) -> None:
    lanes = chart.Lanes()
    taken: list[tuple[int, float, float]] = []
    for position, width in sorted(labels):
        lane = lanes.place(position, position, width)
        assert not [end for other, begin, end in taken if other == lane and begin < position + width and position < end]
        taken.append((lane, position, position + width))
