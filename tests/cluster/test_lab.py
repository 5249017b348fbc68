# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: its channel tells the truth, its cables can be pulled, and nothing of it outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import CommandFailed, WaitTimedOut
from lab.machine import Machine, wait_until
from lab.pair import Pair

_NESTED = """
import subprocess, sys
from lab import namespace, network

def main():
    network.create(["atlas"], [2])
    sleeper = subprocess.Popen(["sleep", "1000"])
    print("ready", flush=True)
    try:
        sleeper.wait()
    finally:
        # What the teardown of a test may take.
        sleeper.wait()
    return 0

# Nobody needs to wait for so long here.
namespace._SECONDS_TO_END = 2
sys.exit(namespace.enter(main))
"""


def test_the_exit_status_is_the_commands_own(pair: Pair) -> None:
    assert pair.esx.run("exit 42").status == 42
    assert pair.esx.run("kill -9 $$").status == -signal.SIGKILL
    assert pair.esx.run(["no-such-program"]).status == 127
    result = pair.esx.run("printf 'out\\n'; printf 'err\\n' >&2; cat", stdin=b"in")
    assert (result.stdout, result.stderr) == ("out\nin", "err\n")
    with pytest.raises(CommandFailed):
        pair.esx.succeed("false")


def test_a_command_that_takes_too_long_is_ended(pair: Pair) -> None:
    with pytest.raises(WaitTimedOut):
        pair.esx.run("exec sleep 987", timeout=1)
    pair.esx.wait_until("! pgrep -f '^sleep 987'", "the command is gone", 10)


def test_a_cable_can_be_pulled(pair: Pair) -> None:
    """The initiator's: it bears some seconds of silence without a word."""
    esx = pair.esx
    ping = "ping -c1 -W1 10.0.5.2"
    # A guest may be busy for a second; the cable is in all the same.
    esx.wait_until(ping, "atlas is reached", 20)
    esx.unplug("san")
    esx.fail(ping)
    esx.plug("san")
    esx.wait_until(ping, "the cable is back", 20)


def test_files_arrive_as_they_are(pair: Pair, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "file").write_bytes(content)
    pair.esx.copy({"/run/copied": tmp_path / "file"})
    assert pair.esx.succeed("stat -c %s /run/copied").strip() == str(len(content))
    assert "Linux version" in pair.esx.succeed("cat /proc/version")


def test_boots_are_counted_and_logged(active: Machine) -> None:
    assert active.boots >= 1
    assert "systemd" in active.journal()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_killed_lab(project: Path, number: signal.Signals) -> None:
    # Where all of this runs in the background of a shell, SIGINT is ignored, and would be by the lab as well.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-c", _NESTED], cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    family = _descendants(process.pid)
    assert len(family) == 2, family
    process.send_signal(number)
    process.wait(timeout=20)
    wait_until(lambda: not any(_alive(pid) for pid in family), "all processes of the lab are gone", 20, 0.05)
    process.stdout.close()


def _descendants(ancestor: int) -> list[int]:
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == ancestor:
                found += [int(entry), *_descendants(int(entry))]
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
