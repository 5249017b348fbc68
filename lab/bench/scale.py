# SPDX-License-Identifier: GPL-2.0-or-later
"""The time that one LUN takes beside many: start, monitor and stop of a LUN where a target has up to 256.

The agents run alone, on loop devices; the cluster is stopped on both servers, for 256 LUNs need its memory. The other
server does the same in turns with one LUN, so the ratio of the two does not follow the machine's speed. The target of
twinsan is also that of iSCSILogicalUnit, which is measured at a few counts: it takes minutes at the others.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import progress
from lab.bench import figures, metering
from lab.bench.metering import Reading, Step
from lab.bench.ocf import Agent
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import INITIATOR, Pair

_COUNTS, _QUICK_COUNTS = (1, 4, 16, 64, 256), (1, 8)
_REPETITIONS, _QUICK_REPETITIONS = 5, 2

# Where iSCSILogicalUnit is measured as well, once.
_THEIR_COUNTS, _QUICK_THEIR_COUNTS = (1, 64, 256), ()

_IQN = "iqn.2003-01.org.example:bench"
_IP = "10.0.5.60"
_TARGET = Agent(
    "twinsan:lio-iscsi-target",
    "bench_target",
    {"iqn": _IQN, "portals": f"{_IP}:3260", "allowed_initiators": INITIATOR},
)

_LOOPS = Path(__file__).with_name("guest_loops.py")
_LOOPS_PLACE, _FILES = "/usr/local/lib/lab/loops", "/run/bench.disks"
_CORE, _ISCSI = "/sys/kernel/config/target/core", "/sys/kernel/config/target/iscsi"

_START, _MONITOR, _CLOSER, _STOP = "start", "monitor", "monitor of all attributes", "stop"
_TARGET_MONITOR = "monitor of the target"
_THEIRS = ("iSCSILogicalUnit start", "iSCSILogicalUnit monitor", "iSCSILogicalUnit stop")
_ACTIONS = (_START, _MONITOR, _CLOSER, _STOP, _TARGET_MONITOR, *_THEIRS)

# The readings by the number of LUNs and the name of the action.
Readings = dict[tuple[int, str], list[Reading]]


def measure(made: Pair, *, quick: bool) -> figures.Section:
    """Measure on a server where nothing is served; nothing is afterwards."""
    if made.serving() is not None:
        raise LabError("the time per LUN is measured where nothing is served: stop it before")
    counts, theirs = (_QUICK_COUNTS, _QUICK_THEIR_COUNTS) if quick else (_COUNTS, _THEIR_COUNTS)
    many, one = made.zeus, made.atlas
    found: Readings = {}
    beside: Readings = {}
    with (
        _cluster_stopped(made),
        _disks(many, max(counts) + 1) as disks,
        _disks(one, 1) as single,
        _target(many),
        _target(one),
    ):
        metering.run(one, [_lun(1, single).step("start")])
        for before, count in zip((0, *counts), counts):
            with progress.step(f"Time per LUN: {count} of {max(counts)}"):
                metering.run(many, [_lun(number, disks).step("start") for number in range(before + 1, count + 1)])
                for _ in range(_QUICK_REPETITIONS if quick else _REPETITIONS):
                    _measure_all(many, _own(count, disks), count, found)
                    _measure_all(one, _own(1, single), count, beside)
                if count in theirs:
                    _measure_all(many, _others(disks[-1]), count, found)
    return section(found, beside)


@contextmanager
def _cluster_stopped(made: Pair) -> Iterator[None]:
    """For the time of the body neither server runs the cluster."""
    try:
        for server in made.servers:
            metering.install(server)
            server.succeed("systemctl stop pacemaker corosync")
        yield
    finally:
        for server in made.servers:
            server.succeed("systemctl start --no-block pacemaker")
        made.wait_until_online()
        made.wait_until_idle()


def _lun(number: int, disks: Sequence[str], **more: str) -> Agent:
    values = {"target_iqn": _IQN, "lun": str(number), "path": disks[number - 1], **more}
    return Agent("twinsan:lio-lun", f"bench_lun{number}", values)


def _own(count: int, disks: Sequence[str]) -> dict[str, Step]:
    """What is measured where there are so many LUNs: the last one is stopped and started again."""
    last = _lun(count, disks)
    return {
        _STOP: last.step("stop"),
        _START: last.step("start"),
        _MONITOR: last.step("monitor"),
        _CLOSER: _lun(count, disks, OCF_CHECK_LEVEL="10").step("monitor"),
        _TARGET_MONITOR: _TARGET.step("monitor"),
    }


def _others(disk: str) -> dict[str, Step]:
    """The same of iSCSILogicalUnit, which adds one LUN and removes it."""
    values = {"implementation": "lio-t", "target_iqn": _IQN, "lun": "1000", "path": disk}
    agent = Agent("heartbeat:iSCSILogicalUnit", "bench_lun0", values)
    return {name: agent.step(action) for name, action in zip(_THEIRS, ("start", "monitor", "stop"))}


def _measure_all(server: Machine, steps: dict[str, Step], count: int, found: Readings) -> None:
    for name, reading in zip(steps, metering.run(server, steps.values())):
        found.setdefault((count, name), []).append(reading)


@contextmanager
def _disks(server: Machine, count: int) -> Iterator[list[str]]:
    """So many block devices, for the time of the body."""
    server.copy({_LOOPS_PLACE: _LOOPS})
    devices: list[str] = []
    try:
        server.succeed("modprobe loop && mkdir -p /run/bench.home")
        devices = server.succeed(f"python3 -IS {_LOOPS_PLACE} attach {_FILES} {count}").split()
        # udev looks into each of them.
        server.succeed("udevadm settle")
        yield devices
    finally:
        server.succeed(f"python3 -IS {_LOOPS_PLACE} detach {' '.join(devices)}; rm -rf {_FILES} /run/bench.*")


@contextmanager
def _target(server: Machine) -> Iterator[None]:
    """A target for the time of the body; its end takes all LUNs away."""
    metering.run(server, [_TARGET.step("start")])
    try:
        yield
    finally:
        # With its LUNs. Their storage objects are left; the stop of each would take as long as all that was measured.
        metering.run(server, [_TARGET.step("stop")])
        server.succeed(
            f"for each in {_CORE}/iblock_*/bench[-_]lun*; do"
            ' [ ! -d "$each" ] || { rmdir "$each" && rmdir "${each%/*}"; } || exit; done;'
            f" [ ! -d {_ISCSI}/{_IQN} ] && rm -f /run/twinsan/*bench*"
        )


def section(found: Readings, beside: Readings) -> figures.Section:
    """The table: the median of wall and processor time by the number of LUNs. `beside` are the readings of the server
    with one LUN, made at the same time.
    """
    counts = sorted({count for count, _ in found})
    actions = [name for name in _ACTIONS if any((count, name) in found for count in counts)]
    rows = [_row((count, name), found, beside) for count in counts for name in actions if (count, name) in found]
    cells = [[name, *(_cell((count, name), found, beside) for count in counts)] for name in actions]
    heading = ("LUNs", *map(str, counts))
    title = "time per LUN: wall s (processor s; ratio to one LUN at the same time), medians of the agents alone"
    return figures.Section("luns", title, rows, figures.table(heading, cells))


def _row(key: tuple[int, str], found: Readings, beside: Readings) -> dict[str, Any]:
    count, name = key
    readings = found[key]
    return {
        "luns": count,
        "action": name,
        "n": len(readings),
        "wall": figures.summary([each.wall for each in readings]),
        "cpu": figures.summary([each.cpu for each in readings]),
        "wall_to_one_lun": _to_one(key, found, beside, lambda each: each.wall),
        "cpu_to_one_lun": _to_one(key, found, beside, lambda each: each.cpu),
    }


def _to_one(
    key: tuple[int, str], found: Readings, beside: Readings, figure: Callable[[Reading], float]
) -> float | None:
    others = list(map(figure, beside.get(key, [])))
    # The kernel of a guest counts processor time in steps of 10 ms.
    return figures.ratio(list(map(figure, found[key])), others) if others and statistics.median(others) else None


def _cell(key: tuple[int, str], found: Readings, beside: Readings) -> str:
    if key not in found:
        return ""
    row = _row(key, found, beside)
    ratio = "" if row["cpu_to_one_lun"] is None else f"; {row['cpu_to_one_lun']:.2f}"
    return f"{row['wall']['median_s']:.2f} ({row['cpu']['median_s']:.2f}{ratio})"
