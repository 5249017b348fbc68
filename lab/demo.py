# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: a SAN under a verifying write load survives a switchover and a power cut.

Leaves ``build/demo/``: result.json, timeline.svg, timeline.png and the load's log.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import chart, evidence, load, operations, progress, report
from lab.errors import LabError
from lab.host import build_folder, now
from lab.machine import Machine, wait_until
from lab.pair import Pair, used
from lab.report import Event, Phase

_LOG = "/run/load.csv"
_STOP = "/run/load.stop"
# Four writers; on two cores that carry five kernels a faster load would measure the host, not the failover.
_WRITES_PER_SECOND = 25
# Quiet seconds before, between and after the two events, so that the picture shows what normal is.
_QUIET = 8.0

_WORDS = {
    ("stop", "p_portal"): "address leaves {}",
    ("demote", "p_drbd"): "demoted on {}",
    ("promote", "p_drbd"): "promoted on {}",
    ("start", "p_portal"): "address on {}",
}


def run(suite: str) -> int:
    """Run it all; returns 0 where nothing was lost."""
    folder = build_folder("demo")
    with used(Pair(suite)) as made:
        made.ready()
        return Demonstration(made, folder).run()


class Demonstration:
    """One run on a pair that serves; files go to `folder`."""

    def __init__(self, made: Pair, folder: Path) -> None:
        self._pair = made
        self._folder = folder
        self._events: list[Event] = []
        self._disk = ""

    def run(self) -> int:
        """All phases in order; returns the exit status."""
        made = self._pair
        with progress.step("esx logs in"):
            if made.wait_until_serving() is not made.atlas:
                made.move(made.atlas)
            self._disk = made.log_in()
        self._show_disk()
        with self._load():
            with progress.step("A verifying write load runs"):
                self._quiet()
            switchover = self._switch_over()
            self._quiet()
            power_cut, recovery, fenced_ms = self._cut_power()
            self._quiet()
        return self._conclude([switchover, power_cut, recovery], fenced_ms)

    # -- phases --------------------------------------------------------------------------------------------------

    def _show_disk(self) -> None:
        esx, disk = self._pair.esx, self._disk
        limits, provisioning = esx.succeed(f"sg_vpd -p bl {disk}"), esx.succeed(f"sg_vpd -p lbpv {disk}")
        standard, page = esx.succeed(f"sg_inq {disk}"), esx.succeed(f"sg_vpd -p di {disk}")
        primitives = {
            "ATS": _number(r"Maximum compare and write length: (\S+)", limits) > 0,
            "XCOPY": "3PC=1" in standard,
            "WRITE SAME": _number(r"Maximum write same length: (\S+)", limits) > 0,
            # sg3-utils of bookworm and of trixie word it differently.
            "UNMAP": bool(re.search(r"LBPU(\)?: |=)1", provisioning)),
        }
        missing = [name for name, offered in primitives.items() if not offered]
        if missing:
            raise LabError(f"esx sees {disk} without {', '.join(missing)}")
        naa = re.search(r"0x6001405[0-9a-f]{25}", page)
        print(f"  esx sees one disk, {naa[0][2:] if naa else disk}, with {', '.join(primitives)}")

    def _switch_over(self) -> Phase:
        made, begin = self._pair, now()
        with progress.step("(a) crm_resource --resource g_san --move --node zeus"):
            self._events.append(Event(begin, "crm_resource --move"))
            made.move(made.zeus)
            self._wait_for_writes(now())
        phase = Phase("switchover", "crm_resource --resource g_san --move --node zeus", begin, now())
        self._note_operations(phase)
        return phase

    def _cut_power(self) -> tuple[Phase, Phase, int]:
        """Cut the power of the active server; returns the phase, the recovery, and after how many ms it was fenced."""
        made = self._pair
        victim = made.wait_until_serving()
        survivor = made.zeus if victim is made.atlas else made.atlas
        begin = now()
        with progress.step(f"(b) {victim} loses power; {survivor} fences it and takes over"):
            self._events.append(Event(begin, f"{victim} loses power"))
            victim.power_off()
            made.wait_until_serving(on=survivor)
            self._wait_for_writes(now())
        phase = Phase("power cut", f"{victim}, serving, loses power", begin, now())
        with progress.step(f"    {victim} comes back and resyncs"):
            made.wait_until_online()
            made.wait_until_in_sync()
        recovery = Phase("recovery", f"{victim} boots, joins, resyncs", phase.end, now())
        self._events.append(Event(recovery.end, f"{victim} in sync again"))
        fenced = operations.fenced(survivor, begin)
        if fenced is None:
            raise LabError(f"{survivor} never reported that it had fenced its peer")
        self._events.append(Event(fenced, f"{victim} is fenced"))
        self._note_operations(phase)
        return phase, recovery, round((fenced - begin) * 1000)

    # -- the end -------------------------------------------------------------------------------------------------

    def _conclude(self, phases: list[Phase], fenced_ms: int) -> int:
        made = self._pair
        with progress.step("(c) reading back every acknowledged write"):
            verify = f"/usr/local/lib/lab/load verify --disk {self._disk} --log {_LOG}"
            verdict = json.loads(made.esx.run(verify).stdout)
        with progress.step("    comparing the two replicas (drbdadm verify)"):
            out_of_sync = made.verify_replicas()
        text = made.esx.read(_LOG)
        (self._folder / "writes.csv").write_text(text, encoding="ascii")
        writes = list(load.parse(text.splitlines(keepends=True)))
        errors = sum(bool(write.error) for write in writes) + _kernel_errors(made.esx)
        switchover, power_cut, _ = phases
        outcome = report.result(
            writes,
            switchover=switchover,
            power_cut=power_cut,
            fenced_ms=fenced_ms,
            lost_writes=verdict["lost_writes"],
            out_of_sync_kib=out_of_sync,
        )
        (self._folder / "result.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="ascii")
        print("\n" + report.table(writes, phases))
        self._draw(writes, phases[:2], outcome, errors)
        return self._verdict(outcome, errors)

    def _draw(self, writes: list[load.Write], phases: list[Phase], outcome: dict[str, Any], errors: int) -> None:
        switchover, power_cut = (outcome[name]["stall_ms"] / 1000 for name in ("switchover", "power_cut"))
        caption = chart.Caption(
            "A switchover and a power cut, as the initiator saw them",
            f"{outcome['acknowledged_writes']:,} acknowledged writes, {outcome['lost_writes']} lost,"
            f" {errors} I/O errors; longest stall {switchover:.1f} s and {power_cut:.1f} s"
            " (user-mode kernels, three guests on one machine)",
        )
        events = sorted(self._events, key=lambda event: event.time)
        chart.draw(writes, events, report.stalls(writes), phases, caption, self._folder / "timeline")

    def _verdict(self, outcome: dict[str, Any], errors: int) -> int:
        print(
            f"\n{outcome['acknowledged_writes']} acknowledged writes, {outcome['lost_writes']} lost;"
            f" {errors} I/O errors at the initiator; {outcome['out_of_sync_kib']} KiB differ between the replicas"
        )
        print(f"The picture: {self._folder}/timeline.svg and .png; the figures: {self._folder}/result.json")
        found = [line for guest in self._pair.guests for line in evidence.defects(guest)]
        for line in found:
            print(f"defect: {line}")
        if report.passed(outcome, errors) and not found:
            return 0
        where = self._pair.collect(evidence.new_folder("demo"))
        print(f"FAILED; the state of all guests is in {where}")
        return 1

    # -- the load ------------------------------------------------------------------------------------------------

    @contextmanager
    def _load(self) -> Iterator[None]:
        esx = self._pair.esx
        where = f"--disk {self._disk} --log {_LOG} --stop-file {_STOP}"
        command = f"/usr/local/lib/lab/load run {where} --rate {_WRITES_PER_SECOND} --seconds 1200"
        thread = threading.Thread(target=esx.run, args=(command,), kwargs={"timeout": 1300.0}, daemon=True)
        thread.start()
        self._wait_for_writes(0)
        yield
        esx.succeed(f"touch {_STOP}")
        thread.join()

    def _quiet(self) -> None:
        """Let the load write for some seconds with nothing else happening."""
        self._wait_for_writes(now() + _QUIET)

    def _wait_for_writes(self, after: float) -> None:
        """Wait until a write that began after that time has been acknowledged."""

        def written() -> bool:
            last = self._pair.esx.run(f"tail -n 1 {_LOG}").stdout
            return any(write.start > after and not write.error for write in load.parse([last]))

        wait_until(written, "the initiator's writes are acknowledged", 300, interval=0.5)

    def _note_operations(self, phase: Phase) -> None:
        """Note what the controllers logged in the phase, at once: a server that loses power takes its log along."""
        for operation in operations.read(self._pair.servers, phase.begin):
            words = _WORDS.get((operation.action, operation.resource))
            if words and operation.time <= phase.end:
                self._events.append(Event(operation.time, words.format(operation.node)))


def _kernel_errors(esx: Machine) -> int:
    """I/O errors that the initiator's block layer reported."""
    return len(re.findall(r"I/O error, dev sd", esx.succeed("dmesg")))


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return int(match[1], 0) if match else 0
