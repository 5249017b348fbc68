# SPDX-License-Identifier: GPL-2.0-or-later
"""How full the thin pools of this node are. A pool without space stops the disks that are on it."""

from __future__ import annotations

from twinsan.errors import Failure
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline

# LVM gives the device of a pool this end.
_POOL = "-tpool"


class Pool:
    """A thin pool: its name, and how full its data and its meta data are, from 0 to 1."""

    __slots__ = ("data", "metadata", "name")

    def __init__(self, name: str, data: float, metadata: float) -> None:
        self.name = name
        self.data = data
        self.metadata = metadata


def look(deadline: Deadline) -> list[Pool]:
    """Return the thin pools; none where the device mapper cannot be asked."""
    try:
        # Otherwise it writes the meta data of each pool first, and hangs in the kernel if the disk does.
        printed = command.run("dmsetup", "status", "--noflush", "--target", "thin-pool", deadline=deadline).stdout
    except (Failure, OSError):
        return []
    return list(_parse(printed))


def _parse(printed: str) -> Iterator[Pool]:
    """Pools from lines such as ``vg-pool-tpool: 0 8192 thin-pool 1 11/1024 120/128 - rw``: used and all blocks of the
    meta data, and of the data. A pool that has failed has only ``Fail`` there.
    """
    for line in printed.splitlines():
        name, _, rest = line.partition(": ")
        words = rest.split()
        if len(words) < 6 or words[2] != "thin-pool":
            continue
        metadata, data = _ratio(words[4]), _ratio(words[5])
        if metadata is not None and data is not None:
            yield Pool(_plain(name), data, metadata)


def _plain(name: str) -> str:
    """The name as LVM writes it, VG/LV: the device mapper has two hyphens for one in a name."""
    group, _, pool = name.removesuffix(_POOL).replace("--", "\0").partition("-")
    return (f"{group}/{pool}" if pool else group).replace("\0", "-")


def _ratio(text: str) -> float | None:
    used, _, total = text.partition("/")
    return int(used) / int(total) if used.isdecimal() and total.isdecimal() and int(total) else None
