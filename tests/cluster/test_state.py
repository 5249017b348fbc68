# SPDX-License-Identifier: GPL-2.0-or-later
"""The state volume: what was written to it before an answer is there after a power cut, whenever that comes."""

from __future__ import annotations

from lab.machine import Machine, wait_until
from lab.pair import RESOURCE, Pair

_FOLDER = f"/run/twinsan/state.{RESOURCE}/reservations"
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
from twinsan.system import state
open(sys.argv[1], "w").close()
state.make_synchronous(sys.argv[1])
with open(sys.argv[1], "w") as file:
    file.write(sys.argv[2])
"""


def test_a_power_cut_between_truncation_and_write(recovering: Pair, active: Machine, passive: Machine) -> None:
    """The worst moment for a file that is written anew at each command: its old text is gone, the new one not there."""
    whole, broken = f"{_FOLDER}/whole", f"{_FOLDER}/broken"
    for path, text in ((whole, "old"), (broken, "old")):
        active.succeed(["python3", "-c", _WRITE, path, text])
    active.copy({"/run/truncate.py": _TRUNCATE.encode()})
    active.succeed(f"setsid python3 /run/truncate.py {broken} >/dev/null 2>&1 </dev/null &")
    active.wait_until("test -e /run/truncated", "the file is truncated", 30)
    assert active.read(broken) == ""
    # Another LUN's, whole, in between.
    active.succeed(["python3", "-c", _WRITE, whole, "newer"])
    active.power_off()
    recovering.wait_until_serving(on=passive)
    assert (passive.read(whole), passive.read(broken)) == ("newer", "old")
    passive.succeed(f"rm {whole} {broken}")


def test_it_is_where_the_replica_is_promoted_and_nowhere_else(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    mounted = f"mountpoint --quiet {_FOLDER.rpartition('/')[0]}"
    active.succeed(mounted)
    passive.fail(mounted)
    recovering.move(passive)
    passive.succeed(mounted)
    wait_until(lambda: active.run(mounted).status != 0, "the other server has unmounted it", 60)
    assert "is not mounted" not in passive.succeed("crm_mon -1")
