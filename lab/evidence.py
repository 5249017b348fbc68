# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest leaves behind: signs of defects after each test, and all its state when a test has failed."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.machine import Machine

FOLDER = Path(__file__).resolve().parent.parent / "build" / "evidence"

# A kernel's oops, a program's crash, an agent's defect. None of these may pass unseen, whatever else a test checks.
_DEFECTS = re.compile(
    r"\bOops\b|\bBUG: |kernel BUG at|Call Trace:|general protection|hung_task|blocked for more than"
    r"|Traceback \(most recent call last\)|segfault|dumped core|core dumped|status=\d+/(SEGV|ABRT)"
    r"|ocf-exit-reason:defect in| defect in (drbd-vaai|lio-|portal-ip)"
)

_CURSOR = "-- cursor: "

_COMMANDS = {
    "journal.txt": "journalctl --no-pager -b --output=short-precise",
    "kernel.txt": "dmesg",
    "processes.txt": "ps axfo pid,ppid,stat,etimes,wchan:20,args",
    "network.txt": "ip -details address; ip route; ss -antp",
    "cluster.txt": "crm_mon -1rfAn; corosync-cfgtool -s; corosync-quorumtool -s",
    "cib.xml": "cibadmin --query",
    "pacemaker.log": "cat /var/log/pacemaker/pacemaker.log",
    "drbd.txt": "test -e /proc/drbd && cat /proc/drbd && drbdsetup events2 --now && drbdadm dump",
    "configfs.txt": "cd /sys/kernel/config/target 2>/dev/null && timeout 10 find . -type f -o -type l | sort",
    "iscsi.txt": "iscsiadm -m session -P 3; cat /sys/class/block/sd*/device/state",
}


def defects(machine: Machine) -> list[str]:
    """Lines that tell of a defect, of those that were not judged before: of the present boot's journal, and of the
    console.
    """
    since = f"--after-cursor='{machine.journal_judged}'" if machine.journal_judged else "--boot"
    lines = machine.journal(f"{since} --show-cursor").splitlines()
    if lines and lines[-1].startswith(_CURSOR):
        machine.journal_judged = lines.pop().removeprefix(_CURSOR)
    console = machine.console.read_bytes()
    lines += console[machine.console_judged :].decode(errors="replace").splitlines()
    machine.console_judged = len(console)
    return [line for line in lines if _DEFECTS.search(line)]


def new_folder(name: str) -> Path:
    """A new folder for the state of a failure."""
    folder = FOLDER / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def collect(machines: Iterable[Machine], folder: Path) -> Path:
    """Write each guest's state below `folder`; a guest that does not answer leaves its console."""
    for machine in machines:
        place = folder / machine.name
        place.mkdir(parents=True, exist_ok=True)
        if machine.console.exists():
            shutil.copy(machine.console, place / "console.log")
        for name, command in _COMMANDS.items():
            if not machine.is_on:
                break
            try:
                result = machine.run(command, timeout=30)
                text = result.stdout + result.stderr
            except LabError as error:
                text = str(error)
            (place / name).write_text(text, encoding="utf-8")
    return folder
