# SPDX-License-Identifier: GPL-2.0-or-later
"""A volume of DRBD as each of both nodes has it: its state, its size, and that of the disk below."""

from __future__ import annotations

from dataclasses import dataclass

from twinsan.deadline import Deadline
from twinsan.drbd import events2, health
from twinsan.errors import Failure, NotInstalled, Reason
from twinsan.host import command
from twinsan.operate.disks import capacity
from twinsan.operate.setting_up.disk_checks import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinsan.drbd.events2 import Resource
    from twinsan.operate.disks.lun import Lun
    from twinsan.operate.remote import Node

NO_DISK = Reason(
    Failure, "{node} has no disk for {replica}: {complaint}", "see there: drbdadm status {resource}; drbdadm dump"
)
NOT_UP = Reason(Failure, "{replica} is not up on {node}", "see: crm_mon -1 --inactive, and there: drbdadm status")
NOT_CONNECTED = Reason(
    Failure,
    "the replicas of {resource} are not connected ({state} on {node})",
    "see: twinsan status; both have to grow together",
)
FROZEN = Reason(Failure, "I/O of {resource} is frozen", "see: twinsan status")
BUSY = Reason(
    Failure,
    "{replica} is not equal on both nodes ({state}), and DRBD grows no volume then",
    "wait until twinsan status shows that all is well, then type it again",
)
NOBODY_SERVES = Reason(Failure, "{resource} is Primary on neither node", "see: crm_mon -1 --inactive; twinsan status")
NOT_GROWN = Reason(
    Failure,
    "{disk} of {node} has not grown: it is {size}, and that is the size of {replica}; {other_disk} of {other} is "
    "{other_size}",
    "make it as large, as with: lvextend, on {node}; then type this again",
)

_SECONDS = 60.0
_SECTOR = 512


@dataclass(frozen=True)
class Side:
    """A node, and what it has: the state of the resource, the size of the DRBD device, the disk and its size, in
    bytes. `thin` is whether the disk is a thin volume, which takes room of its pool when it is written.
    """

    node: Node
    state: Resource
    size: int
    disk: str
    disk_size: int
    thin: bool

    @property
    def is_used_up(self) -> bool:
        """Whether the device is as large as the disk allows."""
        return capacity.is_used_up(self.size, self.disk_size, one_peer=self.state.speaks_8_4)

    def text(self) -> str:
        """Return the disk in words."""
        return f"{self.node.name}:{self.disk} has {in_words(self.disk_size)}"


def look(node: Node, lun: Lun) -> Side:
    """Look at a volume on a node. Raises Failure, if it is not up there or has no disk as well."""
    deadline = Deadline(_SECONDS)
    found = state(node, lun, deadline)
    try:
        disk = node.run("drbdadm", "sh-ll-dev", lun.replica, deadline=deadline).stdout.strip()
        disk_size = int(node.run("blockdev", "--getsize64", disk, deadline=deadline).stdout)
    except (command.CommandFailed, ValueError) as error:
        raise NO_DISK(node=node.name, replica=lun.replica, resource=lun.resource, complaint=error) from None
    return Side(node, found, device_size(node, lun, deadline), disk, disk_size, _is_thin(node, disk, deadline))


def _is_thin(node: Node, disk: str, deadline: Deadline) -> bool:
    """Whether a disk is a thin volume of LVM. A node without dmsetup has none."""
    try:
        told = node.run("dmsetup", "table", disk, deadline=deadline, check=False)
    except NotInstalled:
        return False
    return told.ok and " thin " in told.stdout


def state(node: Node, lun: Lun, deadline: Deadline) -> Resource:
    """Return the state of the resource on a node. Raises Failure if its volume is not up there."""
    printed = node.run("drbdsetup", "events2", "--now", "--statistics", deadline=deadline).stdout
    found = events2.parse(printed, lun.resource)
    if found is None or lun.volume not in [volume.number for volume in found.volumes]:
        raise NOT_UP(node=node.name, replica=lun.replica)
    return found


def device_size(node: Node, lun: Lun, deadline: Deadline) -> int:
    """Return the size of the DRBD device on a node. sysfs has it for a Secondary too, which nobody may open."""
    path = f"/sys/block/drbd{lun.minor}/size"
    return int(node.run("cat", path, deadline=deadline).stdout) * _SECTOR


def primary(sides: Sequence[Side], lun: Lun) -> Side:
    """Return the side that serves. Raises Failure if there is none."""
    found = next((side for side in sides if side.state.primary), None)
    if found is None:
        raise NOBODY_SERVES(resource=lun.resource)
    return found


def limit(sides: Sequence[Side]) -> int:
    """Return the size that the volume can have: about, as only DRBD knows how much meta data it keeps."""
    return min(capacity.most(side.disk_size) for side in sides)


def require_growth(sides: Sequence[Side], lun: Lun) -> bool:
    """Return whether the volume can grow; False if both disks are used up. Raises Failure if only one of them has
    grown.
    """
    used_up = [side for side in sides if side.is_used_up]
    if not used_up:
        return True
    if len(used_up) == len(sides):
        return False
    small = used_up[0]
    large = next(side for side in sides if side is not small)
    raise NOT_GROWN(
        disk=small.disk,
        node=small.node.name,
        size=in_words(small.disk_size),
        replica=lun.replica,
        other_disk=large.disk,
        other=large.node.name,
        other_size=in_words(large.disk_size),
    )


def require_well(sides: Sequence[Side], lun: Lun) -> None:
    """Raise Failure unless both replicas are connected and equal, and nothing is copied or compared: DRBD would refuse
    to grow (ERR_RESIZE_RESYNC), or grow one of them alone.
    """
    for side in sides:
        name = side.node.name
        if side.state.suspended:
            raise FROZEN(resource=lun.resource)
        if side.state.alone or not side.state.connections:
            shown = " ".join(each.state for each in side.state.connections) or "no peer"
            raise NOT_CONNECTED(resource=lun.resource, state=shown, node=name)
        for volume in side.state.volumes:
            if volume.number != lun.volume:
                continue
            replicas = [replica for _, replica in side.state.replicas(volume)]
            equal = volume.disk == "UpToDate" and all(each.disk == "UpToDate" for each in replicas)
            if not (equal and replicas and all(each.replication == "Established" for each in replicas)):
                states = [volume.disk, *(f"{each.replication} {each.disk}" for each in replicas)]
                raise BUSY(replica=lun.replica, state=health.ailment(side.state) or ", ".join(states))
