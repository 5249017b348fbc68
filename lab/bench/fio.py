# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads on a disk by fio: several in one run, one after the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import LabError
from lab.machine import Machine


@dataclass(frozen=True)
class Load:
    """What fio does: `pattern` is its parameter rw."""

    pattern: str
    kib: int
    depth: int

    @property
    def name(self) -> str:
        """The load in words, without its depth."""
        order = "random" if self.pattern.startswith("rand") else "sequential"
        return f"{self.kib} KiB {order} {self.pattern.removeprefix('rand')}"

    @property
    def unit(self) -> str:
        """Small transfers are counted, long ones are measured."""
        return "IOPS" if self.kib < 64 else "MB/s"


@dataclass(frozen=True)
class Extent:
    """How many seconds each load lasts, after milliseconds that do not count; within the first `mib` MiB."""

    seconds: int
    ramp_ms: int
    mib: int


def run(esx: Machine, disk: str, loads: Sequence[Load], extent: Extent) -> dict[Load, float]:
    """Run the loads one after the other; returns what each reached, in its unit."""
    jobs = job_file(disk, loads, extent).encode()
    output = esx.succeed("fio --output-format=json -", stdin=jobs, timeout=120 + 3 * len(loads) * extent.seconds)
    return parse(output, loads)


def job_file(disk: str, loads: Sequence[Load], extent: Extent) -> str:
    """The loads as fio reads them. Without times of single transfers (gtod_reduce), which are dear in a guest."""
    words = [
        "[global]", f"filename={disk}", f"size={extent.mib}m", "ioengine=libaio", "direct=1", "thread", "stonewall",
        "time_based", f"runtime={extent.seconds}", f"ramp_time={extent.ramp_ms}ms", "norandommap", "randrepeat=0",
        "gtod_reduce=1",
    ]  # fmt: skip
    for number, load in enumerate(loads):
        words += [f"[{number}]", f"rw={load.pattern}", f"bs={load.kib}k", f"iodepth={load.depth}"]
    return "\n".join(words) + "\n"


def parse(output: str, loads: Sequence[Load]) -> dict[Load, float]:
    """The results of fio, in the unit of each load. Raises LabError for a load with errors or without a result."""
    # What is no JSON is a warning, in front of it.
    begin = output.find("{")
    jobs = {job["jobname"]: job for job in json.loads(output[begin:])["jobs"]} if begin >= 0 else {}
    found = {}
    for number, load in enumerate(loads):
        job = jobs.get(str(number), {})
        side = job.get("write" if "write" in load.pattern else "read", {})
        value = side.get("iops", 0) if load.unit == "IOPS" else side.get("bw_bytes", 0) / 1e6
        if job.get("error") or not value:
            raise LabError(f"fio could not do {load.name} at depth {load.depth}: {job or output}")
        found[load] = float(value)
    return found
