# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a switchover takes, with one LUN and with many, as a ratio to what Pacemaker itself needs for it.

The yardstick is the same configuration with agents that do nothing (ocf:pacemaker:Stateful and Dummy) in the place of
ours, on the same pair in the same run: what it takes is the cluster's own share. It is measured as shipped, and with
the clone notifications that other DRBD agents need. Leaves ``build/bench/result.json``.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lxml import etree

from lab import load, luns, operations, progress, report
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import Pair, build_folder, now, pair, template

# How many switchovers are measured of each; QUICK=1 is for a test of the benchmark itself.
_MOVES = 2 if os.environ.get("QUICK") else 6
_MANY = 2 if os.environ.get("QUICK") else 8

# What has a name of its own in the template; ids that are built from it begin with it.
_NAMED = re.compile(r'<(?:primitive|clone|group|rsc_order|rsc_colocation) id="([^"]+)"')
_AGENT = re.compile(r'provider="twinsan" type="([a-z-]+)"')
_VALUES = re.compile(r"<instance_attributes id=\"idle_.*?</instance_attributes>", re.DOTALL)

_LOG, _STOP = "/run/bench.csv", "/run/bench.stop"
_PROBE = f"/usr/local/lib/lab/load run --log {_LOG} --stop-file {_STOP} --depth 1 --rate 20 --blocks 64 --seconds 900"


class Row:
    """The switchovers of one configuration: `away` are the seconds from the stop of the address to its start, `stalls`
    those in which no write was acknowledged; none for agents that do nothing.
    """

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.luns = count
        self.away: list[float] = []
        self.stalls: list[float] = []


def run(suite: str) -> int:
    """Measure all; returns 0 where every move worked and no write failed."""
    with pair(suite) as made:
        made.ready()
        rows = [_serving(made, 1, "g_san")]
        _stop_all(made)
        with progress.step(f"Making a volume for each of {_MANY} LUNs"):
            luns.make_volumes(made, _MANY)
        _load(made, luns.configuration(template(), _MANY))
        rows.append(_serving(made, _MANY, "p_portal"))
        for count in (_MANY, 1):
            text = luns.configuration(template(), count) if count > 1 else template()
            _stop_all(made)
            _load(made, idle_configuration(text))
            moved = "idle_p_portal" if count > 1 else "idle_g_san"
            rows.append(_idle(made, Row("agents that do nothing", count), moved))
        change = "--meta --set-parameter notify --parameter-value true"
        made.atlas.succeed(f"crm_resource --resource idle_ms_drbd {change}")
        rows.append(_idle(made, Row("the same, notified", 1), "idle_g_san"))
    _report(rows)
    return 0


def idle_configuration(text: str) -> str:
    """The configuration with agents that do nothing, under names of their own; the fencing is left out: it is there."""
    text = re.sub(r"<primitive id=\"fence_.*?</primitive>|<rsc_location .*?/>", "", text, flags=re.DOTALL)
    text = re.sub(r"<crm_config>.*?</crm_config>", "", text, flags=re.DOTALL)
    names = sorted(_NAMED.findall(text), key=len, reverse=True)
    text = re.sub(rf'(?<=")({"|".join(names)})', r"idle_\1", text)
    text = _AGENT.sub(lambda m: f'provider="pacemaker" type="{"Stateful" if m[1] == "drbd-vaai" else "Dummy"}"', text)
    return _VALUES.sub("", text)


def _serving(made: Pair, count: int, moved: str) -> Row:
    row = Row("twinsan", count)
    disk = made.log_in()
    with _writing(made, disk):
        for number in range(1, _MOVES + 1):
            begin = now()
            row.away.append(_move(made, moved, "p_portal", f"{row.name}, {count} LUN(s), {number} of {_MOVES}"))
            # As long as an initiator may need to come back.
            made.esx.wait_until(
                f"test $(tail -n 1 {_LOG} | cut -d, -f1 | cut -d. -f1) -gt {int(now())}", "it writes", 60
            )
            writes = list(load.parse(made.esx.read(_LOG).splitlines(keepends=True)))
            phase = report.Phase("switchover", moved, begin, now())
            figures = report.figures(writes, phase)
            if figures.io_errors:
                raise LabError(f"{figures.io_errors} writes failed during a switchover")
            row.stalls.append(figures.stall_ms / 1000)
    made.esx.succeed("iscsiadm -m node --logoutall=all")
    return row


def _idle(made: Pair, row: Row, moved: str) -> Row:
    for number in range(1, _MOVES + 1):
        name = f"{row.name}, {row.luns} LUN(s), {number} of {_MOVES}"
        row.away.append(_move(made, moved, "idle_p_portal", name))
    return row


@contextmanager
def _writing(made: Pair, disk: str) -> Iterator[None]:
    made.esx.succeed(f"rm -f {_LOG} {_STOP}")
    thread = threading.Thread(target=made.esx.run, args=(f"{_PROBE} --disk {disk}",), kwargs={"timeout": 1000.0})
    thread.start()
    try:
        made.esx.wait_until(f"test $(wc -l <{_LOG}) -gt 20", "the probe writes", 60)
        yield
    finally:
        made.esx.succeed(f"touch {_STOP}")
        thread.join()


def _move(made: Pair, moved: str, last: str, name: str) -> float:
    """Move the resource `moved` to the other node; returns the seconds from the stop of the resource `last` to its
    start.
    """
    made.wait_until_idle(120)
    target = _elsewhere(made, last)
    with progress.step(f"Switchover, {name}: to {target}"):
        begin = now()
        made.atlas.succeed(f"crm_resource --resource {moved} --move --node {target}")
        target.wait_until(
            f"journalctl --since=@{int(begin)} -t pacemaker-controld"
            f" | grep -q 'Result of start operation for {last} on {target}: OK'",
            f"{last} has moved",
            180,
            interval=1.0,
        )
        made.wait_until_idle(120)
        made.atlas.succeed(f"crm_resource --resource {moved} --clear")
    return _away(made, last, begin)


def _elsewhere(made: Pair, resource: str) -> Machine:
    where = made.atlas.succeed(f"crm_resource --resource {resource} --locate")
    return made.zeus if "on: atlas" in where else made.atlas


def _away(made: Pair, resource: str, begin: float) -> float:
    """The seconds from the stop of a resource to its start."""
    ends = {
        operation.action: operation.time
        for operation in operations.read(made.servers, begin)
        if operation.resource == resource
    }
    if not {"stop", "start"} <= ends.keys():
        raise LabError(f"the journals do not tell when {resource} stopped and started")
    return ends["start"] - ends["stop"]


def _stop_all(made: Pair) -> None:
    """Stop all that is served, in its order."""
    live = _live(made)
    for resource in _served(live):
        meta = resource.find("meta_attributes")
        if meta is None:
            meta = etree.SubElement(resource, "meta_attributes", id=f"{resource.get('id')}-bench")
            resource.insert(0, meta)
        etree.SubElement(meta, "nvpair", id=f"{resource.get('id')}-bench-role", name="target-role", value="Stopped")
    _replace(made, live)


def _load(made: Pair, text: str) -> None:
    """Replace all that is served by what a configuration has; wait until it is up."""
    live, new = _live(made), etree.fromstring(text.encode())
    resources, constraints = _only(live, "resources"), _only(live, "constraints")
    for resource in _served(live):
        resources.remove(resource)
    for constraint in [each for each in constraints if not str(each.get("rsc")).startswith("fence_")]:
        constraints.remove(constraint)
    resources.extend(_served(new))
    constraints.extend(list(new.iter("rsc_order", "rsc_colocation")))
    with progress.step("Loading another configuration"):
        _replace(made, live)


def _live(made: Pair) -> etree._Element:
    return etree.fromstring(made.atlas.succeed("cibadmin --query --scope configuration").encode())


def _served(configuration: etree._Element) -> list[etree._Element]:
    """The resources other than fence devices."""
    return [each for each in _only(configuration, "resources") if each.get("class") != "stonith"]


def _only(configuration: etree._Element, tag: str) -> etree._Element:
    found = configuration.find(f".//{tag}")
    assert found is not None, tag
    return found


def _replace(made: Pair, configuration: etree._Element) -> None:
    made.atlas.succeed("cibadmin --replace --scope configuration --xml-pipe", stdin=etree.tostring(configuration))
    made.wait_until_idle(180)


def _report(rows: list[Row]) -> None:
    idle = {row.luns: statistics.median(row.away) for row in rows if row.name == "agents that do nothing"}
    result = [
        {
            "agents": row.name,
            "luns": row.luns,
            "away_s": row.away,
            "median_away_s": statistics.median(row.away),
            "to_doing_nothing": round(statistics.median(row.away) / idle[row.luns], 2),
            "stall_s": row.stalls,
            **({"median_stall_s": statistics.median(row.stalls)} if row.stalls else {}),
        }
        for row in rows
    ]
    place = build_folder("bench") / "result.json"
    place.write_text(json.dumps({"switchover": result}, indent=2) + "\n", encoding="ascii")
    print("\nswitchover: the address is away, and no write is acknowledged, for\n")
    print(f"{'agents':<24}{'LUNs':>5}{'away':>9}{'range':>16}{': nothing':>11}{'stall':>9}{'range':>16}")
    for row, figures in zip(rows, result):
        line = f"{row.name:<24}{row.luns:>5}" + _cells(row.away) + f"{figures['to_doing_nothing']:>11}"
        print(line + (_cells(row.stalls) if row.stalls else ""))
    print(f"\nThe figures: {place}")


def _cells(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):>7.1f} s" + f"{min(seconds):.1f} to {max(seconds):.1f} s".rjust(16)
