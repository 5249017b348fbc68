# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node sees of itself, for the rules and for the other node: plain values under names that stay, as JSON.

No secret is among them. What could not be seen is told under ``unseen``.
"""

from __future__ import annotations

import os
import time

from twinsan import __version__
from twinsan.errors import Failure
from twinsan.host import command, holders, kernel_files
from twinsan.operate.checks import corosync_conf, drbd_files, files, services, storage_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from twinsan.deadline import Deadline

    Found = TypeVar("Found")

# Files that both nodes have to have, the same, besides DRBD's.
_SHARED = ("/etc/corosync/corosync.conf", "/etc/corosync/authkey")
_HANDLER = "/usr/sbin/twinsan"
_AGENTS = "/usr/lib/ocf/resource.d/twinsan"
_NAMES = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")

# What the rules look at, and what it is.
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("twinsan", "host", "kernel", "drbd", "drbd_utils"), str),
    **dict.fromkeys(("resources", "files", "corosync", "saved_target", "firewall", "selinux", "sbd", "lvm"), dict),
    **dict.fromkeys(("multipath", "disks", "clock", "carried"), dict),
    **dict.fromkeys(("enabled", "unseen"), list),
    **dict.fromkeys(("agents", "handler"), bool),
    "node": (str, type(None)),
    "running": (list, type(None)),
    "corosync_running": (dict, type(None)),
    "thin": (list, type(None)),
    "held": (dict, type(None)),
    "networks": (dict, type(None)),
}


def collect(deadline: Deadline, root: str = "") -> dict[str, Any]:
    """Return what this node sees of itself. `root` is where its file system begins."""
    statements, drbd_conf = drbd_files.read(root)
    resources = drbd_files.resources(statements)
    at_boot = services.enabled(root)
    unseen: list[list[str]] = []
    corosync = kernel_files.text(f"{root}/etc/corosync/corosync.conf")
    found: dict[str, Any] = {
        "twinsan": __version__,
        "host": os.uname().nodename,
        "kernel": os.uname().release,
        "drbd": kernel_files.text(f"{root}/sys/module/drbd/version").strip(),
        "resources": resources,
        "files": files.of([*_SHARED, *drbd_conf], root),
        "corosync": corosync_conf.parse(corosync),
        "agents": all(os.access(f"{root}{_AGENTS}/{name}", os.X_OK) for name in _NAMES),
        "handler": os.access(f"{root}{_HANDLER}", os.X_OK),
        "enabled": at_boot,
        "saved_target": services.saved_target(root),
        "firewall": services.firewall(at_boot, root),
        "selinux": services.selinux(root),
        "sbd": services.sbd(at_boot, root),
        "lvm": storage_facts.lvm(root),
        "multipath": storage_facts.multipath(root),
        "disks": storage_facts.disks(resources, os.uname().nodename, root),
        "clock": {"now": time.time(), "synchronised": services.synchronised(), "apart": 0.0},
        "carried": {},
    }
    found["running"] = _try(unseen, "the programs that run", services.running)
    running = _try(unseen, "the values that corosync runs with", lambda: _running(deadline))
    found["corosync_running"] = running
    found["node"] = _node_name(running or {}) or found["host"]
    found["thin"] = _try(unseen, "the fill of thin pools", lambda: storage_facts.thin_pools(deadline, root))
    found["held"] = _try(unseen, "who holds the devices", lambda: _held(resources))
    found["networks"] = _try(unseen, "the network devices", storage_facts.networks)
    found["drbd_utils"] = _try(unseen, "the version of drbd-utils", lambda: _drbd_utils(resources, deadline)) or ""
    found["unseen"] = unseen
    return found


def _try(unseen: list[list[str]], what: str, look: Callable[[], Found]) -> Found | None:
    """Return what a look returns; None if it failed, which is noted."""
    try:
        return look()
    except (Failure, OSError, ImportError) as failure:
        unseen.append([what, str(failure)])
        return None


def _node_name(running: dict[str, str]) -> str:
    """The name that the cluster has for this node, by corosync; "" if it gives none."""
    place = running.get("nodelist.local_node_pos", "")
    return running.get(f"nodelist.node.{place}.name", "")


def _drbd_utils(resources: dict[str, Any], deadline: Deadline) -> str:
    """The version of drbd-utils, if their handler is used: others are not asked."""
    used = [value for each in resources.values() for value in each["options"].values()]
    if not any("crm-fence-peer" in value for value in used):
        return ""
    printed = command.run("drbdadm", "--version", deadline=deadline.within(deadline.remaining() / 2)).stdout
    return next((line.partition("=")[2] for line in printed.splitlines() if line.startswith("DRBDADM_VERSION=")), "")


def _running(deadline: Deadline) -> dict[str, str]:
    # It asks for each key of its own, and there are hundreds of others.
    wanted = ("totem.", "nodelist.", "quorum.", "runtime.config.totem.token", "runtime.config.totem.consensus")
    printed = command.run("corosync-cmapctl", *wanted, deadline=deadline.within(deadline.remaining() / 2)).stdout
    return {key: value for key, value in corosync_conf.running(printed).items() if key.startswith(wanted)}


def _held(resources: dict[str, Any]) -> dict[str, list[str]]:
    devices = [
        path for each in resources.values() for volume in each["volumes"].values() for path in volume["device"].values()
    ]
    names = dict.fromkeys(each.split()[0] for each in devices if each)
    return {device: [services.holder(each) for each in found] for device, found in holders.of_each(names).items()}


def is_whole(seen: object) -> bool:
    """Whether an answer has all that the rules look at: one of another version may have not."""
    return isinstance(seen, dict) and all(isinstance(seen.get(key), kind) for key, kind in _KINDS.items())
