# SPDX-License-Identifier: GPL-2.0-or-later
"""The longest transfer that hosts may send to a storage object. The kernel reads it from the device once, when the LUN
starts. DRBD allows less as long as it has not met its peer since it was brought up.
"""

from __future__ import annotations

from twinsan.errors import Drifted, Reason
from twinsan.host import device_limits
from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.lio.storage_object import StorageObject

# In bytes. With less, VMware's transfers are split; a DRBD 8.4 that never met its peer allows 4 KiB.
_USUAL_TRANSFER = 64 * 1024

OUTDATED = Reason(Drifted, "hosts were told that {path} takes {told} KiB at once, and it takes {present} by now")


def outdated(storage: StorageObject) -> str:
    """Return the reason if the device takes at least twice the limit that hosts were told; else "". A smaller
    difference may be rounding.
    """
    limits = device_limits.of(storage.path)
    told = _bytes(storage) // 1024
    if limits is None or told * 2 > limits.max_hw_sectors_kb:
        return ""
    return OUTDATED.text(path=storage.path, told=told, present=limits.max_hw_sectors_kb)


def warning(storage: StorageObject) -> str:
    """Return a line for the log if hosts may send less than 64 KiB at once; else ""."""
    size = _bytes(storage)
    if not 0 < size < _USUAL_TRANSFER:
        return ""
    return (
        f"{storage.path} takes {size // 1024} KiB at once, which slows initiators down; DRBD that has not met its peer "
        "since it was brought up does so: move the resource once the peer is connected"
    )


def _bytes(storage: StorageObject) -> int:
    """The most bytes that hosts may send at once."""
    sectors = int(configfs.read(f"{storage.place}/attrib/hw_max_sectors") or "0")
    return sectors * int(configfs.read(f"{storage.place}/attrib/hw_block_size") or "512")
