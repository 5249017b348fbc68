# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of the tables in tests/states, in a guest: state_driver does there what a plan asks for.

A resource of DRBD is there for the tables alone, on loop devices of both servers, with its own port and minor number.
"""

from __future__ import annotations

import itertools
import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import control
from lab.errors import LabError
from lab.host import installation
from lab.machine import Machine
from tests.cluster import hand
from tests.states import drbd_vaai, lio_iscsi_target, lio_lun, portal_ip
from tests.states.state import ACTIONS, RUN, Item, State

TABLES = {
    "lio-iscsi-target": (lio_iscsi_target.STATES, lio_iscsi_target.USUAL),
    "lio-lun": (lio_lun.STATES, lio_lun.USUAL),
    "portal-ip": (portal_ip.STATES, portal_ip.USUAL),
    "drbd-vaai": (drbd_vaai.STATES, drbd_vaai.USUAL),
}
_DRBD = drbd_vaai.RESOURCE
_VERBS = "/run/verbs.sh"
# Many times what a row takes.
_SECONDS = 300
# As hand.line has it, and the lab's control.
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "OCF_ROOT": "/usr/lib/ocf",
    "OCF_RESOURCE_INSTANCE": "by-test",
}

_RESOURCE = f"""
resource {_DRBD} {{
  device /dev/drbd{drbd_vaai.MINOR}; disk {RUN}/replica; meta-disk internal;
  options {{ on-no-data-accessible suspend-io; }}
  handlers {{ split-brain "/usr/sbin/twinsan split-brain"; }}
  net {{ protocol C; connect-int 1; ping-int 1; ping-timeout 10; timeout 9; }}
  disk {{ resync-rate 500M; c-plan-ahead 0; c-min-rate 0; }}
  on atlas {{ address 10.0.5.2:7799; }}
  on zeus {{ address 10.0.5.3:7799; }}
}}
"""


class GuestWorld:
    """A server to make states on, its peer, and a bare guest, which has none of the modules."""

    def __init__(self, server: Machine, peer: Machine, bare: Machine) -> None:
        self._server, self._peer, self._bare = server, peer, bare
        self._drivers: dict[Machine, Driver] = {}

    def load(self) -> None:
        """Load what the agents would load, and nobody unloads."""
        for server in (self._server, self._peer):
            server.succeed(
                "modprobe -a loop veth target_core_mod target_core_iblock iscsi_target_mod;"
                " mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config;"
                f" mkdir -p {hand.CONFIGFS}/iscsi"
            )

    def prepare(self) -> None:
        """Make disks, a network and the resource of DRBD."""
        for guest in (self._server, self._peer, self._bare):
            guest.copy({_VERBS: Path(__file__).parent / "verbs.sh"})
        with installation() as usr:
            self._bare.copy({"/usr": usr})
        self._bare.succeed("modprobe -r drbd")
        for server in (self._server, self._peer):
            server.copy({f"/etc/drbd.d/{_DRBD}.res": _RESOURCE.encode()})
            server.succeed(
                f"set -e; mkdir -p {RUN}; cd {RUN}; for name in disk other replica; do"
                f" truncate -s {lio_lun.SIZE} $name.img; ln -s $(losetup --find --show $name.img) $name; done;"
                f" drbdadm create-md --force {_DRBD} </dev/null; drbdadm up {_DRBD}"
            )
        self._server.wait_until(f"drbdadm cstate {_DRBD} | grep -qx Connected", "the replicas are connected", 30)
        self._server.succeed(f"drbdadm -- --clear-bitmap new-current-uuid {_DRBD}")
        self._server.wait_until(f"drbdadm dstate {_DRBD} | grep -qx UpToDate/UpToDate", "they are up to date", 30)
        self._server.succeed(
            f"set -e; drbdadm down {_DRBD}; ip netns add states;"
            " ip link add test0 type veth peer name far0 netns states;"
            " ip link add other0 type veth peer name far1 netns states;"
            " ip link set test0 addrgenmode none; ip link set other0 addrgenmode none;"
            " ip address add 10.77.0.2/24 dev test0; ip address add fd77::2/64 dev test0 nodad;"
            " ip link set test0 up; ip link set other0 up; ip -n states link set far1 up;"
            " ip -n states address add 10.77.0.9/24 dev far0;"
            " ip -n states address add fd77::9/64 dev far0 nodad; ip -n states link set far0 up"
        )

        hand.expect(self._server, 0, "lio-iscsi-target", "start", **lio_lun.TARGET)

    def clear(self) -> None:
        """Leave the guests as they were."""
        self._close_drivers()
        hand.expect(self._server, 0, "lio-iscsi-target", "stop", **lio_lun.TARGET)
        self._server.succeed("ip link del test0; ip link del other0; ip netns del states")
        for server in (self._server, self._peer):
            server.succeed(
                f"set -e; drbdadm down {_DRBD}; rm /etc/drbd.d/{_DRBD}.res; cd {RUN};"
                f" for name in disk other replica; do losetup -d $(readlink $name); done; rm -r {RUN} {_VERBS}"
            )

    def carry_out(self, agent: str, row: State, items: list[Item], executable: bool) -> list[tuple[int, str]]:
        """The results of a plan; `executable`: each action is a start of the agent's executable."""
        try:
            return self._carry_out(agent, row, items, executable)
        except LabError:
            # What is left of the row ends with its drivers.
            self._close_drivers()
            raise

    def _carry_out(self, agent: str, row: State, items: list[Item], executable: bool) -> list[tuple[int, str]]:
        asked = [_asked(agent, row, item, executable) for item in items]
        here = self._driver(self._server if row.host == "server" else self._bare, agent)
        if row.host == "bare":
            here.do([_step("no_module")])
        results: list[tuple[int, str]] = []
        for peers, part in itertools.groupby(asked, key=lambda one: one["peer"]):
            if not peers:
                results += here.do(list(part))
                continue
            for one in part:
                there = self._driver(self._peer, agent)
                (result,) = there.do([one])
                there.end_row()
                # And it was seen here.
                (seen,) = here.do([_step("seen", *one["words"][1:])])
                results.append(seen if result[0] == 0 else result)
        here.end_row()
        return results

    def _close_drivers(self) -> None:
        for driver in self._drivers.values():
            driver.close()
        self._drivers.clear()

    def _driver(self, machine: Machine, agent: str) -> Driver:
        """The driver of an agent's rows in a guest; the one of another agent ends."""
        known = self._drivers.get(machine)
        if known is None or known.agent != agent:
            if known is not None:
                known.close()
            others = ["lio-iscsi-target"] if agent == "lio-lun" else []
            known = self._drivers[machine] = Driver(machine, agent, others)
        return known


class Driver:
    """A state_driver that runs in a guest, for the rows of one agent."""

    def __init__(self, machine: Machine, agent: str, others: list[str]) -> None:
        self.agent = agent
        self._channel = control.Channel(machine.address, [*hand.driver(machine, "state_driver"), agent, *others])
        self._read = b""

    def do(self, asked: list[dict[str, Any]]) -> list[tuple[int, str]]:
        """Do things in the present row, or in a new one where none has begun; returns their results."""
        self._channel.send(control.STDIN, json.dumps(asked).encode() + b"\n")
        said = b""
        end = time.monotonic() + _SECONDS
        while b"\n" not in self._read:
            kind, payload = self._channel.receive(end)
            if kind == control.EXIT:
                raise LabError(f"the driver of {self.agent} has ended: {said.decode(errors='replace')}")
            if kind == control.STDOUT:
                self._read += payload
            else:
                said += payload
        line, _, self._read = self._read.partition(b"\n")
        return [(code, text) for code, text in json.loads(line)]

    def end_row(self) -> None:
        """What comes next belongs to another row."""
        self.do([])

    def close(self) -> None:
        """End it."""
        self._channel.close()


def _step(verb: str, *words: str) -> dict[str, Any]:
    return {"kind": "step", "words": [verb, *words], "peer": verb == "peer"}


def _asked(agent: str, row: State, item: Item, executable: bool) -> dict[str, Any]:
    """An item, as state_driver takes it."""
    usual = TABLES[agent][1]

    def call(name: str, action: str, values: Mapping[str, str], then: str = "") -> dict[str, Any]:
        environment = {**_ENVIRONMENT, **{f"OCF_RESKEY_{key}": value for key, value in values.items()}}
        told = {"agent": name, "action": action, "environment": environment, "executable": executable}
        return {"kind": "call", "call": told, "then": then, "peer": False}

    if item.kind == "objects":
        return {"kind": "objects", "peer": False}
    if item.kind == "call":
        action, told = ACTIONS[item.text]
        return call(agent, action, {**usual, **told, **({} if item.usual else row.given)})
    verb, *arguments = shlex.split(item.text)
    if verb == "target":
        return call("lio-iscsi-target", arguments[0], lio_lun.TARGET)
    if verb == "start":
        return call(agent, verb, usual, then="in_sync" if agent == "drbd-vaai" else "")
    if verb == "promote":
        return call(agent, verb, usual)
    return _step(verb, *arguments)
