# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of the tables in tests/states, in a guest: a plan becomes a shell script, in which verbs.sh has the verbs.

It runs in a mount namespace of its own, so that a missing program is missing to nobody else. A resource of DRBD is
there for the tables alone, on loop devices of both servers, with its own port and minor number.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from lab.machine import Machine
from lab.pair import PROJECT
from tests.cluster import hand
from tests.states import drbd_vaai, lio_iscsi_target, lio_lun, portal_ip
from tests.states.state import ACTIONS, RUN, Item, State

TABLES = {
    "lio-iscsi-target": (lio_iscsi_target.STATES, lio_iscsi_target.USUAL),
    "lio-lun": (lio_lun.STATES, lio_lun.USUAL),
    "portal-ip": (portal_ip.STATES, portal_ip.USUAL),
    "drbd-vaai": (drbd_vaai.STATES, drbd_vaai.USUAL),
}
_INSTALLED = {"ocf/resource.d/twinsan": "agents", "twinsan": "lib/twinsan"}
_DRBD = drbd_vaai.RESOURCE
_VERBS = "/run/verbs.sh"
_MARK = "@@ result "

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
        self._bare.copy({f"/usr/lib/{place}": PROJECT / source for place, source in _INSTALLED.items()})
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
        hand.expect(self._server, 0, "lio-iscsi-target", "stop", **lio_lun.TARGET)
        self._server.succeed("ip link del test0; ip link del other0; ip netns del states")
        for server in (self._server, self._peer):
            server.succeed(
                f"set -e; drbdadm down {_DRBD}; rm /etc/drbd.d/{_DRBD}.res; cd {RUN};"
                f" for name in disk other replica; do losetup -d $(readlink $name); done; rm -r {RUN} {_VERBS}"
            )

    def carry_out(self, agent: str, row: State, items: list[Item]) -> list[tuple[int, str]]:
        """The results of a plan."""
        here, prelude = self._bare, f"AGENT={agent}\n. {_VERBS}\nno_module\n"
        if row.host == "server":
            here, prelude = self._server, f"AGENT={agent}\n. {_VERBS}\n{_agent_verbs(agent)}\n"
        results: list[tuple[int, str]] = []
        seen = ""
        for part in _parts(items):
            if _is_peers(part[0]):
                results += _results(self._peer, f". {_VERBS}\n", part, agent, row)
                seen = part[-1].text.replace("peer ", "seen ")
            else:
                results += _results(here, f"{prelude}{seen}\n", part, agent, row)
                seen = ""
        return results


def _parts(items: list[Item]) -> list[list[Item]]:
    """The items in their order, by who has to do them."""
    parts: list[list[Item]] = []
    for item in items:
        if parts and _is_peers(parts[-1][0]) == _is_peers(item):
            parts[-1].append(item)
        else:
            parts.append([item])
    return parts


def _is_peers(item: Item) -> bool:
    return item.kind == "step" and item.text.startswith("peer ")


def _agent_verbs(agent: str) -> str:
    usual = TABLES[agent][1]
    wait = "&& in_sync" if agent == "drbd-vaai" else ""
    return f"""
target() {{ {hand.line("lio-iscsi-target", '"$1"', **lio_lun.TARGET)}; }}
start() {{ {hand.line(agent, "start", **usual)} {wait}; }}
promote() {{ {hand.line(agent, "promote", **usual)}; }}
"""


def _results(machine: Machine, prelude: str, items: list[Item], agent: str, row: State) -> list[tuple[int, str]]:
    script = "\n".join([prelude, *(f"{_command(agent, row, item)}\necho; echo {_MARK}$code" for item in items)])
    printed = machine.run(["unshare", "--mount", "sh", "-c", script]).stdout
    texts = printed.split(f"\n{_MARK.strip()} ")
    results: list[tuple[int, str]] = []
    for text, following in zip(texts, texts[1:]):
        own = text if not results else text.partition("\n")[2]
        results.append((int(following.partition("\n")[0]), own.strip()))
    assert len(results) == len(items), printed
    return results


def _command(agent: str, row: State, item: Item) -> str:
    if item.kind == "objects":
        return "objects; code=0"
    if item.kind == "step":
        verb, *arguments = shlex.split(item.text)
        return f"{shlex.join([verb.replace('-', '_'), *arguments])}; code=$?"
    return f"$AS {_call(agent, item, {} if item.usual else row.given)}; code=$?"


def _call(agent: str, item: Item, given: Mapping[str, str]) -> str:
    action, told = ACTIONS[item.text]
    return hand.line(agent, action, **{**TABLES[agent][1], **told, **given})
