# SPDX-License-Identifier: GPL-2.0-or-later
"""The price of monitoring: the processor time that a server takes while all is well and at rest.

It is what the host's kernel counts for the processes that a guest consists of. The guest's own count (/proc/stat, its
control groups) would be several times as much on a busy host: it has no idea of the time that it waits for a processor.
Periods in which the monitors of what is served run take turns with periods in which they do not (maintenance mode); the
difference is their price. The fence devices are not monitored in either.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import progress
from lab.bench import figures
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import Pair

# A minute has one of everything that twinsan's monitors do once a minute, and two of the longest interval.
_SECONDS, _QUICK_SECONDS = 60.0, 10.0
_TURNS, _QUICK_TURNS = 1, 1

# What a period of monitoring begins after, so that the first monitors, which do more, and the plan that started them
# are over: the longest interval of any chain that is compared.
_SECONDS_TO_SETTLE, _QUICK_SECONDS_TO_SETTLE = 32.0, 2.0

_FENCES = ("fence_atlas", "fence_zeus")


@dataclass
class Row:
    """One node with one chain: the processor time of a minute, in each period with and without monitors."""

    chain: str
    luns: int
    node: str
    monitored: list[float] = field(default_factory=list)
    unmonitored: list[float] = field(default_factory=list)

    @property
    def prices(self) -> list[float]:
        """What the monitors took for each minute, in each turn."""
        return [with_them - without for with_them, without in zip(self.monitored, self.unmonitored)]


def measure(made: Pair, chain: str, luns: int, *, quick: bool) -> list[Row]:
    """Measure while the pair serves with the chain of that name; the first row is the node that serves."""
    serving = made.serving()
    if serving is None:
        raise LabError(f"the price of monitoring {chain} cannot be measured: nothing is served")
    seconds, turns, settle = (
        (_QUICK_SECONDS, _QUICK_TURNS, _QUICK_SECONDS_TO_SETTLE) if quick else (_SECONDS, _TURNS, _SECONDS_TO_SETTLE)
    )
    servers = (serving, made.peer_of(serving))
    rows = [Row(chain, luns, node) for node in ("serving", "other")]
    with _fences_unmonitored(made):
        for number in range(1, turns + 1):
            with progress.step(f"Processor time at rest, {chain}, {number} of {turns}: monitored"):
                # For their first look and what it plans.
                time.sleep(settle)
                _add(servers, [row.monitored for row in rows], seconds)
            with (
                progress.step(f"Processor time at rest, {chain}, {number} of {turns}: not monitored"),
                maintenance(made),
            ):
                _add(servers, [row.unmonitored for row in rows], seconds / 2)
    return rows


def _add(servers: Sequence[Machine], to: Sequence[list[float]], seconds: float) -> None:
    """Let the servers alone for a time; add what each used of its processor for each minute."""
    before = [(time.monotonic(), usage(server)) for server in servers]
    time.sleep(seconds)
    for server, (begin, used), values in zip(servers, before, to):
        values.append((usage(server) - used) / (time.monotonic() - begin) * 60)


def usage(server: Machine) -> float:
    """The seconds of the host's processors that a guest has used since it was powered on."""
    stats = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # It may have ended meanwhile.
        with contextlib.suppress(OSError):
            stats.append(stat.read_text(encoding="utf-8", errors="replace"))
    first = next((group for group in map(_group, stats) if _is_guest(server, group)), None)
    if first is None:
        raise LabError(f"the processes of {server} are not found")
    return sum(map(seconds_used, (stat for stat in stats if _group(stat) == first)))


def _group(stat: str) -> int:
    """The process group in a /proc/PID/stat; that of all processes of a guest is its first process."""
    return int(_fields(stat)[2])


def _is_guest(server: Machine, group: int) -> bool:
    try:
        words = Path(f"/proc/{group}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"umid={server.name}".encode() in words


def seconds_used(stat: str) -> float:
    """The processor time of a process and of its children that have ended, from its /proc/PID/stat."""
    return sum(map(int, _fields(stat)[11:15])) / os.sysconf("SC_CLK_TCK")


def _fields(stat: str) -> list[str]:
    """All after the name, which may have spaces: the state, the parent, the process group..."""
    return stat.rpartition(")")[2].split()


@contextlib.contextmanager
def maintenance(made: Pair) -> Iterator[None]:
    """For the time of the body the cluster monitors, starts and stops nothing."""
    try:
        made.atlas.succeed("crm_attribute --name maintenance-mode --update true")
        made.wait_until_idle()
        yield
    finally:
        made.atlas.succeed("crm_attribute --name maintenance-mode --delete")
        made.wait_until_idle()


@contextlib.contextmanager
def _fences_unmonitored(made: Pair) -> Iterator[None]:
    """For the time of the body the fence devices are not monitored: the program takes more than all other monitors, and
    is the same for every chain.
    """
    change = "--meta --set-parameter maintenance --parameter-value true"
    try:
        for fence in _FENCES:
            made.atlas.succeed(f"crm_resource --resource {fence} {change}")
        made.wait_until_idle()
        yield
    finally:
        for fence in _FENCES:
            made.atlas.succeed(f"crm_resource --resource {fence} --meta --delete-parameter maintenance")
        made.wait_until_idle()


def section(rows: Sequence[Row]) -> figures.Section:
    """The table of all chains that were measured; the first one is compared with each of the others."""
    listed = [_figures(row, rows) for row in rows]
    heading = ("processor time in a minute", "LUNs", "node", "monitored", "not", "price", "first : this")
    lines = [_cells(row, each) for row, each in zip(rows, listed)]
    return figures.Section("monitoring", "price of monitoring at rest", listed, figures.table(heading, lines))


def _figures(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    first = next(each for each in rows if each.node == row.node and each.luns == row.luns)
    return {
        "agents": row.chain,
        "luns": row.luns,
        "node": row.node,
        "monitored": figures.summary(row.monitored),
        "not_monitored": figures.summary(row.unmonitored),
        "price": figures.summary(row.prices),
        "first_to_this": _ratio(first.prices, row.prices),
    }


def _ratio(prices: list[float], others: list[float]) -> float | None:
    """None where the others' price is lost in what the cluster takes anyway."""
    return figures.ratio(prices, others) if others and statistics.median(others) > 0 else None


def _cells(row: Row, listed: dict[str, Any]) -> list[str]:
    values = (figures.cell(each, places=2) for each in (row.monitored, row.unmonitored, row.prices))
    return [
        row.chain,
        str(row.luns),
        row.node,
        *values,
        "-" if listed["first_to_this"] is None else f"{listed['first_to_this']:.2f}",
    ]
