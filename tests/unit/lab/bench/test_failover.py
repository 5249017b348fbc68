# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failover's figures are made of."""

from __future__ import annotations

import pytest

from lab.bench import failover
from lab.bench.chain import Chain
from lab.bench.failover import Failover, Series
from lab.errors import LabError
from lab.operations import Operation

_CHAIN = Chain("twinsan", 1, "", "g_san", "p_portal")


def test_a_phase_lasts_from_the_end_of_the_one_before() -> None:
    assert failover.durations(10, {"stop": 11, "demote": 13.5}) == {"stop": 1, "demote": 2.5}


def test_what_ended_before_the_phase_before_it_took_no_time() -> None:
    assert failover.durations(10, {"stop": 12, "demote": 11, "promote": 13}) == {"stop": 2, "demote": 0, "promote": 1}


def test_luns_are_what_starts_between_promotion_and_address() -> None:
    done = [
        Operation(5, "promote", "p_drbd", "zeus"),
        Operation(6, "start", "p_lun1", "zeus"),
        Operation(7, "start", "p_lun2", "zeus"),
        Operation(8, "start", "p_portal", "zeus"),
    ]
    assert failover._starts(_CHAIN, done) == {"promote": 5, "LUNs": 7, "address": 8}
    with pytest.raises(LabError, match="do not tell when the cluster's promote was done"):
        failover._starts(_CHAIN, done[1:])


def test_the_row_of_a_series_has_its_medians_and_its_errors() -> None:
    series = Series(failover.SWITCHOVER, "twinsan", 1)
    series.done += [Failover(4, 5, 0, {"stop": 1}), Failover(6, 9, 2, {"stop": 3})]
    row = series.row()
    assert (row["away"]["median_s"], row["stall"]["range_s"], row["io_errors"]) == (5, [5, 9], 2)
    assert row["phases"] == {"stop": {"median_s": 2, "range_s": [1, 3], "all_s": [1, 3]}}


def test_a_chain_that_nobody_writes_to_has_no_stall() -> None:
    series = Series(failover.POWER_CUT, "agents that do nothing", 1, [Failover(4, None, 0, {"fencing": 1}, True)])
    assert (series.stalls, series.row()["stall"], series.row()["victim_was_coordinator"]) == ([], {}, [True])
