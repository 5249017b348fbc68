# SPDX-License-Identifier: GPL-2.0-or-later
"""The state volume: where it is mounted, and files in it that a power cut catches at the worst moment."""

from __future__ import annotations

from lab.machine import Machine
from lab.pair import RESOURCE

_MOUNT = f"/run/twinsan/state.{RESOURCE}"
_WHOLE, _BROKEN = (f"{_MOUNT}/reservations/{name}" for name in ("whole", "broken"))
# As the kernel does for PERSISTENT RESERVE OUT (target_core_pr.c, __core_scsi3_write_aptpl_to_file), up to the middle.
_TRUNCATE = """
import os, sys, time
os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
open("/run/truncated", "w").close()
time.sleep(300)
"""
_WRITE = """
import os, sys
sys.path.insert(0, "/usr/lib")
from twinsan.host import durable_file
open(sys.argv[1], "w").close()
durable_file.make_synchronous(sys.argv[1])
with open(sys.argv[1], "w") as file:
    file.write(sys.argv[2])
"""


def is_mounted(server: Machine) -> bool:
    """Whether a server has the volume mounted."""
    return server.run(f"mountpoint --quiet {_MOUNT}").status == 0


def leave_a_file_half_written(active: Machine) -> None:
    """The worst moment for a file that is written anew at each command: its old text is gone, the new one not there."""
    for path in (_WHOLE, _BROKEN):
        active.succeed(["python3", "-c", _WRITE, path, "old"])
    active.copy({"/run/truncate.py": _TRUNCATE.encode()})
    active.succeed(f"setsid python3 /run/truncate.py {_BROKEN} >/dev/null 2>&1 </dev/null &")
    active.wait_until("test -e /run/truncated", "the file is truncated", 30)
    assert active.read(_BROKEN) == ""
    # Another LUN's, whole, in between.
    active.succeed(["python3", "-c", _WRITE, _WHOLE, "newer"])


def take_the_files(server: Machine) -> tuple[str, str]:
    """What the server that serves after a power cut has of the file that was whole, and of the half-written one. They
    are removed.
    """
    texts = server.read(_WHOLE), server.read(_BROKEN)
    server.succeed(f"rm {_WHOLE} {_BROKEN}")
    return texts
