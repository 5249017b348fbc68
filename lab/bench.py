# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a switchover takes, as a ratio to what Pacemaker itself needs for it.

The yardstick is the same configuration with agents that do nothing (ocf:pacemaker:Stateful and Dummy) in the place of
ours, on the same pair in the same run: what it takes is the cluster's own share. It is measured as shipped, and with
the clone notifications that other DRBD agents need. Leaves ``build/bench/result.json``.
"""

from __future__ import annotations

import json
import re
import statistics

from lab import operations, progress
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import TEMPLATE, Pair, build_folder, now, pair

_MOVES = 4
# What has a name of its own in the template; ids that are built from it begin with it.
_NAMED = re.compile(r'<(?:primitive|clone|group|rsc_order|rsc_colocation) id="([^"]+)"')
_AGENT = re.compile(r'provider="twinsan" type="([a-z-]+)"')
_VALUES = re.compile(r"<instance_attributes id=\"idle_.*?</instance_attributes>", re.DOTALL)


def run(suite: str) -> int:
    """Measure all; returns 0 where every move worked."""
    with pair(suite) as made:
        made.ready()
        made.log_in()
        ours = _measure(made, "g_san", "p_portal", "twinsan")
        for resource in ("g_san", "c_target", "ms_drbd"):
            made.atlas.succeed(f"crm resource stop {resource} && crm_resource --wait")
        with progress.step("Loading the same configuration with agents that do nothing"):
            made.atlas.copy({"/root/idle.xml": idle_configuration(TEMPLATE.read_text(encoding="ascii")).encode()})
            made.atlas.succeed("crm configure load xml update /root/idle.xml")
            made.atlas.wait_until("crm_resource --resource idle_p_portal --locate | grep -q 'on: '", "it runs", 120)
        idle = _measure(made, "idle_g_san", "idle_p_portal", "agents that do nothing")
        made.atlas.succeed("crm_resource --resource idle_ms_drbd --meta --set-parameter notify --parameter-value true")
        notified = _measure(made, "idle_g_san", "idle_p_portal", "the same, notified")
    _report({"twinsan": ours, "agents that do nothing": idle, "the same, notified": notified})
    return 0


def idle_configuration(template: str) -> str:
    """The template with agents that do nothing, under names of their own; the fencing is left out: it is there."""
    text = re.sub(r"<primitive id=\"fence_.*?</primitive>|<rsc_location .*?/>", "", template, flags=re.DOTALL)
    text = re.sub(r"<crm_config>.*?</crm_config>", "", text, flags=re.DOTALL)
    text = re.sub(rf'(?<=")({"|".join(_NAMED.findall(text))})', r"idle_\1", text)
    text = _AGENT.sub(lambda m: f'provider="pacemaker" type="{"Stateful" if m[1] == "drbd-vaai" else "Dummy"}"', text)
    return _VALUES.sub("", text)


def _measure(made: Pair, group: str, last: str, name: str) -> list[float]:
    """Move `group` to and fro; returns the seconds from the stop of its last member to that member's start."""
    taken = []
    for number in range(1, _MOVES + 1):
        made.atlas.succeed("crm_resource --wait")
        target = _elsewhere(made, last)
        with progress.step(f"Switchover {number} of {_MOVES}, {name}: to {target}"):
            begin = now()
            made.atlas.succeed(f"crm resource move {group} {target}")
            target.wait_until(
                f"journalctl --since=@{int(begin)} -t pacemaker-controld"
                f" | grep -q 'Result of start operation for {last} on {target}: OK'",
                f"{last} has moved",
                120,
                interval=1.0,
            )
            made.atlas.succeed(f"crm resource clear {group}")
            taken.append(_away(made, last, begin))
    return taken


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


def _report(taken: dict[str, list[float]]) -> None:
    ours, *others = (statistics.median(seconds) for seconds in taken.values())
    ratios = [1.0, *(ours / other for other in others)]
    rows = [
        {"agents": name, "seconds": seconds, "median_s": statistics.median(seconds), "twinsan_to_this": round(ratio, 2)}
        for (name, seconds), ratio in zip(taken.items(), ratios)
    ]
    place = build_folder("bench") / "result.json"
    place.write_text(json.dumps({"switchover": rows}, indent=2) + "\n", encoding="ascii")
    print("\nswitchover, from the stop of the address to its start\n")
    print(f"{'agents':<24}{'median':>10}{'shortest':>10}{'longest':>10}{'twinsan : this':>16}")
    for (name, seconds), ratio in zip(taken.items(), ratios):
        figures = (statistics.median(seconds), min(seconds), max(seconds))
        print(f"{name:<24}" + "".join(f"{figure:>8.1f} s" for figure in figures) + f"{ratio:>16.2f}")
    print(f"\nThe figures: {place}")
