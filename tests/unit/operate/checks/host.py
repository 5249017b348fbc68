# SPDX-License-Identifier: GPL-2.0-or-later
"""What both nodes of a healthy pair see of themselves: with the shipped files of DRBD and corosync."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.unit import agents
from tests.unit.operate.checks import mutation
from twinsan import __version__
from twinsan.operate.checks import corosync_conf, drbd_files
from twinsan.operate.checks.configuration import Configuration

Facts = dict[str, dict[str, Any]]

_DISK = {
    "disk": "/dev/sdb",
    "discard_max_bytes": "2147450880",
    "discard_granularity": "512",
    "rotational": "0",
    "write_cache": "write through",
    "logical_block_size": "512",
}


def resource_file(version: str = "9") -> str:
    """The shipped file of DRBD, with a secret of its own."""
    return (agents.ROOT / "drbd" / version / "san.res").read_text().replace("MAKE YOUR OWN", "0123456789abcdef")


def corosync(name: str = "corosync") -> str:
    """A shipped corosync.conf."""
    return (agents.ROOT / "examples" / f"{name}.conf").read_text()


def node(name: str, number: int, *, drbd: str = "9", res: str = "", conf: str = "") -> dict[str, Any]:
    """What a node sees of itself."""
    networks = {
        f"10.0.5.{number}": {"device": "eth0", "mtu": 1500, "works": True},
        f"10.0.6.{number + 10}": {"device": "eth1", "mtu": 1500, "works": True},
    }
    file = {"digest": "a", "mode": "600", "owner": 0}
    paths = ("/etc/corosync/corosync.conf", "/etc/corosync/authkey", "/etc/drbd.conf", "/etc/drbd.d/san.res")
    return {
        "twinsan": __version__,
        "host": name,
        "node": name,
        "kernel": "6.12.0",
        "drbd_utils": "",
        "drbd": "9.3.3" if drbd == "9" else "8.4.11",
        "resources": drbd_files.resources(drbd_files.parse(res or resource_file(drbd))),
        "files": {path: dict(file) for path in paths},
        "corosync": corosync_conf.parse(conf or corosync()),
        "corosync_running": {"runtime.config.totem.token": "3000", "runtime.config.totem.consensus": "1000"},
        "agents": True,
        "handler": True,
        "enabled": ["corosync.service", "pacemaker.service"],
        "running": ["corosync"],
        "saved_target": {},
        "firewall": {"on": [], "iscsi": False},
        "selinux": {"enforcing": False, "denied": ""},
        "sbd": {"enabled": False, "watchdog": "", "devices": "", "soft": False},
        "lvm": {"installed": False, "rejects": False, "devices_file": False},
        "multipath": {"blacklisted": False},
        "disks": {"san/0": dict(_DISK), "san/1": dict(_DISK)},
        "clock": {"now": 0.0, "synchronised": True, "apart": 0.0},
        "carried": {},
        "thin": [],
        "held": {"/dev/drbd0": ["LIO backstore iblock_0/p_lun1"], "/dev/drbd1": ["mounted on /run/twinsan/state/san"]},
        "networks": networks,
        "unseen": [],
    }


def pair(drbd: str = "9", *, res: str = "", conf: str = "") -> Facts:
    """What both nodes see."""
    return {
        "atlas": node("atlas", 2, drbd=drbd, res=res, conf=conf),
        "zeus": node("zeus", 3, drbd=drbd, res=res, conf=conf),
    }


def copy(facts: Facts) -> Facts:
    """A copy to change."""
    return deepcopy(facts)


def configuration(template: str = "san") -> Configuration:
    """A shipped template as a cluster runs it."""
    return Configuration.read(mutation.changed(template, mutation.live()), "cib.xml")
