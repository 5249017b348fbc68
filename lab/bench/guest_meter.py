# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs programs one after the other in a guest and measures each: ``python3 -IS meter <steps.json``.

A step is an object with `argv`, `environment` and `expected`, the exit codes after which the next step follows; `aged`,
files that are dated back beforehand; `until`, a file and a regular expression that its content has to match before the
step begins; `ended`, a pattern of files whose removal ends what the step left in the background; `traced`, whether
strace writes down the programs that it starts. What is printed is a list of readings, one for each step that was run.

Each step runs in a control group of its own. So what goes on in the background after its end is counted, and is waited
for: no step is disturbed by the one before it.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import select
import sys
import time
from typing import Any

_ROOT = "/sys/fs/cgroup"
_GROUP = f"{_ROOT}/bench"
_ERRORS, _TRACE = "/run/bench.errors", "/run/bench.trace"

# -D: the step stays this program's child, and strace ends with the last process that the step leaves behind.
_STRACE = ("/usr/bin/strace", "-D", "-f", "-qq", "-s", "0", "-e", "signal=none")
_CALLS = ("-e", "trace=execve,clone,clone3,fork,vfork", "-o", _TRACE)

# More than the time after which any of the agents' notes is old.
_SECONDS_AGED = 400
_SECONDS_FOR_STATE = 60
_SECONDS_FOR_BACKGROUND = 40


def main() -> int:
    """Run the steps; returns the exit status."""
    # What a group's memory is can be asked only where its parent counts memory.
    _write(f"{_ROOT}/cgroup.subtree_control", "+memory")
    readings = []
    for step in json.load(sys.stdin):
        readings.append(_run(step))
        if readings[-1]["status"] not in step["expected"]:
            break
    print(json.dumps(readings))
    return 0


def _run(step: dict[str, Any]) -> dict[str, Any]:
    for path in step["aged"]:
        with contextlib.suppress(FileNotFoundError):
            old = os.stat(path).st_mtime - _SECONDS_AGED
            os.utime(path, (old, old))
    if step["until"] and not _matches(*step["until"]):
        return {"status": -1, "errors": f"{step['until'][0]} does not become {step['until'][1]}"}
    argv = [*_STRACE, *_CALLS, *step["argv"]] if step["traced"] else step["argv"]
    os.mkdir(_GROUP)
    try:
        reading = _measure(argv, step["environment"])
        for path in glob.glob(step["ended"]):
            os.unlink(path)
        _wait_until_empty(_GROUP)
        usage = dict(line.split() for line in _read(f"{_GROUP}/cpu.stat").splitlines())
        reading["all_cpu"] = int(usage["usage_usec"]) / 1e6
        reading["memory"] = int(_read(f"{_GROUP}/memory.peak"))
    finally:
        os.rmdir(_GROUP)
    reading["errors"] = _read(_ERRORS)
    reading["trace"] = _read(_TRACE) if step["traced"] else ""
    return reading


def _measure(argv: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a program; returns its exit status, and the seconds that it took and used of the processor."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _become(argv, environment, writer)
    os.close(writer)
    _, status, usage = os.wait4(child, 0)
    end = time.monotonic()
    # What this program's copy did before it became the step is not the step's.
    begin, used = map(float, os.read(reader, 100).split())
    os.close(reader)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "wall": end - begin,
        "cpu": usage.ru_utime + usage.ru_stime - used,
    }


def _become(argv: list[str], environment: dict[str, str], writer: int) -> None:
    try:
        _write(f"{_GROUP}/cgroup.procs", "0")
        null = os.open(os.devnull, os.O_RDWR)
        errors = os.open(_ERRORS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor, number in ((null, 0), (null, 1), (errors, 2)):
            os.dup2(descriptor, number)
        os.write(writer, f"{time.monotonic()} {time.process_time()}".encode())
        os.execve(argv[0], argv, environment)
    finally:
        os._exit(127)


def _matches(path: str, pattern: str) -> bool:
    """Whether a file comes to match in time."""
    limit = time.monotonic() + _SECONDS_FOR_STATE
    while not re.search(pattern, _read(path)):
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


def _wait_until_empty(group: str) -> None:
    """Wait until a control group has no process; what does not end in time is killed."""
    limit = time.monotonic() + _SECONDS_FOR_BACKGROUND
    with open(f"{group}/cgroup.events", encoding="ascii") as file:
        poll = select.poll()
        poll.register(file, select.POLLPRI)
        while "populated 1" in file.read():
            if time.monotonic() > limit:
                _write(f"{group}/cgroup.kill", "1")
            poll.poll(1000)
            file.seek(0)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main())
