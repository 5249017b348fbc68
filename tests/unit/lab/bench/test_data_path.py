# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows and the table of the data path."""

from __future__ import annotations

from lab.bench import data_path
from lab.bench.data_path import BY_HOST, COPIED, LOADS, OURS, THEIRS, Results


def _results() -> Results:
    results = Results()
    for number in (1.0, 3.0, 2.0):
        results.add(OURS, dict.fromkeys(LOADS, 3000 * number))
        results.add(THEIRS, dict.fromkeys(LOADS, 1500 * number))
    results.copies[COPIED] += [50.0, 60.0]
    results.copies[BY_HOST] += [20.0, 24.0]
    results.sessions[OURS] = {"first_burst_len": "262144"}
    return results


def test_each_load_has_a_row_with_medians_ranges_and_the_ratio() -> None:
    section = data_path.section(_results(), 256)
    session, *loads, copy = section.rows
    assert session == {"negotiated": {OURS: {"first_burst_len": "262144"}}}
    assert [(row["load"], row["depth"]) for row in loads] == [(load.name, load.depth) for load in LOADS]
    assert loads[0]["twinsan"] == {
        "median_iops": 6000.0,
        "range_iops": [3000.0, 9000.0],
        "all_iops": [3000.0, 9000.0, 6000.0],
    }
    assert loads[-1]["targetcli"]["median_mb_s"] == 3000.0
    assert {row["ratio"] for row in loads} == {2.0}
    assert (copy["load"], copy["XCOPY"]["median_mb_s"], copy["ratio"]) == ("copy of 256 MiB", 55.0, 2.5)
    assert (loads[0]["ranges_meet"], copy["ranges_meet"]) == (True, False)


def test_the_table_is_printed_without_what_was_not_measured() -> None:
    lines = data_path.section(Results(), 16).lines
    assert lines[0].split() == ["load", "depth", "twinsan", "targetcli", "ratio"]
    assert lines[1].split() == ["4", "KiB", "random", "read", "1", "-", "-", "-"]
    table = "\n".join(data_path.section(_results(), 16).lines)
    assert "6000 IOPS (3000 to 9000)" in table
    assert "copy of 16 MiB: XCOPY, host" in table
    assert table.endswith("session, twinsan: first_burst_len=262144")
