# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard and the alerts for Prometheus know the metrics that there are. The lab asks a Prometheus."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit import agents
from tools import dashboard, panels
from twinsan.operate.metrics import families

FOLDER = agents.ROOT / "packaging" / "prometheus"
SAMPLES = {family.sample: set(family.labels) for family in families.ALL}
# What Prometheus adds.
ADDED = {"instance", "job"}


def test_the_dashboard_is_current() -> None:
    assert (FOLDER / "dashboard.json").read_text() == dashboard.render(), "type: make man"


@pytest.mark.parametrize("name", ["dashboard.json", "rules.yml"])
def test_they_ask_for_metrics_that_there_are(name: str) -> None:
    text = (FOLDER / name).read_text()
    named = set(re.findall(r"\btwinsan_\w+", text))
    assert len(named) > 10
    assert named - set(SAMPLES) == set()


def test_a_series_is_called_by_labels_that_it_has() -> None:
    for panel, *_ in panels.places():
        for expression, legend in panel.queries:
            known = {label for name in re.findall(r"\btwinsan_\w+", expression) for label in SAMPLES[name]} | ADDED
            assert set(re.findall(r"{{(\w+)}}", legend)) <= known, panel.title
            grouped = re.match(r"(?:max|min|sum) by \(([^)]*)\)", expression)
            if grouped:
                assert set(re.findall(r"{{(\w+)}}", legend)) <= set(re.findall(r"\w+", grouped[1])), panel.title


def test_the_panels_cover_the_grid_and_do_not_overlap() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard.render())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered
        covered |= cells
        assert max(x for x, _ in cells) < 24
    assert len(covered) % 24 == 0


def test_each_rule_says_what_to_type() -> None:
    text = (FOLDER / "rules.yml").read_text()
    rules = text.split("- alert: ")[1:]
    assert len(rules) > 15
    for rule in rules:
        assert re.search(r"severity: (warning|critical)", rule), rule
        assert "summary: " in rule
        assert re.search(r"description: .*(Type|type|See|Look|Make|Do not)", rule), rule
