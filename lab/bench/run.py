# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark: its parts in their order, the tables, ``build/bench/result.json`` and the picture.

The yardstick of a failover is the same configuration with agents that do nothing, on the same pair in the same run:
what it takes is the cluster's own share. The competitors take turns, for the machine's speed drifts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import image, kernel, luns, progress
from lab.bench import actions, chain, data_path, failover, figures, goals, incumbents, monitoring, picture, probe, scale
from lab.bench.chain import Chain, Stage
from lab.bench.failover import POWER_CUT, SWITCHOVER, Series
from lab.bench.figures import Section
from lab.errors import LabError
from lab.host import build_folder
from lab.pair import Pair, used

# QUICK=1 is for a test of the benchmark itself, never for its figures.
QUICK = bool(os.environ.get("QUICK"))

# Of each guest, in MiB: the agents of 32 LUNs that start side by side need more than the tests do.
_GUEST_MB = 1024


def run(suite: str, wanted: Sequence[str] = ()) -> int:
    """Measure all parts, or those that are `wanted`, which replace theirs in the last result. Returns 0 where every
    failover worked.
    """
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        raise LabError(f"the benchmark has no part {', '.join(unknown)}; choose of {', '.join(PARTS)}")
    begin = time.monotonic()
    result: dict[str, Any] = json.loads(_place().read_text()) if wanted and _place().exists() else {}
    with used(new_pair(suite)) as made:
        made.ready()
        for section in measured(Stage(made), wanted or PARTS):
            result[section.name] = section.rows
            _write(result)
            print(f"{(time.monotonic() - begin) / 60:.1f} minutes", flush=True)
    print("\n".join(["", "what is to be reached", "", *goals.lines(result), ""]))
    print(f"The figures: {_place()}")
    return 0


def new_pair(suite: str) -> Pair:
    """The pair that the benchmark measures."""
    return Pair(suite, image.MORE_PACKAGES, data_path.DISK_MB, _GUEST_MB, kernel=kernel.chosen_with_iptables())


def measured(stage: Stage, names: Iterable[str]) -> Iterator[Section]:
    """What the parts of these names measure, each section printed."""
    for name in names:
        for section in PARTS[name](stage):
            print("\n".join(["", section.title, "", *section.lines, ""]), flush=True)
            yield section


def _place() -> Path:
    return build_folder("bench") / "result.json"


def _write(result: dict[str, Any]) -> None:
    place = _place()
    place.write_text(json.dumps(result, indent=2) + "\n", encoding="ascii")
    drawn = goals.failovers(result)
    if drawn:
        picture.draw(drawn, place.with_name("failover"))


# -- the parts -------------------------------------------------------------------------------------------------------


def _data_path(stage: Stage) -> list[Section]:
    stage.serve(chain.twinsan(1))
    return [data_path.measure(stage.made, quick=QUICK)]


def _failovers(stage: Stage) -> list[Section]:
    """One LUN, in turns."""
    moves, cuts, rounds = (1, 1, 1) if QUICK else (3, 1, 2)
    series: list[Series] = []
    for _ in range(rounds):
        series += _measure(stage, chain.twinsan(1), moves, cuts)
        series += _measure(stage, chain.doing_nothing(1), moves, cuts)
        series += _measure(stage, chain.doing_nothing(1, notified=True), 1 if QUICK else 2, 0)
    with _prepared_for_incumbents(stage):
        series += _measure(stage, incumbents.chain(), 1 if QUICK else 3, 0 if QUICK else 1)
    return [
        _section("failover", "failovers with one LUN: medians, and ranges", _merged(series), incumbents.DIFFERENCES)
    ]


def _many_luns(stage: Stage) -> Iterator[Section]:
    """Many LUNs, told after each number of them. The DRBD resource keeps their volumes, so nothing with one LUN can be
    measured after it. It comes before `_scale`, which leaves a node with hundreds of loop devices, and each event of a
    device is slower there.
    """
    series: list[Series] = []
    volumes = 1
    for count, moves in ((2, 1),) if QUICK else ((8, 3), (32, 2)):
        stage.clear()
        with progress.step(f"Making a volume for each of {count} LUNs"):
            luns.make_volumes(stage.made, volumes + 1, count)
        volumes = count
        series += _measure(stage, chain.twinsan(count), moves, 0)
        series += _measure(stage, chain.doing_nothing(count), moves, 0)
        yield _section("many_luns", "failovers with many LUNs: medians, and ranges", series)


def _price(stage: Stage) -> list[Section]:
    """Of each action, and of monitoring."""
    stage.clear()
    prices = actions.measure(stage.made, quick=QUICK)
    stage.serve(chain.twinsan(1))
    rows = monitoring.measure(stage.made, "twinsan", 1, quick=QUICK)
    with _prepared_for_incumbents(stage):
        stage.serve(incumbents.chain())
        rows += monitoring.measure(stage.made, incumbents.NAME, 1, quick=QUICK)
    return [prices, monitoring.section(rows)]


def _scale(stage: Stage) -> list[Section]:
    stage.clear()
    return [scale.measure(stage.made, quick=QUICK)]


PARTS: dict[str, Callable[[Stage], Iterable[Section]]] = {
    "failover": _failovers,
    "data_path": _data_path,
    "price": _price,
    "many_luns": _many_luns,
    "luns": _scale,
}


@contextmanager
def _prepared_for_incumbents(stage: Stage) -> Iterator[None]:
    """Both nodes are ready for the agents of ClusterLabs and LINBIT; afterwards nothing of them is left."""
    stage.clear()
    incumbents.prepare(stage.made)
    yield
    stage.clear()
    incumbents.restore(stage.made)


def _measure(stage: Stage, which: Chain, moves: int, cuts: int) -> list[Series]:
    """Serve with the chain; move it, and cut the power of the node that serves, so often."""
    stage.serve(which)
    switched = Series(SWITCHOVER, which.name, which.luns)
    cut = Series(POWER_CUT, which.name, which.luns)

    def all_of_them(load: probe.Probe | None) -> None:
        for series, times, once in ((switched, moves, failover.switch_over), (cut, cuts, failover.cut_power)):
            for number in range(1, times + 1):
                name = f"{which.name}, {which.luns} LUN(s), {number} of {times}"
                series.done.append(once(stage.made, which, load, name))

    if which.serves:
        with probe.writing(stage.made, which.luns) as load:
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


def _section(name: str, title: str, series: Sequence[Series], remarks: Sequence[str] = ()) -> Section:
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
        lines += ["", *figures.table([f"{kind}: where the time goes", *named], phases)] if phases else []
    if remarks:
        lines += ["", f"{incumbents.NAME}, what is not as in LINBIT's guide:", *(f"- {remark}" for remark in remarks)]
    return Section(name, title, rows, lines)
