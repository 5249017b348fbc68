# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks, thin pools, what might take a DRBD device for a disk of its own, and the networks of a node."""

from __future__ import annotations

import glob
import os
import re

from twinsan.host import command, kernel_files
from twinsan.network import addresses, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twinsan.deadline import Deadline

_QUEUE = ("discard_max_bytes", "discard_granularity", "rotational", "write_cache", "logical_block_size")


def disks(resources: dict[str, Any], host: str, root: str = "") -> dict[str, dict[str, str]]:
    """The limits of the disk of each volume, by resource and number, as in san/0."""
    found = {}
    for name, resource in resources.items():
        for number, volume in resource["volumes"].items():
            paths = volume.get("disk", {})
            disk = (paths.get(host) or paths.get("") or "").split()
            queue = _queue(disk[0], root) if disk else ""
            if queue:
                limits = {key: kernel_files.text(f"{queue}/{key}").strip() for key in _QUEUE}
                found[f"{name}/{number}"] = {"disk": disk[0], **limits}
    return found


def _queue(path: str, root: str) -> str:
    """The folder of the queue of a disk, "" if it is not there; a partition has its disk's."""
    name = os.path.basename(os.path.realpath(root + path))
    place = f"{root}/sys/class/block/{name}"
    if os.path.isdir(f"{place}/queue"):
        return f"{place}/queue"
    above = os.path.dirname(os.path.realpath(place))
    return f"{above}/queue" if os.path.isdir(f"{above}/queue") else ""


def thin_pools(deadline: Deadline, root: str = "") -> list[dict[str, Any]]:
    """The fill of each thin pool, in percent. A program is asked only if there is a pool."""
    names = {}
    for place in glob.glob(f"{root}/sys/block/dm-*/dm"):
        if kernel_files.text(f"{place}/uuid").strip().endswith("-tpool"):
            name = kernel_files.text(f"{place}/name").strip()
            names[name] = name
    if not names:
        return []
    program = deadline.within(deadline.remaining() / 2)
    printed = command.run("dmsetup", "status", "--target", "thin-pool", deadline=program).stdout
    found = []
    for line in printed.splitlines():
        # NAME: START LENGTH thin-pool TRANSACTION USED/ALL USED/ALL ...; the first pair is of the metadata.
        match = re.match(r"(\S+): \d+ \d+ thin-pool \d+ (\d+)/(\d+) (\d+)/(\d+)", line)
        if match:
            meta, data = (100 * int(match[n]) / max(1, int(match[n + 1])) for n in (2, 4))
            found.append({"pool": match[1], "data": round(data, 1), "metadata": round(meta, 1)})
    return found


def lvm(root: str = "") -> dict[str, bool]:
    """Whether LVM is there, and whether its settings keep it from DRBD's devices."""
    text = "".join(kernel_files.text(f"{root}/etc/lvm/{name}") for name in ("lvm.conf", "lvmlocal.conf"))
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    filters = re.findall(r"^\s*(?:global_)?filter\s*=\s*\[(.*?)\]", plain, re.MULTILINE | re.DOTALL)
    rejects = any(re.search(r'"r(.).*drbd.*\1"|"r(.)\.\*\2"|"r\|\^?/dev/', each) for each in filters)
    return {
        "installed": any(os.path.exists(f"{root}{folder}/lvm") for folder in ("/usr/sbin", "/sbin")),
        "rejects": rejects,
        "devices_file": os.path.exists(f"{root}/etc/lvm/devices/system.devices"),
    }


def multipath(root: str = "") -> dict[str, bool]:
    """Whether the settings of multipathd mention DRBD's devices."""
    paths = [f"{root}/etc/multipath.conf", *glob.glob(f"{root}/etc/multipath/conf.d/*.conf")]
    text = "".join(kernel_files.text(path) for path in paths)
    return {"blacklisted": "drbd" in text}


def networks() -> dict[str, dict[str, Any]]:
    """The network device of each address of this node, its MTU, and whether it carries packets."""
    devices = {link.index: link for link in links.present()}
    found = {}
    for assigned in addresses.present():
        link = devices.get(assigned.index)
        if link and not link.loopback:
            mtu = kernel_files.text(f"/sys/class/net/{link.name}/mtu").strip()
            found[assigned.address] = {"device": link.name, "mtu": int(mtu or 0), "works": not link.fault}
    return found
