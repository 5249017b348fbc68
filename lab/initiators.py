# SPDX-License-Identifier: GPL-2.0-or-later
"""Several initiators on esx: sessions with the portal under names of their own, each with its disks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from lab.errors import LabError
from lab.machine import Machine, wait_until
from lab.pair import IQN, PORTAL

# See lab/scsi.py.
Command = dict[str, Any]
Answer = dict[str, Any]

# What one nexus may have to be told, one after the other: power on, LUNs changed, reservations and registrations gone.
_ATTENTIONS = 6
# More than two servers need that boot together: a session that gives up fails its commands.
_PATIENCE_S = 900
_PLACE = re.compile(r"(/sys/class/iscsi_session/session\d+)/device/target\S*/[\d:]+:(\d+)/scsi_generic/(sg\d+)")


class Initiators:
    """Initiators of these names, which are iSCSI names and those of their interfaces on esx."""

    def __init__(self, esx: Machine, names: Sequence[str]) -> None:
        self._esx = esx
        self._names = names
        self._devices: dict[tuple[str, int], str] = {}

    def log_in(self, disks: int) -> None:
        """Log each in, and wait until it has seen so many disks."""
        for name in self._names:
            interface = f"iscsiadm -m iface -I {name} -o"
            self._esx.succeed(f"{interface} new && {interface} update -n iface.initiatorname -v {name}")
        ours = " ".join(f"-I {name}" for name in self._names)
        # Only new records: the others have sessions that live.
        self._esx.succeed(f"iscsiadm -m discovery -t sendtargets -o new -p {PORTAL} {ours}")
        # Dozens of disks: what udev would have to say of each costs minutes in a guest.
        self._esx.succeed("udevadm control --stop-exec-queue")
        for name in self._names:
            node = f"iscsiadm -m node -T {IQN} -p {PORTAL} -I {name}"
            self._esx.succeed(
                f"{node} -o update -n node.session.iscsi.DefaultTime2Wait -v 0"
                f" && {node} -o update -n node.session.timeo.replacement_timeout -v {_PATIENCE_S} && {node} --login"
            )
        wait_until(lambda: self._look() == disks * len(self._names), "every initiator sees every disk", 120)

    def log_out(self) -> None:
        """End the sessions, in whatever state they are, and leave no trace of them on esx."""
        for name in self._names:
            node = f"iscsiadm -m node -T {IQN} -p {PORTAL} -I {name}"
            self._esx.run(f"{node} --logout; {node} -o delete; iscsiadm -m iface -I {name} -o delete")
        self._esx.run("udevadm control --start-exec-queue")

    def wait_until_logged_in(self, server: Machine, timeout: float = 180) -> None:
        """Wait until all have a session with `server`: what esx says alone may be about one that is gone."""
        acls = " ".join(f"/sys/kernel/config/target/iscsi/{IQN}/tpgt_1/acls/{name}/info" for name in self._names)
        count = len(self._names)
        server.wait_until(f"test $(grep -l LOGGED_IN {acls} | wc -l) = {count}", "all have a session", timeout)
        states = "/sys/class/iscsi_session/*/state"
        self._esx.wait_until(f"! grep -qv LOGGED_IN {states}", "all sessions are back", timeout)

    def send(self, commands: Sequence[tuple[str, int, Command]], timeout: float = 120) -> list[Answer]:
        """Send commands, each from an initiator to a LUN, one after the other; returns the answers."""
        request = [
            {"attentions": _ATTENTIONS, "device": self._devices[name, lun], **command}
            for name, lun, command in commands
        ]
        told = self._esx.succeed("/usr/local/lib/lab/scsi", stdin=json.dumps(request).encode(), timeout=timeout)
        answers: list[Answer] = json.loads(told)
        if len(answers) != len(request):
            raise LabError(f"{len(request)} commands had {len(answers)} answers")
        return answers

    def answered(self, name: str, lun: int) -> int:
        """How many commands of the initiator the LUN has answered."""
        device = self._devices[name, lun].rpartition("/")[2]
        return int(self._esx.read(f"/sys/class/scsi_generic/{device}/device/iodone_cnt"), 16)

    def _look(self) -> int:
        told = self._esx.succeed(
            "grep -H . /sys/class/iscsi_session/*/initiatorname;"
            " ls -d /sys/class/iscsi_session/*/device/target*/*:*:*:*/scsi_generic/sg*"
        )
        owners = dict(re.findall(r"(/sys/class/iscsi_session/session\d+)/initiatorname:(\S+)", told))
        self._devices = {
            (owners[session], int(lun)): f"/dev/{device}"
            for session, lun, device in _PLACE.findall(told)
            if owners.get(session) in self._names
        }
        return len(self._devices)
