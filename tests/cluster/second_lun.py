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
    """The LUN for the time of the body, replicated; gives the path that the initiator has it at."""
    active = pair.wait_until_serving()
    with replicas(pair):
        for server in pair.servers:
            server.succeed(f"drbdadm up {RESOURCE}")
        wait_until_is(active, "cstate", "Connected")
        active.succeed(f"drbdadm -- --clear-bitmap new-current-uuid {RESOURCE}")
        wait_until_is(active, "dstate", "UpToDate/UpToDate")
        active.succeed(f"drbdadm primary {RESOURCE}")
        with served(pair, active) as disk:
            yield disk


@contextlib.contextmanager
def replicas(pair: Pair) -> Iterator[None]:
    """The resource for the time of the body: new meta data on both servers, and nothing is up."""
    try:
        for server in pair.servers:
            server.copy({_FILE: _CONFIGURATION.encode()})
            server.succeed(f"drbdadm create-md --force {RESOURCE} </dev/null")
        yield
    finally:
        # A Primary without a disk does not let its peer go.
        for server in pair.servers:
            server.run(f"drbdadm secondary {RESOURCE}")
        for server in pair.servers:
            server.succeed(f"drbdadm down {RESOURCE} && drbdadm -- --force wipe-md {RESOURCE} && rm {_FILE}")


@contextlib.contextmanager
def served(pair: Pair, active: Machine) -> Iterator[str]:
    """The Primary as a LUN for the time of the body; gives the path that the initiator has it at."""
    try:
        hand.expect(active, 0, "lio-lun", "start", **PARAMETERS)
        yield _find(pair.esx)
    finally:
        _forget(pair.esx)
        hand.expect(active, 0, "lio-lun", "stop", **PARAMETERS)


def wait_until_is(server: Machine, what: str, state: str, resource: str = RESOURCE) -> None:
    """Wait until all volumes of the resource have that cstate, dstate or role."""
    server.wait_until(f"! drbdadm {what} {resource} | grep -qvx {state}", f"{what} of {resource} is {state}", 120)


def _find(esx: Machine) -> str:
    # A session that is being recovered finds nothing new, and says nothing of it.
    esx.wait_until("iscsiadm -m session -P 1 | grep -q 'Session State: LOGGED_IN'", "the session works", 60)
    esx.succeed("iscsiadm -m session --rescan")
    block = f"/sys/class/scsi_device/*:{NUMBER}/device/block"
    esx.wait_until(f"ls {block}", f"LUN {NUMBER} is seen", 30)
    return "/dev/" + esx.succeed(f"ls {block}").strip()


def _forget(esx: Machine) -> None:
    """As an administrator has the initiator do it before a LUN is taken away, or after it is gone."""
    esx.succeed(
        f"for unit in /sys/class/scsi_device/*:{NUMBER}/device; do [ ! -e $unit ] || echo 1 >$unit/delete; done"
    )
