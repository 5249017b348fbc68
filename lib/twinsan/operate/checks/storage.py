# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks of both nodes, thin pools, and who might take a DRBD device for a disk of its own."""

from __future__ import annotations

from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding

LVM = Fault(
    "lvm-takes-drbd",
    WARNING,
    "LVM has no filter for /dev/drbd*",
    why="it activates a volume group of a virtual machine that it finds there, holds the device, and a demotion fails",
    mend='in /etc/lvm/lvm.conf write: global_filter = [ "r|^/dev/drbd.*|" ]',
)
MULTIPATH = Fault(
    "multipath-takes-drbd",
    WARNING,
    "multipathd runs, and its blacklist does not name /dev/drbd*",
    why="a map that it makes of the device holds it open, and a demotion fails",
    mend='write blacklist {{ devnode "^drbd[0-9]+" }} into /etc/multipath.conf, then: systemctl reload multipathd',
)
MOUNTED = Fault(
    "device-mounted",
    ERROR,
    "{where} is {holder}",
    why="two file systems that do not know of each other write to the disk: the data of the hosts is destroyed",
    mend="umount {where}",
)
HELD = Fault(
    "device-held",
    WARNING,
    "{where} is held by {holder}",
    why="DRBD cannot be demoted while it is open: a switchover fails, and the node is fenced",
    mend="end it; a device on top of it goes with: vgchange --activate n VG, or dmsetup remove NAME",
)
DISCARD_DIFFERS = Fault(
    "discard-differs",
    WARNING,
    "the disk of {where} can discard on {yes} and not on {no}",
    why="each UNMAP of a host becomes a write of zeros on {no}, and the LUN loses UNMAP when {no} serves",
    mend="give both nodes disks of one kind, or leave unmap out: crm resource param LUN set vaai_preferred unmap",
)
ROTATION_DIFFERS = Fault(
    "disk-kinds-differ",
    NOTE,
    "the disk of {where} rotates on {yes} and not on {no}",
    why="the pair is as slow as its slower disk, whichever node serves",
    mend="give both nodes disks of one kind",
)
BLOCKS_DIFFER = Fault(
    "block-sizes-differ",
    ERROR,
    "the disks of {where} have blocks of {value} bytes",
    why="a LUN with another block size is another disk for its hosts: the other node refuses to serve it",
    mend="give both nodes disks with the same logical block size: lsblk -o NAME,LOG-SEC",
)
CACHE_DIFFERS = Fault(
    "write-caches-differ",
    NOTE,
    "the disk of {where} has a volatile write cache on {yes} and not on {no}",
    why="each flush costs one node more than the other: writes are as slow as the slower one",
    mend="see: cat /sys/block/*/queue/write_cache",
)
COARSE_DISCARD = Fault(
    "discard-coarse",
    NOTE,
    "the disk of {where} on {node} frees nothing smaller than {value} MiB",
    why="ESXi switches its automatic UNMAP off above 1 MiB, and smaller ones are written as zeros",
    mend="make the thin pool with --chunksize 1M or less",
)
POOL_FILLS = Fault(
    "thin-pool-fills",
    WARNING,
    "the thin pool {where} is full to {value} %",
    why="a full pool is an error of the disk: DRBD gives it up, and the pool of the other node is full soon after",
    mend="lvextend the pool, or free space in the datastores: esxcli storage vmfs unmap",
)
POOL_FULL = Fault(
    "thin-pool-full",
    ERROR,
    "the thin pool {where} is full to {value} %",
    why="a full pool is an error of the disk: DRBD gives it up, and the pool of the other node is full soon after",
    mend="lvextend the pool at once",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_FILLS, _FULL = 80.0, 95.0
_MOST_GRANULARITY = 1 << 20


def find(configuration: Configuration, facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with disks, and with what is on top of them."""
    served = {each.parameters.get("path", "") for each in configuration.resources if "path" in each.parameters}
    for node, seen in facts.items():
        lvm = seen["lvm"]
        if lvm["installed"] and not lvm["rejects"] and not lvm["devices_file"]:
            yield LVM.at("/etc/lvm/lvm.conf", node=node)
        if "multipathd" in (seen["running"] or []) and not seen["multipath"]["blacklisted"]:
            yield MULTIPATH.at("/etc/multipath.conf", node=node)
        yield from _held(node, seen, served)
        for pool in seen["thin"] or []:
            fill = max(pool["data"], pool["metadata"])
            if fill >= _FILLS:
                yield (POOL_FULL if fill >= _FULL else POOL_FILLS).at(pool["pool"], node=node, value=fill)
        for volume, disk in seen["disks"].items():
            granularity = _number(disk["discard_granularity"])
            if _number(disk["discard_max_bytes"]) and granularity > _MOST_GRANULARITY:
                yield COARSE_DISCARD.at(volume, node=node, value=granularity >> 20)
    if len(facts) == 2:
        yield from _compare(facts)


def _held(node: str, seen: dict[str, Any], served: set[str]) -> Iterator[Finding]:
    for device, holders in (seen["held"] or {}).items():
        for holder in holders:
            if holder.startswith("mounted on ") and device in served:
                yield MOUNTED.at(device, node=node, holder=holder)
            elif not holder.startswith(("LIO backstore ", "mounted on ")):
                yield HELD.at(device, node=node, holder=holder)


def _compare(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    (one, first), (two, second) = ((node, seen["disks"]) for node, seen in facts.items())
    for volume in first:
        if volume not in second:
            continue
        sizes = [disks[volume]["logical_block_size"] for disks in (first, second)]
        if len(set(sizes)) > 1 and all(sizes):
            yield BLOCKS_DIFFER.at(volume, value=" and ".join(sizes))
        for fault, has in (
            (DISCARD_DIFFERS, lambda disk: _number(disk["discard_max_bytes"]) > 0),
            (ROTATION_DIFFERS, lambda disk: disk["rotational"] == "1"),
            (CACHE_DIFFERS, lambda disk: disk["write_cache"] == "write back"),
        ):
            here, there = has(first[volume]), has(second[volume])
            if here != there:
                yield fault.at(volume, yes=one if here else two, no=two if here else one)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
