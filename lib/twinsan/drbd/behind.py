# SPDX-License-Identifier: GPL-2.0-or-later
"""Since when the replica of this node lacks data. DRBD does not keep the time, so the monitors note it."""

from __future__ import annotations

import time

from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource


def since(resource: Resource) -> str:
    """Return since when this node lacks data, as words to follow a state (" since 10:15"); "" if it lacks none.

    The first call that finds data missing notes the time. Raises OSError or ValueError if the note cannot be written
    or read.
    """
    note = Note(f"behind.{resource.name}")
    if resource.complete:
        note.forget()
        return ""
    note.create(str(int(time.time())))
    return f" since {clock(int(note.read() or 0))}"


def clock(moment: float) -> str:
    """Return a time, given in seconds since the epoch, as HH:MM; with the date if it is not today."""
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%F %H:%M", then)
