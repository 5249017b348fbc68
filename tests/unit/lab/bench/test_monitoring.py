# SPDX-License-Identifier: GPL-2.0-or-later
"""The price of monitoring is what the cluster takes more with its monitors than without."""

from __future__ import annotations

import os

from lab.bench import monitoring
from lab.bench.monitoring import Row

# A process named "linux.uml (x)" in group 70, with 1.5 s of its own and 0.75 s of its children.
STAT = "71 (linux.uml (x)) S 70 70 70 0 -1 4194560 0 0 0 0 100 50 25 50 20 0 1 0 512 0 0"


def test_the_time_of_children_is_counted() -> None:
    assert monitoring.seconds_used(STAT) == 225 / os.sysconf("SC_CLK_TCK")


def test_the_price_is_a_difference() -> None:
    assert Row("twinsan", 1, "serving", [10.0, 11.0], [4.0, 4.5]).prices == [6.0, 6.5]


def test_the_first_chain_is_compared_with_each() -> None:
    rows = [
        Row("twinsan", 1, "serving", [10.0], [4.0]),
        Row("twinsan", 1, "other", [7.0], [4.0]),
        Row("ClusterLabs and LINBIT", 1, "serving", [28.0], [4.0]),
        Row("ClusterLabs and LINBIT", 1, "other", [10.0], [4.0]),
    ]
    found = monitoring.section(rows)
    assert [row["first_to_this"] for row in found.rows] == [1.0, 1.0, 0.25, 0.5]
    assert found.rows[2]["price"]["median_s"] == 24.0
    assert len(found.lines) == 5


def test_a_price_of_nothing_has_no_ratio() -> None:
    rows = [Row("twinsan", 1, "serving", [10.0], [4.0]), Row("none", 1, "serving", [4.0], [4.0])]
    assert [row["first_to_this"] for row in monitoring.section(rows).rows] == [1.0, None]
