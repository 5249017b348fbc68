# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of the cluster's configuration are read as Pacemaker reads them."""

from __future__ import annotations

import pytest

from twinsan.cluster import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("500ms", 0.5),
        ("2min", 120),
        ("1h", 3600),
        ("3", 3),
        (" 3 S ", 3),
        ("PT5S", 5),
        ("P1DT1M", 86460),
        ("0", 0),
        ("", None),
        ("s", None),
        ("-1s", None),
        ("5 weeks", None),
        ("p", None),
    ],
)
def test_a_time(text: str, seconds: float | None) -> None:
    assert values.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("INFINITY", values.INFINITY),
        ("+infinity", values.INFINITY),
        ("-INFINITY", -values.INFINITY),
        ("100", 100),
        ("-5", -5),
        ("2000000", values.INFINITY),
        ("", 0),
        ("much", 0),
        ("1.5", 0),
    ],
)
def test_a_score(text: str, score: int) -> None:
    assert values.score(text) == score


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [("true", True, False), ("On", True, False), ("n", False, True), ("0", False, True), ("", False, False)],
)
def test_yes_and_no(text: str, yes: bool, no: bool) -> None:
    assert (values.is_true(text), values.is_false(text)) == (yes, no)
    assert (values.is_true(None), values.is_false(None)) == (False, False)


def test_a_role_of_an_old_version() -> None:
    assert [values.role(each) for each in ("Master", "Slave", "Promoted", "Started")] == [
        "Promoted",
        "Unpromoted",
        "Promoted",
        "Started",
    ]
