# SPDX-License-Identifier: GPL-2.0-or-later
"""What an action of an agent costs: time, processor time, memory, the programs and the processes that it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.machine import Machine

_METER = Path(__file__).with_name("guest_meter.py")
_PLACE = "/usr/local/lib/lab/meter"
_SECONDS = 900.0

# A line of strace -f: the process's number where there are several, then a call, or the rest of one.
_CALL = re.compile(r"^(?:(\d+) +)?(?:<\.\.\. )?(execve|clone3?|v?fork)(?:\(| resumed>)(.*)$")
_UNFINISHED = "<unfinished ...>"
_RESULT = re.compile(r"= (-?\d+)(?: [A-Z].*)?$")


@dataclass(frozen=True)
class Step:
    """A program to run in a guest. guest_meter.py says what the parts are."""

    argv: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    expected: Sequence[int] = (0,)
    aged: Sequence[str] = ()
    until: Sequence[str] = ()
    ended: str = ""
    traced: bool = False


@dataclass(frozen=True)
class Reading:
    """What a step took. `wall` are the seconds until its end, `cpu` those of the processor that it and the processes it
    waited for used, `all_cpu` with what it left in the background; `memory` is the most MiB that all of them had at a
    time. `programs` and `processes` are those that it started, itself and threads apart; None where it was not traced.
    """

    wall: float
    cpu: float
    all_cpu: float
    memory: float
    programs: int | None = None
    processes: int | None = None


def install(machine: Machine) -> None:
    """Copy the meter to a guest."""
    machine.copy({_PLACE: _METER})


def run(machine: Machine, steps: Iterable[Step]) -> list[Reading]:
    """Run the steps in their order. Raises LabError where one of them ends as it should not."""
    asked = list(steps)
    told = json.dumps([asdict(step) for step in asked]).encode()
    answers = json.loads(machine.succeed(["python3", "-IS", _PLACE], stdin=told, timeout=_SECONDS))
    step, last = asked[len(answers) - 1], answers[-1]
    if last["status"] not in step.expected:
        words = " ".join(step.argv)
        raise LabError(f"{words} on {machine} ended with {last['status']}: {last['errors'].strip()[-1000:]}")
    return [_reading(answer) for answer in answers]


def _reading(answer: dict[str, float | str]) -> Reading:
    wall, cpu, all_cpu, memory = (float(answer[name]) for name in ("wall", "cpu", "all_cpu", "memory"))
    programs, processes = count(str(answer["trace"])) if answer["trace"] else (None, None)
    return Reading(wall, cpu, all_cpu, memory / (1 << 20), programs, processes)


def count(trace: str) -> tuple[int, int]:
    """The programs and the processes, threads apart, that strace saw started; the first program is the traced one and
    does not count.
    """
    programs = processes = 0
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        match = _CALL.match(line)
        if not match:
            continue
        process, call, rest = match[1] or "", match[2], match[3]
        if rest.endswith(_UNFINISHED):
            begun[process] = rest
            continue
        rest = begun.pop(process, "") + rest if "resumed>" in line else rest
        result = _RESULT.search(rest)
        if result is None or int(result[1]) < 0:
            continue
        if call == "execve":
            programs += 1
        elif "CLONE_THREAD" not in rest:
            processes += 1
    return max(programs - 1, 0), processes
