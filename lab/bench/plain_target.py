# SPDX-License-Identifier: GPL-2.0-or-later
"""A target as plain targetcli makes it, with its defaults, for a device of the server that serves."""

from __future__ import annotations

from lab.errors import LabError
from lab.machine import Machine
from lab.pair import INITIATOR, PORTAL

IQN = "iqn.2003-01.org.example:plain"
# Beside the target of the agents, which stays on the usual port.
PORT = 3261

_CONFIGFS = "/sys/kernel/config/target"
_GROUP = f"/iscsi/{IQN}/tpg1"

# The default portal would be on all addresses and the usual port. Nothing is saved for the next boot.
_PREFERENCES = "set global auto_add_default_portal=false auto_save_on_exit=false"
_MAKE = f"""\
{_PREFERENCES}
/backstores/block create name=plain dev={{device}}
/iscsi create {IQN}
{_GROUP}/portals create {PORTAL} {PORT}
{_GROUP}/luns create /backstores/block/plain
{_GROUP}/acls create {INITIATOR}
exit
"""
_REMOVE = f"""\
{_PREFERENCES}
/iscsi delete {IQN}
/backstores/block delete plain
exit
"""
_NEEDED = (
    f"iscsi/{IQN}/tpgt_1/np/{PORTAL}:{PORT}",
    f"iscsi/{IQN}/tpgt_1/acls/{INITIATOR}/lun_0",
    f"iscsi/{IQN}/tpgt_1/lun/lun_0",
)


def make(server: Machine, device: str) -> None:
    """Make the target, with the device as its LUN 0. Raises LabError if targetcli did not make all of it."""
    said = _targetcli(server, _MAKE.format(device=device))
    tests = " && ".join(f"test -d '{_CONFIGFS}/{place}'" for place in _NEEDED)
    if server.run(tests).status != 0:
        raise LabError(f"targetcli has not made its target on {server}: {said}")


def remove(server: Machine) -> None:
    """Remove the target and its backstore. Raises LabError if one of them is left."""
    said = _targetcli(server, _REMOVE)
    if server.run(f"! test -e '{_CONFIGFS}/iscsi/{IQN}' && ! ls -d {_CONFIGFS}/core/*/plain").status != 0:
        raise LabError(f"targetcli has not removed its target on {server}: {said}")


def _targetcli(server: Machine, commands: str) -> str:
    """Have targetcli execute commands, which it does to the last whatever fails; returns what it said."""
    # Its preferences outlive it; those of other programs that call it stay as they are.
    result = server.run("TARGETCLI_HOME=/run/bench.targetcli targetcli 2>&1", stdin=commands.encode())
    return result.stdout
