# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, ranges, ratios and tables."""

from __future__ import annotations

from lab.bench import figures


def test_a_summary_has_median_range_and_all() -> None:
    assert figures.summary([3, 1, 2], "ms") == {"median_ms": 2, "range_ms": [1, 3], "all_ms": [3, 1, 2]}
    assert figures.summary([]) == {}


def test_a_cell_is_short() -> None:
    assert figures.cell([1.25, 2, 4]) == "2.0 s (1.2 to 4.0)"
    assert figures.cell([]) == "-"


def test_a_ratio_is_of_medians() -> None:
    assert figures.ratio([1, 2, 30], [4]) == 0.5
    assert figures.ratio([], [4]) is figures.ratio([4], []) is None


def test_a_table_has_words_to_the_left_and_numbers_to_the_right() -> None:
    assert figures.table(("what", "s"), [("a", "10.0"), ("longer", "9.0")]) == [
        "what       s",
        "a       10.0",
        "longer   9.0",
    ]
