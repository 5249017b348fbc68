# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair that stays: ``make lab`` starts it, ``lab/ssh`` reaches its guests, ``make lab-down`` ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from lab import namespace
from lab.errors import LabError
from lab.host import PROJECT, build_folder
from lab.pair import Pair, used

_STATE = PROJECT / "build" / "lab" / "pid"
NUMBERS = {"atlas": 2, "zeus": 3, "esx": 4}


def up(suite: str) -> int:
    """Start a pair in the background; returns when it serves, or has failed."""
    if running() is not None:
        raise LabError("a pair is running already: lab/ssh atlas; end it with: make lab-down")
    build_folder("lab")
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        os._exit(_keep(suite, writer))
    os.close(writer)
    # Not to the end: the process that stays outside the namespaces holds the other end as long as the pair runs.
    if os.read(reader, 5) != b"ready":
        raise LabError("the pair did not come up; the reason stands above")
    os.close(reader)
    print("\nA pair is running.  lab/ssh atlas    lab/ssh atlas crm_mon -1    make lab-down")
    return 0


def down() -> int:
    """End the pair that `up` started; 0 also where none runs."""
    pid = running()
    if pid is None:
        print("no pair is running")
        return 0
    os.kill(pid, signal.SIGTERM)
    while running() is not None:
        time.sleep(0.05)
    _STATE.unlink(missing_ok=True)
    print("the pair is down")
    return 0


def running() -> int | None:
    """The first process of the running pair's namespaces, or None."""
    try:
        pid = int(_STATE.read_text(encoding="ascii"))
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid if b"lab" in file.read() else None
    except (OSError, ValueError):
        return None


def _keep(suite: str, writer: int) -> int:
    """The background process: outlives the command that started it, until it is told to end."""
    os.setsid()

    def main() -> int:
        with used(Pair(suite)) as made:
            made.ready()
            made.log_in()
            sys.stdout.flush()
            _let_go_of_the_terminal()
            os.write(writer, b"ready")
            os.close(writer)
            signal.pause()
        return 0

    with contextlib.suppress(LabError):
        return namespace.enter(main, keep=True, tell_pid=_note)
    return 1


def _note(pid: int) -> None:
    """In the process that stays outside: it holds no pipe of the command that started it either."""
    _STATE.write_text(f"{pid}\n", encoding="ascii")
    _let_go_of_the_terminal()


def _let_go_of_the_terminal() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
