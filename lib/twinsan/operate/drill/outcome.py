# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failover cost: the pause of each LUN, and the phases that it consists of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinsan.operate.drill.history import History
    from twinsan.operate.drill.unit import Unit

# In their order. Each ends with the last action of its kind, "initiators" with the first write that comes after the
# start of the address. "detection" begins with the power cut.
STOP, DEMOTE, PROMOTE, LUNS, ADDRESS, INITIATORS = "stop", "demote", "promote", "LUNs", "address", "initiators"
DETECTION, FENCING = "detection", "fencing"


class Pause:
    """The longest time between two writes: `begin` and `end` in seconds since the epoch."""

    __slots__ = ("begin", "end")

    def __init__(self, begin: float, end: float) -> None:
        self.begin = begin
        self.end = end

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


class Phase:
    """A part of a failover: `begin` and `end` in seconds since the epoch."""

    __slots__ = ("begin", "end", "name")

    def __init__(self, name: str, begin: float, end: float) -> None:
        self.name = name
        self.begin = begin
        self.end = end

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


def longest_pause(times: Sequence[float], begin: float, end: float) -> Pause | None:
    """Return the longest time between two moments of `times` that overlaps the time from `begin` to `end`; None if
    fewer than two do, for then nothing was written.
    """
    pauses = [Pause(first, second) for first, second in zip(times, times[1:]) if second > begin and first < end]
    return max(pauses, key=lambda pause: pause.seconds, default=None)


def of_switchover(left: History | None, right: History | None, unit: Unit) -> dict[str, float]:
    """Return when each phase of a switchover of `unit` ended, from the histories of the node that is left and of the
    one that takes over; None for a history that could not be read.
    """
    ends: dict[str, float] = {}
    if left:
        _note(ends, STOP, left, "stop", {*unit.luns, *unit.addresses})
        _note(ends, DEMOTE, left, "demote", {unit.drbd})
    return {**ends, **_of_start(right, unit)}


def of_power_cut(survivor: History, unit: Unit) -> dict[str, float]:
    """Return when each phase of a power cut ended, from the history of the node that takes over."""
    ends = {}
    if survivor.lost is not None:
        ends[DETECTION] = survivor.lost
    if survivor.fenced is not None:
        ends[FENCING] = survivor.fenced
    return {**ends, **_of_start(survivor, unit)}


def _of_start(history: History | None, unit: Unit) -> dict[str, float]:
    ends: dict[str, float] = {}
    if history:
        _note(ends, PROMOTE, history, "promote", {unit.drbd})
        _note(ends, LUNS, history, "start", set(unit.luns))
        _note(ends, ADDRESS, history, "start", unit.addresses)
    return ends


def phases(begin: float, ends: dict[str, float], written: float | None) -> list[Phase]:
    """Return the phases in their order. `begin` is when the first began, `written` when a write came through again,
    None if none did. One that ended before its predecessor is left out: it cost no time.
    """
    marks = {**ends, **({INITIATORS: written} if written is not None else {})}
    found = []
    for name, end in marks.items():
        if end > begin:
            found.append(Phase(name, begin, end))
            begin = end
    return found


def _note(ends: dict[str, float], phase: str, history: History, action: str, resources: set[str]) -> None:
    """Note when the last of these actions ended. What else starts or stops meanwhile is no part of the failover."""
    times = [each.time for each in history.actions if each.name == action and each.resource in resources]
    if times:
        ends[phase] = max(times)
