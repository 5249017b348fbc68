# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a disk can be replaced: what would interrupt hosts, cost the last copy, or overwrite data."""

from __future__ import annotations

import re

from twinsan.errors import Failure, Reason
from twinsan.operate.disks import capacity
from twinsan.operate.disks.replacement import GONE
from twinsan.operate.setting_up import disk_checks
from twinsan.site import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.drbd.events2 import Resource as State
    from twinsan.operate.disks.replacement import Looked
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.site.model import Volume

NO_COPY = Reason(
    Failure,
    "{other} does not have all data of {replica}: {why}",
    "that would leave no good copy; see: twinsan status, and on both nodes: drbdadm status {resource}",
)
SERVES = Reason(
    Failure,
    "{node} serves {resource}: until the copy has ended it would read and write through {other} alone, and hosts would "
    "wait if that or the link is lost",
    "move the SAN first: twinsan drill --go --resource {resource}; if it has to stay here: --even-if-serving",
)
FILE_BY_HAND = Reason(
    Failure,
    "{path} of {node} names another disk for {replica}, and differs from the site in more than that ({attribute})",
    "put {disk} into it by hand, on both nodes, then type this again; see: twinsan render SITE --diff",
)
OTHER_DISK_THERE = Reason(
    Failure,
    "{replica} has the disk {present} on {node}, and {disk} by the site file",
    "correct the site file: only the disk of {here} is replaced",
)
TOO_SMALL = Reason(
    Failure,
    "{path} of {node} has {size}, and {replica} needs {needed}",
    "name a disk, partition or logical volume in {key} that is at least as large",
)
BLOCKS_DIFFER = Reason(
    Failure,
    "{path} of {node} has blocks of {blocks} bytes, its counterpart of {other} of {its_blocks}: a disk for initiators "
    "that changes in a failover",
    "name a disk of the same kind in {key}",
)
NO_DISCARD = Reason(
    Failure, "{path} of {node} cannot discard, its counterpart of {other} can: after a failover UNMAP frees nothing"
)


def check(looked: Looked, found: Findings, *, even_if_serving: bool) -> None:
    """Add all that is in the way."""
    check_copy(looked, looked.to_do, found)
    check_serving(looked, found, even_if_serving=even_if_serving)
    _check_files(looked, found)
    for volume in looked.to_do:
        _check_disk(looked, volume, found)


def check_copy(looked: Looked, volumes: Iterable[Volume], found: Findings) -> None:
    """Add it if the other node does not have all data of a volume, or this one is not connected to it."""
    for volume in volumes:
        why = _why_no_copy(looked, volume)
        if why:
            replica, name = looked.name_of(volume), looked.resource.name
            found.add(looked.here.name, NO_COPY, other=looked.other.name, replica=replica, why=why, resource=name)


def check_serving(looked: Looked, found: Findings, *, even_if_serving: bool) -> None:
    """Add it if this node serves, unless that was said to be right."""
    if looked.state is not None and looked.state.primary and not even_if_serving:
        found.add(looked.here.name, SERVES, resource=looked.resource.name, other=looked.other.name)


def _why_no_copy(looked: Looked, volume: Volume) -> str:
    there = looked.state_there
    disk = next((each.disk for each in there.volumes if each.number == volume.number), "") if there else ""
    if disk != "UpToDate":
        return f"its disk is {disk}" if disk else "DRBD is down there"
    return _why_out_of_reach(looked.state, volume, is_gone=looked.condition(volume) == GONE) if looked.state else ""


def _why_out_of_reach(state: State, volume: Volume, *, is_gone: bool) -> str:
    """Return why the data of the other node cannot be had now, by the state of this one, which has lost its disk if
    `is_gone`; "" if it can be, or need not be.
    """
    if state.suspended:
        return "I/O is frozen"
    connected = [each for each in state.connections if each.connected]
    if is_gone and not connected and not state.primary:
        # A start without the disk fails, and has not come to the connection. Nothing of it is the last copy.
        return ""
    if not any(each.has_all_of(volume.number) for each in connected):
        return "it is not connected"
    replicas = [replica for each in connected for replica in [each.volume(volume.number)] if replica]
    if not is_gone and any(replica.resyncing for replica in replicas):
        return "a copy between the nodes is running"
    return ""


def _check_files(looked: Looked, found: Findings) -> None:
    other, here = looked.other.name, looked.here.name
    for volume in looked.volumes:
        present, wanted = looked.configured[other].get(volume.number, "none"), volume.disks[other]
        if present != wanted:
            values = {"present": present, "disk": wanted, "here": here}
            found.add(other, OTHER_DISK_THERE, replica=looked.name_of(volume), **values)
    if looked.is_configured:
        return
    for node in (looked.here, looked.other):
        text = looked.files[node.name] or ""
        foreign = foreign_changes(looked, node.name)
        if not settings.secret(text).isascii() or not settings.secret(text):
            foreign.append("net / shared-secret")
        if foreign:
            volume = looked.volumes[0]
            values = {"path": looked.path_of_file, "attribute": foreign[0], "disk": volume.disks[here]}
            found.add(node.name, FILE_BY_HAND, replica=looked.name_of(volume), **values)


def foreign_changes(looked: Looked, name: str) -> list[str]:
    """Return where DRBD's file of a node differs from the site beside the disks of the volumes."""
    numbers = "|".join(str(volume.number) for volume in looked.volumes)
    ours = re.compile(rf"resource \S+( / on \S+)? / volume ({numbers})( / disk)?")
    node = next(each for each in (looked.here, looked.other) if each.name == name)
    return [each.attribute for each in looked.changes(node) if not ours.fullmatch(each.attribute)]


def _check_disk(looked: Looked, volume: Volume, found: Findings) -> None:
    disk, there, node = looked.disk(volume), looked.disk_there(volume), looked.here.name
    disk_checks.check_one(volume, looked.has, looked.overwrite, looked.is_fresh(volume), found)
    if disk.fault:
        return
    key = disk_checks.key_of(volume)
    needed = looked.sizes[volume.number]
    if capacity.most(disk.size) < needed:
        sizes = {"size": disk_checks.in_words(disk.size), "needed": f"{needed} bytes beside DRBD's meta data"}
        found.add(node, TOO_SMALL, path=disk.path, replica=looked.name_of(volume), key=key, **sizes)
    if there.fault:
        return
    values = {"path": disk.path, "other": looked.other.name}
    if disk.block_size != there.block_size:
        found.add(node, BLOCKS_DIFFER, blocks=disk.block_size, its_blocks=there.block_size, key=key, **values)
    if there.discards and not disk.discards:
        found.remark(node, NO_DISCARD, **values)
