# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures from a run: what a stall is, and the forms in which it is told."""

from __future__ import annotations

import json

import pytest

from lab import report
from lab.load import Write
from lab.report import Phase

SWITCHOVER = Phase("switchover", "crm resource move to zeus", 100, 120)
POWER_CUT = Phase("power cut", "zeus loses power", 200, 240)


def steady(begin: float, end: float, latency_ms: float = 5) -> list[Write]:
    """Ten writes a second."""
    return [Write(begin + tenth / 10, latency_ms, tenth, tenth, 0) for tenth in range(int((end - begin) * 10))]


def with_two_stalls() -> list[Write]:
    """8 s in the switchover, 20 s in the power cut, with the write that waited through each."""
    waited = [Write(105, 8000, 1, 1, 0), Write(203, 20000, 2, 2, 0)]
    return [*steady(90, 105), *steady(113.1, 203), *steady(223.1, 260), *waited]


def test_a_stall_is_the_longest_wait_of_a_write() -> None:
    assert report.figures(with_two_stalls(), SWITCHOVER) == report.Figures(stall_ms=8095, io_errors=0)
    assert report.figures(with_two_stalls(), POWER_CUT) == report.Figures(stall_ms=20095, io_errors=0)


def test_a_slow_write_counts_even_while_others_are_answered() -> None:
    writes = [*steady(90, 130), Write(101, 4321, 1, 1, 0)]
    assert report.figures(writes, SWITCHOVER).stall_ms == 4321


def test_a_gap_counts_even_where_no_write_waited() -> None:
    writes = [*steady(90, 105), *steady(111, 130)]
    assert report.figures(writes, SWITCHOVER).stall_ms == pytest.approx(6100, abs=1)


def test_a_write_that_began_before_the_phase_counts() -> None:
    writes = [*steady(90, 99), Write(99, 9000, 1, 1, 0), *steady(108, 130)]
    assert report.figures(writes, SWITCHOVER).stall_ms >= 9000


def test_a_stall_of_another_phase_does_not_count() -> None:
    assert report.figures(with_two_stalls(), Phase("calm", "nothing", 130, 190)).stall_ms == pytest.approx(100, abs=1)


def test_errors_are_counted_and_their_time_is_no_progress() -> None:
    writes = [*steady(90, 105, 0), Write(105, 3000, 1, 1, 5), Write(108, 10, 1, 2, 5), *steady(112, 130, 0)]
    assert report.figures(writes, SWITCHOVER) == report.Figures(stall_ms=7100, io_errors=2)


def test_a_phase_without_writes_has_no_figures() -> None:
    with pytest.raises(ValueError, match="no write was under way in the phase power cut"):
        report.figures(steady(90, 130), POWER_CUT)


def test_bands_are_the_gaps_that_can_be_seen() -> None:
    bands = report.stalls(with_two_stalls())
    assert [(round(band.begin, 1), round(band.end, 1)) for band in bands] == [(104.9, 113.0), (202.9, 223.0)]


def test_the_result_has_the_agreed_form() -> None:
    outcome = report.result(
        [*with_two_stalls(), Write(250, 3, 1, 9, 5)],
        switchover=SWITCHOVER,
        power_cut=POWER_CUT,
        fenced_ms=11000,
        lost_writes=0,
        out_of_sync_kib=0,
    )
    assert json.loads(json.dumps(outcome)) == {
        "switchover": {"stall_ms": 8095, "io_errors": 0},
        "power_cut": {"stall_ms": 20095, "fenced_ms": 11000, "io_errors": 0},
        "acknowledged_writes": len(with_two_stalls()),
        "lost_writes": 0,
        "out_of_sync_kib": 0,
    }


@pytest.mark.parametrize(
    ("errors", "lost", "unequal", "passed"), [(0, 0, 0, True), (1, 0, 0, False), (0, 1, 0, False), (0, 0, 4, False)]
)
def test_only_a_clean_run_passes(errors: int, lost: int, unequal: int, passed: bool) -> None:
    assert report.passed({"lost_writes": lost, "out_of_sync_kib": unequal}, errors) is passed


def test_the_table() -> None:
    assert report.table(with_two_stalls(), [SWITCHOVER, POWER_CUT]).splitlines() == [
        "phase       what happened              longest I/O stall  I/O errors",
        "----------  -------------------------  -----------------  ----------",
        "switchover  crm resource move to zeus           8,095 ms           0",
        "power cut   zeus loses power                   20,095 ms           0",
    ]
