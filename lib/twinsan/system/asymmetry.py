# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the disks of two nodes differ in what makes a node slower, or free less, than hosts expect after a failover.

What nobody is offered is no difference: each is held against what LIO tells hosts of the volume on this node. What
would make another disk of a LUN is for the LUN's own monitor to say (see `outlook`).
"""

from __future__ import annotations

import os

from twinsan.system import configfs, device_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.device_limits import Limits
    from twinsan.system.events2 import Resource
    from twinsan.system.shared_limits import Note

# No DRBD takes more at once (DRBD_MAX_BIO_SIZE), whatever its disk takes.
_MOST_KIB = 1024


def ailment(resource: Resource, note: Note) -> str:
    """The gravest difference between the disks here and those of another node, and what to type; "" for none."""
    for volume in resource.volumes:
        own = note.limits(volume.minor)
        for node, other in note.peers(volume.minor).items():
            if own is None or str(other) == str(own):
                continue
            offer = _offer(volume.minor)
            if not offer:
                continue
            difference = _difference(_Pair(own, node, other, offer))
            if difference:
                where = resource.name if len(resource.volumes) == 1 else f"{resource.name}/{volume.number}"
                return f"the disks of {where} differ: {difference}"
    return ""


def _offer(minor: int) -> dict[str, int]:
    """The attributes of what LIO makes of a DRBD device; empty where it makes nothing of it."""
    core = configfs.place("core")
    names = ("block_size", "emulate_tpu", "emulate_tpws", "unmap_granularity", "max_write_same_len")
    for adapter in configfs.names(core):
        for storage in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{storage}"
            device = configfs.read(f"{place}/udev_path")
            if device and minor in device_limits.drbd_below(device):
                return {name: int(configfs.read(f"{place}/attrib/{name}") or "0") for name in names}
    return {}


class _Pair:
    """Two nodes, this one and another, with what their disks can do, and what hosts are told."""

    def __init__(self, own: Limits, node: str, other: Limits, offer: dict[str, int]) -> None:
        self.here, self.own = os.uname().nodename, own
        self.node, self.other = node, other
        self.blocks = offer["block_size"]
        self.unmaps = bool(offer["emulate_tpu"] or offer["emulate_tpws"])
        self.granularity = offer["unmap_granularity"] * self.blocks
        self.writes_same = bool(offer["max_write_same_len"])


def _difference(pair: _Pair) -> str:
    for look in (_granularity, _transfer, _zeroes):
        text = look(pair)
        if text:
            return text
    return ""


def _granularity(pair: _Pair) -> str:
    own, other = pair.own.discard_granularity, pair.other.discard_granularity
    if not pair.unmaps or not pair.other.discards or pair.other.frees(pair.granularity):
        return ""
    return (
        f"{pair.here} discards {own} bytes at a time and {pair.node} {other}, so that of what hosts unmap, "
        f"{pair.granularity} bytes at a time, {pair.node} frees less; give {pair.node} a disk as fine, or set: "
        f"crm_resource --resource LUN --set-parameter unmap_granularity --parameter-value {other // pair.blocks}"
    )


def _transfer(pair: _Pair) -> str:
    own, other = pair.own.max_hw_sectors_kb, pair.other.max_hw_sectors_kb
    if min(own, _MOST_KIB) == min(other, _MOST_KIB):
        return ""
    return (
        f"{pair.here} takes {own} KiB at once and {pair.node} {other}, which hosts would notice after a failover "
        f"to {pair.node} (VPD page B0); give both nodes disks of one kind"
    )


def _zeroes(pair: _Pair) -> str:
    own, other = pair.own.write_zeroes_max_bytes, pair.other.write_zeroes_max_bytes
    if not pair.writes_same or bool(own) == bool(other):
        return ""
    slow = pair.here if other else pair.node
    return (
        f"{pair.here} zeroes {own} bytes at once and {pair.node} {other}, so that each WRITE SAME waits until "
        f"{slow} has written zeros; give {slow} a disk that can zero blocks"
    )
