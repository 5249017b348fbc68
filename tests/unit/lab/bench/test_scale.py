# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the time per LUN."""

from __future__ import annotations

from lab.bench import scale
from lab.bench.metering import Reading


def _reading(cpu: float) -> Reading:
    return Reading(2 * cpu, cpu, cpu, 8)


def test_each_count_is_compared_with_one_lun_at_that_time() -> None:
    found = {
        (1, "start"): [_reading(0.5), _reading(0.25), _reading(0.5)],
        (256, "start"): [_reading(1.0)],
        (256, "iSCSILogicalUnit start"): [_reading(8.0)],
    }
    beside = {(1, "start"): [_reading(0.5)], (256, "start"): [_reading(0.8)]}
    section = scale.section(found, beside)
    assert [(row["luns"], row["action"], row["n"], row["cpu_to_one_lun"]) for row in section.rows] == [
        (1, "start", 3, 1.0),
        (256, "start", 1, 1.25),
        (256, "iSCSILogicalUnit start", 1, None),
    ]
    assert "1.00 (0.50; 1.00)" in section.lines[1]
    assert section.lines[2].endswith("16.00 (8.00)")
