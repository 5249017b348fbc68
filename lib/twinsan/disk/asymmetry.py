# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between the disks of two nodes that make a node slower, or free less, than hosts expect after a failover.

A limit is compared only if LIO on this node offers hosts the feature that it limits. Differences that would make
another disk of a LUN are reported by the LUN's own monitor (see `node_differences`).
"""

from __future__ import annotations

import os

from twinsan.errors import Degraded, Reason
from twinsan.host import block_tree
from twinsan.lio import configfs, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.disk.shared_limits import KnownLimits
    from twinsan.drbd.events2 import Resource
    from twinsan.host.device_limits import Limits

# No DRBD takes more at once (DRBD_MAX_BIO_SIZE), whatever its backing device takes.
_MOST_KIB = 1024

COARSER_DISCARDS = Reason(
    Degraded,
    "the disks of {resource} differ: {here} discards {own} bytes at a time and {node} {other}, so that of what hosts "
    "unmap, {granularity} bytes at a time, {node} frees less",
    "give {node} a disk as fine, or set: crm_resource --resource LUN --set-parameter unmap_granularity "
    "--parameter-value {blocks}",
)
OTHER_TRANSFER = Reason(
    Degraded,
    "the disks of {resource} differ: {here} takes {own} KiB at once and {node} {other}, which hosts would notice after "
    "a failover to {node} (VPD page B0)",
    "give both nodes disks of one kind",
)
SLOW_ZEROES = Reason(
    Degraded,
    "the disks of {resource} differ: {here} zeroes {own} bytes at once and {node} {other}, so that each WRITE SAME "
    "waits until {slow} has written zeros",
    "give {slow} a disk that can zero blocks",
)


def ailment(resource: Resource, known: KnownLimits) -> str:
    """Return the reason for the first difference between the disks of this node and those of another one; "" for none.
    `known` has the limits of all nodes.
    """
    for volume in resource.volumes:
        own = known.limits(volume.minor)
        for node, other in known.peers(volume.minor).items():
            if own is None or str(other) == str(own):
                continue
            offer = _offered_attributes(volume.minor)
            if not offer:
                continue
            where = resource.name if len(resource.volumes) == 1 else f"{resource.name}/{volume.number}"
            difference = _difference(_Pair(where, own, node, other, offer))
            if difference:
                return difference
    return ""


def _offered_attributes(minor: int) -> dict[str, int]:
    """The attributes of the storage object that lies on a DRBD device; empty if there is none."""
    names = ("block_size", "emulate_tpu", "emulate_tpws", "unmap_granularity", "max_write_same_len")
    for place in tree.storage_objects():
        device = configfs.read(f"{place}/udev_path")
        if device and minor in block_tree.drbd_minors(device):
            return {name: int(configfs.read(f"{place}/attrib/{name}") or "0") for name in names}
    return {}


class _Pair:
    """The limits of the disks of this node and of another one, and the attributes that hosts are offered. `where` names
    the volume in reasons.
    """

    def __init__(self, where: str, own: Limits, node: str, other: Limits, offer: dict[str, int]) -> None:
        self.where = where
        self.here, self.own = os.uname().nodename, own
        self.node, self.other = node, other
        self.blocks = offer["block_size"]
        self.unmaps = bool(offer["emulate_tpu"] or offer["emulate_tpws"])
        self.granularity = offer["unmap_granularity"] * self.blocks
        self.writes_same = bool(offer["max_write_same_len"])

    def text(self, reason: Reason, own: int, other: int, **more: object) -> str:
        return reason.text(resource=self.where, here=self.here, own=own, node=self.node, other=other, **more)


def _difference(pair: _Pair) -> str:
    return _discards(pair) or _transfer(pair) or _zeroes(pair)


def _discards(pair: _Pair) -> str:
    own, other = pair.own.discard_granularity, pair.other.discard_granularity
    if not pair.unmaps or not pair.other.discards or pair.other.frees(pair.granularity):
        return ""
    return pair.text(COARSER_DISCARDS, own, other, granularity=pair.granularity, blocks=other // pair.blocks)


def _transfer(pair: _Pair) -> str:
    own, other = pair.own.max_hw_sectors_kb, pair.other.max_hw_sectors_kb
    return "" if min(own, _MOST_KIB) == min(other, _MOST_KIB) else pair.text(OTHER_TRANSFER, own, other)


def _zeroes(pair: _Pair) -> str:
    own, other = pair.own.write_zeroes_max_bytes, pair.other.write_zeroes_max_bytes
    if not pair.writes_same or bool(own) == bool(other) or pair.own.is_like(pair.other):
        return ""
    return pair.text(SLOW_ZEROES, own, other, slow=pair.here if other else pair.node)
