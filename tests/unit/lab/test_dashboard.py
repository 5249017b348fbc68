# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of the dashboard has what Prometheus answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from lab import dashboard
from tools.panels import STAT, places

if TYPE_CHECKING:
    from lab.prometheus import Prometheus, Series

pytestmark = pytest.mark.long


class Answering:
    """A Prometheus that has one series for each query, but none for thin pools."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def instant(self, expression: str, at: float) -> list[tuple[dict[str, str], float]]:
        self.asked.append(expression)
        assert at == 1060.0
        return [({"drbd": "san", "instance": "atlas"}, 1.0)]

    def over_time(self, expression: str, begin: float, end: float, step: float) -> Series:
        self.asked.append(expression)
        if "thin_pool" in expression:
            return []
        moments = [begin + number * step for number in range(int((end - begin) / step)) if number != 3]
        return [({"drbd": "san", "instance": "atlas", "lun": "p_lun1"}, [(moment, 1.0) for moment in moments])]


def test_it_is_drawn_and_kept(tmp_path: Path) -> None:
    prometheus = Answering()
    answers = dashboard.ask(cast("Prometheus", prometheus), "san", 1000.0, 1060.0, 5.0)
    assert not [each for each in prometheus.asked if "$" in each]
    assert len(answers) == sum(len(panel.queries) for panel, *_ in places())
    names = {name for answer in answers for name, _ in answer.series if answer.panel.title == "Serves"}
    assert names == {"san: atlas"}
    dashboard.save(answers, 1000.0, 1060.0, tmp_path / "answers.json")
    kept, begin, end = dashboard.load(tmp_path / "answers.json")
    assert [(each.panel, each.expression) for each in kept] == [(each.panel, each.expression) for each in answers]
    assert [len(each.series) for each in kept] == [len(each.series) for each in answers]
    dashboard.draw(kept, begin, end, "a test", tmp_path / "dashboard.png")
    assert (tmp_path / "dashboard.png").stat().st_size > 10000


def test_a_number_has_the_colour_of_its_threshold() -> None:
    (panel,) = [panel for panel, *_ in places() if panel.title == "If it died now"]
    assert panel.kind == STAT
    assert dashboard._colour(panel, 0) != dashboard._colour(panel, 1)
    assert dashboard._word(panel, 0) == "nobody would serve"
