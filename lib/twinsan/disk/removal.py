# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove a LUN, whatever state it is in and whether or not its I/O is frozen."""

from __future__ import annotations

from twinsan.disk import release
from twinsan.errors import DeadlinePassed
from twinsan.host import block_device, child
from twinsan.lio import configfs
from twinsan.lio import core as lio_core
from twinsan.lio import lun as lio_lun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.lio.lun import Lun

# The claim on the device may outlive the storage object by a moment.
_SECONDS_UNTIL_FREE = 3.0


def remove(lun: Lun, deadline: Deadline, log: Callable[[str], None]) -> None:
    """Remove the LUN from LIO, and wait until its device is free. Frozen I/O is released first. If somebody else holds
    the device, that is only logged. Raises Failure.
    """
    _release(lun, deadline, log)
    try:
        _remove_in_child(lun, deadline, deadline.within(deadline.remaining() / 2), log)
    except DeadlinePassed:
        # DRBD may have frozen its I/O meanwhile.
        _release(lun, deadline, log)
        _remove_in_child(lun, deadline, deadline, log)


def _release(lun: Lun, deadline: Deadline, log: Callable[[str], None]) -> None:
    if configfs.exists(lun.storage.place):
        release.device_io(lun.storage.path, lun.iqn, deadline, log)


def _remove_in_child(lun: Lun, deadline: Deadline, patience: Deadline, log: Callable[[str], None]) -> None:
    device = lun.storage.path

    def remove_and_wait() -> None:
        lio_core.take_away(lambda: lio_lun.remove(lun), deadline, log)
        try:
            deadline.within(_SECONDS_UNTIL_FREE).wait_until(
                lambda: block_device.is_free(device), "the device is free", interval=0.02
            )
        except DeadlinePassed:
            # Another holder is no failure of this agent; the demotion that follows names it.
            log(f"{device} is still in use, though not by this LUN; see 'lsblk {device}'")

    child.run(remove_and_wait, patience, f"removing {lun}")
