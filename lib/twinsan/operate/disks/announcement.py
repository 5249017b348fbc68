# SPDX-License-Identifier: GPL-2.0-or-later
"""Have the LUN of the cluster tell the size of a device that has grown.

LIO asks the device for its size at each READ CAPACITY, so hosts that rescan find the new one at once. The agent knows
the one that it told hosts last, and is degraded as long as the device has another. A reload makes it take the new one,
and every change of the parameter `size` is a reload. If the parameter was not set, it is taken away again.
"""

from __future__ import annotations

from twinsan.cluster import attributes
from twinsan.deadline import Deadline
from twinsan.disk import fingerprint
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command
from twinsan.operate.change import settling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.operate.disks.lun import Lun

NOT_TOLD = Reason(
    Failure,
    "{device} has {size} bytes on both nodes, but {name} does not tell that yet",
    "see: crm_mon -1, whether the cluster is in maintenance mode; then type this again",
)

_SECONDS = 20.0
_SECONDS_TO_RELOAD = 90.0


class Told:
    """What the node that serves has told of a LUN: its size in bytes, None if nobody has told it, and its NAA name."""

    __slots__ = ("naa", "size")

    def __init__(self, size: int | None, naa: str) -> None:
        self.size = size
        self.naa = naa


def told(name: str, deadline: Deadline) -> Told:
    """Return what was told of a LUN last."""
    values = attributes.get_node_attributes(f"twinsan-lun-{name}", deadline)
    records = [each for each in map(fingerprint.parse, values.values()) if each is not None]
    last = max(records, key=lambda each: each.count, default=None)
    if last is None:
        return Told(None, "")
    size = last.fields.get("capacity", "")
    return Told(int(size) if size.isdecimal() else None, last.fields.get("naa", ""))


def is_due(lun: Lun, size: int, known: Told) -> bool:
    """Whether a LUN has to be told that its device has this size. One that was never served tells it when it starts."""
    return known.size not in (None, size) or lun.size not in (None, "", "0", str(size))


def make(lun: Lun, size: int, say: Callable[[str], None]) -> None:
    """Have the LUN tell this size. Raises Failure if it does not."""
    _set(lun, str(size))
    deadline = Deadline(_SECONDS_TO_RELOAD)
    try:
        deadline.wait_until(lambda: told(lun.name, Deadline(_SECONDS)).size == size, "the LUN tells it", interval=0.5)
    except DeadlinePassed:
        raise NOT_TOLD(device=lun.device, size=size, name=lun.name) from None
    if lun.size in (None, "", "0"):
        if lun.size is None:
            words = ("--resource", lun.name, "--delete-parameter", "size")
            command.run("crm_resource", *words, deadline=Deadline(_SECONDS))
        else:
            _set(lun, lun.size)
    doing = settling.wait(_SECONDS_TO_RELOAD, say)
    if doing:
        say(f"the cluster is still at work: {doing}")


def _set(lun: Lun, value: str) -> None:
    words = ("--resource", lun.name, "--set-parameter", "size", "--parameter-value", value)
    command.run("crm_resource", *words, deadline=Deadline(_SECONDS))
