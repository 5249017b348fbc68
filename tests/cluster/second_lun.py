# SPDX-License-Identifier: GPL-2.0-or-later
"""A second LUN of the pair's target, by hand: a resource of DRBD on the spare disks, Primary where the SAN serves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.machine import Machine
from lab.pair import IQN, Pair
from tests.cluster import hand

RESOURCE = "second"
MINOR = 9
NUMBER = 2
PARAMETERS = {"target_iqn": IQN, "lun": str(NUMBER), "path": f"/dev/drbd{MINOR}"}

_FILE = f"/etc/drbd.d/{RESOURCE}.res"
_CONFIGURATION = f"""
resource {RESOURCE} {{
  device /dev/drbd{MINOR}; disk /dev/ubdd; meta-disk internal;
  net {{ protocol C; ping-int 2; ping-timeout 10; timeout 15; connect-int 2; }}
  on atlas {{ address 10.0.5.2:7799; }}
  on zeus {{ address 10.0.5.3:7799; }}
}}
"""


@contextlib.contextmanager
def made(pair: Pair) -> Iterator[str]:
    """The LUN for the time of the body; gives the path that the initiator has it at."""
    active = pair.wait_until_serving()
    try:
        _replicate(pair, active)
        hand.expect(active, 0, "lio-lun", "start", **PARAMETERS)
        yield find(pair.esx)
    finally:
        forget(pair.esx)
        hand.expect(active, 0, "lio-lun", "stop", **PARAMETERS)
        for server in pair.servers:
            server.succeed(f"drbdadm down {RESOURCE} && drbdadm -- --force wipe-md {RESOURCE} && rm {_FILE}")


def _replicate(pair: Pair, active: Machine) -> None:
    for server in pair.servers:
        server.copy({_FILE: _CONFIGURATION.encode()})
        server.succeed(f"drbdadm create-md --force {RESOURCE} </dev/null && drbdadm up {RESOURCE}")
    active.wait_until(f"drbdadm cstate {RESOURCE} | grep -qx Connected", "the second replicas are connected", 60)
    active.succeed(f"drbdadm -- --clear-bitmap new-current-uuid {RESOURCE}")
    active.wait_until(f"drbdadm dstate {RESOURCE} | grep -qx UpToDate/UpToDate", "they are up to date", 60)
    active.succeed(f"drbdadm primary {RESOURCE}")


def find(esx: Machine) -> str:
    """Let the initiator look again for LUNs; returns the path of this one."""
    esx.succeed("iscsiadm -m session --rescan")
    block = f"/sys/class/scsi_device/*:{NUMBER}/device/block"
    esx.wait_until(f"ls {block}", f"LUN {NUMBER} is seen", 30)
    return "/dev/" + esx.succeed(f"ls {block}").strip()


def forget(esx: Machine) -> None:
    """Let the initiator forget the LUN, as an administrator does before it is taken away, or after it is gone."""
    esx.succeed(
        f"for unit in /sys/class/scsi_device/*:{NUMBER}/device; do [ ! -e $unit ] || echo 1 >$unit/delete; done"
    )
