# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the time per LUN."""

from __future__ import annotations

from lab.bench import scale
from lab.bench.metering import Reading


def _reading(cpu: float) -> Reading:
    return Reading(2 * cpu, cpu, cpu, 8)


def test_growth_is_the_last_to_the_first() -> None:
    found = {
        (1, "start"): [_reading(0.5), _reading(0.25), _reading(0.5)],
        (256, "start"): [_reading(1.0)],
        (256, "iSCSILogicalUnit start"): [_reading(8.0)],
    }
    section = scale.section(found)
    assert [(row["luns"], row["action"], row["n"]) for row in section.rows] == [
        (1, "start", 3),
        (256, "start", 1),
        (256, "iSCSILogicalUnit start", 1),
    ]
    assert "1.00 (0.50)" in section.lines[1]
    assert section.lines[1].endswith("2.00")
    assert section.lines[2].endswith("1.00")
