# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from strace, and from the meter."""

from __future__ import annotations

import json
from typing import cast

import pytest

from lab.bench import metering
from lab.bench.metering import Reading, Step
from lab.errors import LabError
from lab.machine import Machine

TRACE = """\
901 execve("/usr/lib/ocf/resource.d/heartbeat/IPaddr2", [...], 0x7ffd /* 20 vars */) = 0
901 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 902
902 execve("/usr/local/bin/sed", [...], 0x55 /* 21 vars */) = -1 ENOENT (No such file or directory)
901 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD <unfinished ...>
902 execve("/usr/bin/sed", [...], 0x55 /* 21 vars */ <unfinished ...>
901 <... clone resumed>, child_tidptr=0x7f) = 903
902 <... execve resumed>)             = 0
903 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD|CLONE_SIGHAND, stack_size=0x7f} => {parent_tid=[904]}, 88) = 904
903 clone3({flags=CLONE_VM|CLONE_THREAD, stack_size=0x7f} <unfinished ...>
903 <... clone3 resumed> => {parent_tid=[905]}, 88) = 905
903 vfork( <unfinished ...>
906 execve("/usr/sbin/ip", [...], 0x55 /* 21 vars */) = 0
903 <... vfork resumed>)              = 906
901 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88) = -1 EAGAIN (Resource temporarily unavailable)
902 +++ exited with 0 +++
"""


class FakeMachine:
    def __init__(self, *answers: dict[str, object]) -> None:
        self.answers = answers
        self.asked: list[dict[str, object]] = []

    def succeed(self, _command: list[str], *, stdin: bytes, timeout: float) -> str:
        self.asked = json.loads(stdin)
        return json.dumps(self.answers)


def _answer(status: int = 0, trace: str = "") -> dict[str, object]:
    values = {"wall": 0.5, "cpu": 0.25, "all_cpu": 0.375, "memory": 3 << 20}
    return {"status": status, "errors": "ocf-exit-reason:no", "trace": trace, **values}


def test_programs_and_processes_are_counted() -> None:
    assert metering.count(TRACE) == (2, 3)


def test_an_action_that_starts_nothing() -> None:
    assert metering.count('execve("/agent", [...], 0x7f /* 3 vars */) = 0\n') == (0, 0)


def test_a_reading_has_counts_if_it_was_traced() -> None:
    machine = FakeMachine(_answer(), _answer(trace=TRACE))
    steps = [Step(["/agent"]), Step(["/agent"], traced=True)]
    found = metering.run(cast("Machine", machine), steps)
    assert found == [Reading(0.5, 0.25, 0.375, 3.0), Reading(0.5, 0.25, 0.375, 3.0, 2, 3)]
    assert [each["traced"] for each in machine.asked] == [False, True]


def test_an_action_that_fails_is_named() -> None:
    machine = FakeMachine(_answer(), _answer(status=7))
    with pytest.raises(LabError, match=r"/agent stop on .* ended with 7: ocf-exit-reason:no"):
        metering.run(cast("Machine", machine), [Step(["/a"]), Step(["/agent", "stop"]), Step(["/b"])])
