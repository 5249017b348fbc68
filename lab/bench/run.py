# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark: its parts in their order, the tables, ``build/bench/result.json`` and the picture.

The yardstick of a failover is the same configuration with agents that do nothing, on the same pair in the same run:
what it takes is the cluster's own share. The competitors take turns, for the machine's speed drifts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from lab import luns, progress
from lab.bench import chain, failover, figures, goals, picture, probe
from lab.bench.chain import Chain
from lab.bench.failover import POWER_CUT, SWITCHOVER, Series
from lab.bench.figures import Section
from lab.errors import LabError
from lab.pair import Pair, build_folder, pair

# QUICK=1 is for a test of the benchmark itself, never for its figures.
QUICK = bool(os.environ.get("QUICK"))


def run(suite: str, wanted: Sequence[str] = ()) -> int:
    """Measure the parts, or those that are `wanted`; returns 0 where every failover worked and no write failed."""
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        raise LabError(f"the benchmark has no part {', '.join(unknown)}; choose of {', '.join(PARTS)}")
    begin = time.monotonic()
    result: dict[str, Any] = {}
    for name, part in PARTS.items():
        if wanted and name not in wanted:
            continue
        for section in part(suite):
            result[section.name] = {"minutes": round((time.monotonic() - begin) / 60, 1), "rows": section.rows}
            print("\n".join(["", section.title, "", *section.lines, ""]), flush=True)
            _write(result)
    if not wanted:
        print("\n".join(["", "what is to be reached", "", *goals.lines(result), ""]))
    print(f"{(time.monotonic() - begin) / 60:.1f} minutes; the figures: {build_folder('bench') / 'result.json'}")
    return 0


def _write(result: dict[str, Any]) -> None:
    place = build_folder("bench") / "result.json"
    place.write_text(json.dumps(result, indent=2) + "\n", encoding="ascii")
    if "failover" in result:
        picture.draw(result["failover"]["rows"], place.with_name("failover"))


# -- the parts -------------------------------------------------------------------------------------------------------


def _failovers(suite: str) -> list[Section]:
    """One LUN, in turns, then eight and 32."""
    with pair(suite) as made:
        made.ready()
        moves, cuts, rounds = (1, 1, 1) if QUICK else (4, 2, 2)
        series: list[Series] = []
        idle, notified = chain.doing_nothing(1), chain.doing_nothing(1, notified=True)
        for _ in range(rounds):
            series += _measure(made, chain.twinsan(1), moves, cuts)
            series += _measure(made, idle, moves, cuts)
            series += _measure(made, notified, moves // 2, 0)
        volumes = 1
        for count, repeated in ((2, 1),) if QUICK else ((8, 5), (32, 2)):
            chain.stop_all(made)
            with progress.step(f"Making a volume for each of {count} LUNs"):
                luns.make_volumes(made, volumes + 1, count)
            volumes = count
            series += _measure(made, chain.twinsan(count), repeated, 0)
            series += _measure(made, chain.doing_nothing(count), repeated, 0)
    return [_section(_merged(series))]


def _measure(made: Pair, which: Chain, moves: int, cuts: int) -> list[Series]:
    """Load the chain, unless it is what the pair serves with already; move it, cut power, so often."""
    if made.atlas.run(f"crm_resource --resource {which.address} --locate").status != 0 or which.name != "twinsan":
        chain.stop_all(made)
        chain.load(made, which)
    switched = Series(SWITCHOVER, which.name, which.luns)
    cut = Series(POWER_CUT, which.name, which.luns)

    def all_of_them(load: probe.Probe | None) -> None:
        for series, times, once in ((switched, moves, failover.switch_over), (cut, cuts, failover.cut_power)):
            for number in range(1, times + 1):
                name = f"{which.name}, {which.luns} LUN(s), {number} of {times}"
                series.done.append(once(made, which, load, name))

    if which.serves:
        with probe.writing(made, which.luns) as load:
            all_of_them(load)
    else:
        all_of_them(None)
    return [series for series in (switched, cut) if series.done]


def _merged(series: Sequence[Series]) -> list[Series]:
    """The rounds of one kind of failover of one chain together."""
    merged: dict[tuple[str, str, int], Series] = {}
    for each in series:
        key = (each.kind, each.chain, each.luns)
        merged.setdefault(key, Series(*key)).done.extend(each.done)
    return sorted(merged.values(), key=lambda each: (each.kind != SWITCHOVER, each.luns))


def _section(series: Sequence[Series]) -> Section:
    idle = {(each.kind, each.luns): each.away for each in series if each.chain == "agents that do nothing"}
    rows, cells = [], []
    for each in series:
        to_nothing = figures.ratio(each.away, idle.get((each.kind, each.luns), []))
        rows.append({**each.row(), "away_to_doing_nothing": to_nothing})
        cells.append(
            [
                f"{each.kind}, {each.luns} LUN(s): {each.chain}",
                str(len(each.done)),
                figures.cell(each.away),
                "-" if to_nothing is None else f"{to_nothing:.2f}",
                figures.cell(each.stalls),
                str(sum(one.errors for one in each.done)) if each.stalls else "-",
            ]
        )
    heading = ("failover", "n", "the address is away", ": nothing", "no write is acknowledged", "I/O errors")
    lines = figures.table(heading, cells)
    for kind in (SWITCHOVER, POWER_CUT):
        named = failover.PHASES[kind]
        phases = [
            [f"{each.chain}, {each.luns} LUN(s)", *(figures.cell(each.phase(name)) for name in named)]
            for each in series
            if each.kind == kind
        ]
        lines += ["", *figures.table([f"{kind}: where the time goes", *named], phases)]
    return Section("failover", "failovers: medians, and ranges", rows, lines)


PARTS: dict[str, Callable[[str], list[Section]]] = {
    "failover": _failovers,
}
