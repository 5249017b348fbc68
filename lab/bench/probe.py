# SPDX-License-Identifier: GPL-2.0-or-later
"""What the initiator notices: a load on every LUN that logs each write, and what the logs say of a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab import load, report
from lab.errors import LabError
from lab.machine import wait_until
from lab.pair import Pair

_LOG, _STOP = "/run/bench.csv", "/run/bench.stop"
_LOAD = "/usr/local/lib/lab/load"
# Writes per second on all LUNs together, at least one on each: more would measure the host's two cores.
_WRITES_PER_SECOND = 20
_BLOCKS = 64
_SECONDS = 1800

# As long as an initiator may need to come back: open-iscsi and ESXi wait longer than this before an I/O error.
_SECONDS_TO_RETURN = 140.0


@dataclass(frozen=True)
class Interruption:
    """The times, in seconds since the epoch, between which the initiator waited; `errors` counts writes that failed."""

    begin: float
    end: float
    errors: int


class Probe:
    """The loads under way on `disks` of esx."""

    def __init__(self, made: Pair, disks: list[str]) -> None:
        self._made = made
        self._disks = disks
        self._logs = [_LOG + (f".{number}" if number else "") for number in range(len(disks))]

    def wait_until_written(self, after: float) -> None:
        """Wait until a write to each LUN that began after that time has been acknowledged."""

        def written() -> bool:
            last = self._made.esx.succeed(f"tail -q -n 1 {' '.join(self._logs)}").splitlines(keepends=True)
            began = [write.start > after and not write.error for write in load.parse(last)]
            return len(began) == len(self._logs) and all(began)

        wait_until(written, "writes to every LUN are acknowledged", _SECONDS_TO_RETURN, interval=0.5)

    def interruption(self, begin: float, end: float) -> Interruption:
        """The longest time in a phase in which a LUN acknowledged nothing."""
        phase = report.Phase("", "", begin, end)
        longest, errors = report.Stall(begin, begin), 0
        for log in self._logs:
            writes = list(load.parse(self._made.esx.succeed(f"tail -n 4000 {log}").splitlines(keepends=True)))
            figures = report.figures(writes, phase)
            slowest = max((write for write in writes if begin <= write.end), key=lambda write: write.latency_ms)
            stall = report.Stall(slowest.end - figures.stall_ms / 1000, slowest.end)
            longest = max(longest, stall, key=lambda each: each.seconds)
            errors += figures.io_errors
        return Interruption(longest.begin, longest.end, errors)

    def require_all_kept(self) -> None:
        """Read back what was acknowledged; raises LabError where a write is lost. The loads must have ended."""
        for disk, log in zip(self._disks, self._logs):
            verdict = json.loads(self._made.esx.run(f"{_LOAD} verify --disk {disk} --log {log}").stdout)
            if verdict["lost_writes"]:
                raise LabError(f"{verdict['lost_writes']} acknowledged writes to {disk} are lost")


@contextmanager
def writing(made: Pair, count: int) -> Iterator[Probe]:
    """Log esx in to the target and write to all of its `count` LUNs; afterwards no acknowledged write may be lost."""
    esx = made.esx
    made.log_in()
    esx.wait_until(f"test $(ls /sys/class/block | grep -c '^sd[a-z]*$') = {count}", f"{count} disks are seen", 60)
    disks = [f"/dev/{name}" for name in esx.succeed("ls /sys/class/block | grep '^sd[a-z]*$'").split()]
    esx.succeed(f"rm -f {_LOG}* {_STOP}")
    rate = max(1.0, _WRITES_PER_SECOND / count)
    command = f"{_LOAD} run --log {_LOG} --stop-file {_STOP} --depth 1 --rate {rate} --blocks {_BLOCKS}"
    where = f"--seconds {_SECONDS} --disk {' '.join(disks)}"
    thread = threading.Thread(target=esx.run, args=(f"{command} {where}",), kwargs={"timeout": _SECONDS + 60.0})
    thread.start()
    try:
        esx.wait_until(f"test -s {_LOG}", "the load has begun", 60)
        probe = Probe(made, disks)
        probe.wait_until_written(0)
        yield probe
    finally:
        esx.succeed(f"touch {_STOP}")
        thread.join()
    probe.require_all_kept()
    esx.succeed("iscsiadm -m node --logoutall=all")
