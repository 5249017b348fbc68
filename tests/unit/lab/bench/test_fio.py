# SPDX-License-Identifier: GPL-2.0-or-later
"""What fio is told, and what is read from its answer."""

from __future__ import annotations

import configparser
import json

import pytest

from lab.bench import fio
from lab.errors import LabError

LOADS = (fio.Load("randwrite", 4, 32), fio.Load("read", 256, 1))


def _job(name: str, read: dict[str, float], write: dict[str, float], error: int = 0) -> dict[str, object]:
    return {"jobname": name, "error": error, "read": read, "write": write}


IDLE = {"iops": 0.0, "bw_bytes": 0}


def test_loads_are_named_with_their_unit() -> None:
    assert [(load.name, load.unit) for load in LOADS] == [
        ("4 KiB random write", "IOPS"),
        ("256 KiB sequential read", "MB/s"),
    ]


def test_each_load_is_a_job_after_the_one_before() -> None:
    jobs = configparser.ConfigParser(allow_no_value=True)
    jobs.read_string(fio.job_file("/dev/sda", LOADS, fio.Extent(seconds=4, ramp_ms=500, mib=256)))
    assert jobs.sections() == ["global", "0", "1"]
    common = jobs["global"]
    assert (common["filename"], common["size"], common["runtime"], common["direct"]) == ("/dev/sda", "256m", "4", "1")
    assert "stonewall" in common
    assert common["ramp_time"] == "500ms"
    assert dict(jobs["0"]) == {"rw": "randwrite", "bs": "4k", "iodepth": "32"}


def test_results_are_in_the_unit_of_each_load() -> None:
    answer = {
        "jobs": [
            _job("0", IDLE, {"iops": 1900.5, "bw_bytes": 7_784_448}),
            _job("1", {"iops": 156.4, "bw_bytes": 41_000_000}, IDLE),
        ]
    }
    found = fio.parse("fio: a warning\n" + json.dumps(answer), LOADS)
    assert found == {LOADS[0]: 1900.5, LOADS[1]: 41.0}


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param([_job("0", IDLE, {"iops": 1.0, "bw_bytes": 4096})], id="without the second"),
        pytest.param([_job("0", IDLE, {"iops": 1.0, "bw_bytes": 4096}), _job("1", IDLE, IDLE)], id="nothing done"),
        pytest.param([_job("0", IDLE, {"iops": 1.0}, error=5)], id="an error"),
    ],
)
def test_a_load_without_a_result_is_an_error(jobs: list[dict[str, object]]) -> None:
    with pytest.raises(LabError, match="fio could not do"):
        fio.parse(json.dumps({"jobs": jobs}), LOADS)


def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(LabError, match="no such device"):
        fio.parse("no such device", LOADS)
