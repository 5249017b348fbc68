# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of the load says about a failover: stalls, the table, and the figures of result.json."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.load import Write

# A gap shorter than this is no stall worth a band in the picture.
_BAND_SECONDS = 1.0


@dataclass(frozen=True)
class Event:
    """Something that happened to the cluster; time in seconds since the epoch."""

    time: float
    text: str


@dataclass(frozen=True)
class Phase:
    """A part of the run with a cause of its own; times in seconds since the epoch."""

    name: str
    happened: str
    begin: float
    end: float


@dataclass(frozen=True)
class Stall:
    """A time in which no write was acknowledged."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.begin


@dataclass(frozen=True)
class Figures:
    """What a phase did to the initiator."""

    stall_ms: int
    io_errors: int


def stalls(writes: Iterable[Write], at_least: float = _BAND_SECONDS) -> list[Stall]:
    """The times between two acknowledgements that lasted `at_least` that many seconds, in order."""
    ends = sorted(write.end for write in writes if not write.error)
    return [Stall(before, after) for before, after in zip(ends, ends[1:]) if after - before >= at_least]


def figures(writes: Sequence[Write], phase: Phase) -> Figures:
    """The longest stall and the errors of a phase.

    The stall is the longest that anything waited: the longest single write that was under way in the phase, or the
    longest time without an acknowledgement that reaches into it, whichever is longer. A failed write counts as long as
    it took, too.
    """
    touched = [write for write in writes if write.start < phase.end and write.end >= phase.begin]
    if not touched:
        raise ValueError(f"no write was under way in the phase {phase.name}")
    gaps = [gap.seconds for gap in stalls(writes, 0) if gap.begin < phase.end and gap.end >= phase.begin]
    longest = max([write.latency_ms / 1000 for write in touched] + gaps)
    return Figures(stall_ms=round(longest * 1000), io_errors=sum(bool(write.error) for write in touched))


def result(
    writes: Sequence[Write],
    *,
    switchover: Phase,
    power_cut: Phase,
    fenced_ms: int,
    lost_writes: int,
    out_of_sync_kib: int,
) -> dict[str, Any]:
    """The content of result.json."""
    first, second = figures(writes, switchover), figures(writes, power_cut)
    return {
        "switchover": {"stall_ms": first.stall_ms, "io_errors": first.io_errors},
        "power_cut": {"stall_ms": second.stall_ms, "fenced_ms": fenced_ms, "io_errors": second.io_errors},
        "acknowledged_writes": sum(not write.error for write in writes),
        "lost_writes": lost_writes,
        "out_of_sync_kib": out_of_sync_kib,
    }


def passed(outcome: dict[str, Any], errors_in_all: int) -> bool:
    """Whether nothing was lost: no error seen by the initiator, no acknowledged write gone, replicas equal."""
    return not (errors_in_all or outcome["lost_writes"] or outcome["out_of_sync_kib"])


def table(writes: Sequence[Write], phases: Iterable[Phase]) -> str:
    """The phases, one row each, as aligned text."""
    rows = [("phase", "what happened", "longest I/O stall", "I/O errors")]
    for phase in phases:
        measured = figures(writes, phase)
        rows.append((phase.name, phase.happened, f"{measured.stall_ms:,} ms", str(measured.io_errors)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [_row(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line: words to the left, numbers to the right."""
    name, happened, stall, errors = cells
    return f"{name:<{widths[0]}}  {happened:<{widths[1]}}  {stall:>{widths[2]}}  {errors:>{widths[3]}}"
