# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan grow``: a LUN becomes as large as the disks below it, while hosts use it.

The new part is copied from one node to the other. DRBD could be told to leave that (resize --assume-clean), but the
meta data that was at the end of each disk is amid the data then, and differs.
"""

from __future__ import annotations

import sys

from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import DeadlinePassed, Failure, Misconfigured, Reason
from twinsan.host import command, lock
from twinsan.lio import lun as lio_lun
from twinsan.operate import question, remote
from twinsan.operate.disks import announcement, resync, sides
from twinsan.operate.disks import lun as luns
from twinsan.operate.reading import WRONG
from twinsan.operate.setting_up.disk_checks import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.disks.announcement import Told
    from twinsan.operate.disks.lun import Lun
    from twinsan.operate.disks.sides import Side

REFUSED = Reason(
    Failure,
    "DRBD does not grow {replica}: {complaint}",
    "see on both nodes: drbdadm status {resource}; dmesg; what is done stays, so type this again then",
)
NOT_ON_BOTH = Reason(
    Failure,
    "{device} has {here} bytes on {node}, and {there} on {other}",
    "see on both nodes: drbdadm status {resource}; dmesg; then type this again",
)

_SECONDS = 30.0
_SECONDS_FOR_LOCK = 1.0
# The kernel writes the whole bitmap to the new end of the disk: 32 MiB for each TiB.
_SECONDS_TO_GROW = 300.0
_SECONDS_ON_BOTH = 60.0


def grow(name: str, *, yes: bool, dry_run: bool) -> int:
    """Make the LUN of this name as large as its disks. Returns the exit status. Raises Failure."""
    try:
        question.require_root()
        with lock.Held("grow", Deadline(_SECONDS_FOR_LOCK)):
            return _grow(luns.find(name, Deadline(_SECONDS)), yes=yes, dry_run=dry_run)
    except Misconfigured as wrong:
        print(f"twinsan: {wrong}", file=sys.stderr)
        return WRONG


def _grow(lun: Lun, *, yes: bool, dry_run: bool) -> int:
    nodes = remote.pair(lun.nodes)
    nodes[1].require_name()
    both = remote.on_each(nodes, lambda node: sides.look(node, lun))
    can_grow = sides.require_growth(both, lun)
    known = announcement.told(lun.name, Deadline(_SECONDS))
    if not can_grow and not announcement.is_due(lun, both[0].size, known):
        question.say(_as_large_as_it_can_be(lun, both))
        return 0
    if can_grow:
        sides.require_well(both, lun)
    serving = sides.primary(both, lun)
    question.say(_plan(lun, both, serving) if can_grow else _plan_to_tell(lun, both[0].size, known))
    if dry_run:
        return 0
    question.ask(yes=yes)
    size = _resize(lun, both, serving) if can_grow else both[0].size
    if announcement.is_due(lun, size, known):
        announcement.make(lun, size, question.say)
    question.say(f"{lun.name} has {in_words(size)} ({size} bytes) now.")
    copying = resync.progress(setup.query(lun.resource, Deadline(_SECONDS)), [lun.volume])
    if copying:
        question.say(f"The new part is being copied ({copying}); twinsan status shows when both nodes have it.")
    question.say(_for_hosts(known))
    if lun.size not in (None, "", "0"):
        question.say(f"The LUN's parameter size is {size} now; give it the same value in the site file.")
    return 0


def _resize(lun: Lun, both: list[Side], serving: Side) -> int:
    """Grow the volume, and return its size once both nodes have it. Raises Failure."""
    try:
        serving.node.run("drbdadm", "resize", lun.replica, deadline=Deadline(_SECONDS_TO_GROW))
    except command.CommandFailed as failed:
        raise REFUSED(replica=lun.replica, resource=lun.resource, complaint=failed.result.complaint) from None
    present: list[int] = []

    def grown() -> bool:
        nodes = [side.node for side in both]
        present[:] = remote.on_each(nodes, lambda node: sides.device_size(node, lun, Deadline(_SECONDS)))
        return len(set(present)) == 1 and present[0] > both[0].size

    try:
        Deadline(_SECONDS_ON_BOTH).wait_until(grown, "both nodes have the new size", interval=0.5)
    except DeadlinePassed:
        raise NOT_ON_BOTH(
            device=lun.device,
            here=present[0],
            node=both[0].node.name,
            there=present[1],
            other=both[1].node.name,
            resource=lun.resource,
        ) from None
    # Each node notes where its disk ends: after a reboot, DRBD finds its meta data by that if the disk has grown again.
    # drbdadm resize does it on the node where it is typed.
    remote.on_each(
        [side.node for side in both],
        lambda node: node.run("drbdadm", "check-resize", lun.replica, deadline=Deadline(_SECONDS), check=False),
    )
    return present[0]


def _as_large_as_it_can_be(lun: Lun, both: list[Side]) -> str:
    disks = ", ".join(side.text() for side in both)
    return (
        f"{lun.name} ({lun.replica}) is as large as it can be: {in_words(both[0].size)}. {disks}. To make it larger, "
        "make both disks larger first, as with lvextend."
    )


def _plan(lun: Lun, both: list[Side], serving: Side) -> str:
    target = next(side for side in both if side is not serving)
    other = target.node.name
    size = sides.limit(both)
    new = in_words(max(0, size - both[0].size))
    lines = [
        f"{lun.name} ({lun.replica}, {lun.device}) grows from {in_words(both[0].size)} to about {in_words(size)}:",
        *(f"  {side.text()}" for side in both),
        f"Interrupts nothing. {serving.node.name} serves; writes wait, at most for some seconds, while DRBD moves its "
        "meta data to the new end of the disks.",
        f"The new {new} are then copied from {serving.node.name} to {other} in the background. {other} cannot take "
        "over until that has ended.",
    ]
    if target.thin:
        # What was never written is copied as zeros.
        lines.append(f"{target.disk} of {other} is a thin volume: the copy takes {new} of its pool. See there: lvs")
    return "\n".join(lines)


def _plan_to_tell(lun: Lun, size: int, known: Told) -> str:
    before = in_words(known.size) if known.size else "unknown"
    return (
        f"{lun.device} has grown already, to {in_words(size)}; {lun.name} tells hosts this size from now on instead "
        f"of {before}. Interrupts nothing: the cluster reloads the LUN."
    )


def _for_hosts(known: Told) -> str:
    naa = known.naa or "naa.NUMBER"
    return (
        f"Hosts do not notice by themselves: {lio_lun.RESCAN}. Then let the file system grow. ESXi, in the vSphere "
        f"Client: datastore, Increase Capacity; by hand partedUtil resize, then: vmkfstools --growfs "
        f"/vmfs/devices/disks/{naa}:1 /vmfs/devices/disks/{naa}:1. Linux: multipathd resize map MAP, if there is one; "
        "then pvresize, xfs_growfs or resize2fs."
    )
