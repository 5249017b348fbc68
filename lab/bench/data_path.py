# SPDX-License-Identifier: GPL-2.0-or-later
"""What an initiator gets from a replicated disk: through the target of the agents, and through one made by plain
targetcli on the same device of the same server, one after the other; and XCOPY against a copy by the host.

The pair has to serve as the template has it, with a disk of DISK_MB and fio in its guests, as
``Pair(suite, image.MORE_PACKAGES, data_path.DISK_MB)`` makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab import progress
from lab.bench import figures, fio, plain_target
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import INITIATOR_SETTINGS, IQN, PORTAL, Pair

# Twice what is copied, and DRBD's meta data.
DISK_MB = 520

_DEVICE = "/dev/drbd0"
OURS, THEIRS, COPIED, BY_HOST = "twinsan", "targetcli", "XCOPY", "host"

# What ESXi offers at a login, unless somebody changes it: esxcli iscsi adapter param get.
_OFFERED = {
    "node.session.iscsi.FirstBurstLength": 262144,
    "node.session.iscsi.MaxBurstLength": 262144,
    "node.conn[0].iscsi.MaxRecvDataSegmentLength": 131072,
}
_NEGOTIATED = (
    "iscsi_session/session*/first_burst_len",
    "iscsi_session/session*/max_burst_len",
    "iscsi_session/session*/initial_r2t",
    "iscsi_session/session*/immediate_data",
    "iscsi_connection/connection*/max_recv_dlength",
    "iscsi_connection/connection*/max_xmit_dlength",
)

# One segment of a copy, in blocks of 512 bytes: 4 MiB, as ESXi sends them (DataMover.MaxHWTransferSize).
_SEGMENT = 8192
# Prints the seconds that a copy took. Only the last MiB is new each time and compared: that shows that it was copied.
_COPY = """
set -e
dd if=/dev/urandom of=/run/bench.mib bs=1M count=1 status=none
dd if=/run/bench.mib of={disk} bs=1M seek=$(({mib} - 1)) oflag=direct conv=nocreat status=none
read begin rest </proc/uptime
{command}
read end rest </proc/uptime
dd if={disk} bs=1M skip=$((2 * {mib} - 1)) count=1 iflag=direct status=none | cmp - /run/bench.mib
echo $begin $end
"""
_XCOPY = (
    "sg_xcopy if={disk} of={disk} iflag=xcopy seek=$(({mib} << 11)) count=$(({mib} << 11)) bs=512 bpt={segment} >&2"
)
# In pieces of the same size.
_HOST_COPY = (
    "dd if={disk} of={disk} bs=4M count=$(({mib} / 4)) seek=$(({mib} / 4))"
    " iflag=direct oflag=direct conv=nocreat status=none"
)

LOADS = tuple(
    fio.Load(pattern, kib, depth)
    for pattern, kib in (("randread", 4), ("randwrite", 4), ("read", 256), ("write", 256))
    for depth in (1, 32)
)

# How many MiB are copied, from the beginning of the disk to the next. The loads use the first.
_MIB, _MIB_QUICK = 256, 16
_ROUNDS = 4
_SECONDS_TO_SETTLE = 180.0


@dataclass
class Results:
    """What was measured, by who serves or copies."""

    loads: dict[str, dict[fio.Load, list[float]]] = field(default_factory=lambda: {OURS: {}, THEIRS: {}})
    copies: dict[str, list[float]] = field(default_factory=lambda: {COPIED: [], BY_HOST: []})
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, who: str, found: dict[fio.Load, float]) -> None:
        """Add what one run of fio found."""
        for load, value in found.items():
            self.loads[who].setdefault(load, []).append(value)


def measure(made: Pair, *, quick: bool) -> figures.Section:
    """The data path through both targets, in turns. Initiators are logged out before and after."""
    mib, rounds = (_MIB_QUICK, 1) if quick else (_MIB, _ROUNDS)
    extent = fio.Extent(seconds=1, ramp_ms=0, mib=mib) if quick else fio.Extent(seconds=3, ramp_ms=500, mib=mib)
    server = made.wait_until_serving()
    results = Results()
    with _unattended(made, server, 2 * mib), _records(made.esx):
        for number in range(1, rounds + 1):
            # What comes second may profit from what came first.
            for who in (OURS, THEIRS) if number % 2 else (THEIRS, OURS):
                with progress.step(f"Data path, {who}, {number} of {rounds}"), served(made, server, who) as disk:
                    if number == 1 and who == OURS:
                        _fill(made.esx, disk, 2 * mib)
                    results.sessions[who] = negotiated(made.esx)
                    results.add(who, fio.run(made.esx, disk, LOADS, extent))
                    if who == OURS:
                        for name, command in ((COPIED, _XCOPY), (BY_HOST, _HOST_COPY)):
                            results.copies[name].append(_copy(made.esx, disk, command, mib))
    return section(results, mib)


@contextmanager
def _unattended(made: Pair, server: Machine, needed_mib: int) -> Iterator[None]:
    """The cluster leaves everything alone meanwhile, and no monitor takes the processor. The LUN is stopped, and
    started again at the end.
    """
    esx = made.esx
    if esx.run("command -v fio").status != 0:
        raise LabError("the guests have no fio; make the pair with image.MORE_PACKAGES")
    size = int(server.succeed(f"blockdev --getsize64 {_DEVICE}")) >> 20
    if size < needed_mib:
        raise LabError(f"{_DEVICE} has {size} MiB; make the pair with disk_mb=data_path.DISK_MB")
    esx.succeed("modprobe -a iscsi_tcp sd_mod sg && { pgrep -x iscsid >/dev/null || iscsid; }")
    esx.run("iscsiadm -m node --logoutall=all")
    maintenance = "crm_attribute --type crm_config --name maintenance-mode"
    made.atlas.succeed(f"{maintenance} --update true")
    made.wait_until_idle(_SECONDS_TO_SETTLE)
    server.succeed("crm_resource --resource p_lun1 --force-stop")
    try:
        yield
    finally:
        server.succeed("crm_resource --resource p_lun1 --force-start")
        made.atlas.succeed(f"{maintenance} --delete")
    made.wait_until_idle(_SECONDS_TO_SETTLE)


@contextmanager
def _records(esx: Machine) -> Iterator[None]:
    """The initiator knows both targets, and offers them what ESXi offers."""
    records = [_record(OURS), _record(THEIRS)]
    for record in records:
        esx.run(f"{record} -o delete")
        esx.succeed(f"{record} -o new")
        for name, value in {**INITIATOR_SETTINGS, **_OFFERED}.items():
            esx.succeed(f"{record} -o update -n '{name}' -v {value}")
    yield
    for record in records:
        esx.succeed(f"{record} -o delete")


def _record(who: str) -> str:
    iqn, port = (IQN, 3260) if who == OURS else (plain_target.IQN, plain_target.PORT)
    return f"iscsiadm -m node -T {iqn} -p {PORTAL}:{port}"


@contextmanager
def served(made: Pair, server: Machine, who: str) -> Iterator[str]:
    """The disk of the initiator while one of both targets has the device, which only one at a time can have."""
    esx = made.esx
    if who == OURS:
        server.succeed("crm_resource --resource p_lun1 --force-start")
    else:
        plain_target.make(server, _DEVICE)
    esx.succeed(f"{_record(who)} --login")
    esx.wait_until("ls /sys/class/block | grep -q '^sd'", "a disk is seen", 30)
    esx.succeed("udevadm settle")
    try:
        yield "/dev/" + esx.succeed("ls /sys/class/block | grep -m1 '^sd[a-z]*$'").strip()
    finally:
        esx.succeed(f"{_record(who)} --logout")
        if who == OURS:
            server.succeed("crm_resource --resource p_lun1 --force-stop")
        else:
            plain_target.remove(server)


def negotiated(esx: Machine) -> dict[str, str]:
    """The parameters of the initiator's only session, with the kernel's names."""
    values = esx.succeed(f"cd /sys/class && cat {' '.join(_NEGOTIATED)}").split()
    return {place.rpartition("/")[2]: value for place, value in zip(_NEGOTIATED, values)}


def _fill(esx: Machine, disk: str, mib: int) -> None:
    """Write all that is used once: the first write to a place makes room for it on the lab's host as well."""
    esx.succeed(f"dd if=/dev/zero of={disk} bs=1M count={mib} oflag=direct conv=nocreat status=none", timeout=300)


def _copy(esx: Machine, disk: str, command: str, mib: int) -> float:
    """Copy the first `mib` MiB of the disk to the next; returns MB/s."""
    filled = command.format(disk=disk, mib=mib, segment=_SEGMENT)
    begin, end = esx.succeed(_COPY.format(disk=disk, mib=mib, command=filled), timeout=300).split()
    return mib * 1.048576 / (float(end) - float(begin))


def section(results: Results, mib: int) -> figures.Section:
    """The rows and the table of what was measured."""
    rows: list[dict[str, Any]] = [{"negotiated": results.sessions}]
    cells = []
    for load in LOADS:
        ours, theirs = (results.loads[who].get(load, []) for who in (OURS, THEIRS))
        rows.append(_row({"load": load.name, "depth": load.depth}, load.unit, {OURS: ours, THEIRS: theirs}))
        cells.append([load.name, str(load.depth), *_cells(ours, theirs, load.unit)])
    copied, by_host = results.copies[COPIED], results.copies[BY_HOST]
    rows.append(_row({"load": f"copy of {mib} MiB"}, "MB/s", results.copies))
    cells.append([f"copy of {mib} MiB: XCOPY, host", "", *_cells(copied, by_host, "MB/s")])
    lines = figures.table(["load", "depth", OURS, THEIRS, "ratio"], cells)
    lines += [f"session, {who}: " + ", ".join(map("=".join, each.items())) for who, each in results.sessions.items()]
    title = "data path: replicated, through the target of twinsan and through one of plain targetcli"
    return figures.Section("data_path", title, rows, lines)


def _row(what: dict[str, Any], unit: str, values: dict[str, list[float]]) -> dict[str, Any]:
    name = unit.lower().replace("/", "_")
    ours, theirs = values.values()
    return {
        **what,
        **{who: figures.summary(found, name) for who, found in values.items()},
        "ratio": figures.ratio(ours, theirs),
        # Where the ranges meet, the ratio may be the machine's doing.
        "ranges_meet": bool(ours and theirs) and min(ours) <= max(theirs) and min(theirs) <= max(ours),
    }


def _cells(ours: Sequence[float], theirs: Sequence[float], unit: str) -> list[str]:
    places = 0 if unit == "IOPS" else 1
    ratio = figures.ratio(ours, theirs)
    found = [figures.cell(values, unit, places) for values in (ours, theirs)]
    return [*found, "-" if ratio is None else f"{ratio:.2f}"]
