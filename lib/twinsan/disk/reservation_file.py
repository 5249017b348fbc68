# SPDX-License-Identifier: GPL-2.0-or-later
"""The file in a state volume that keeps the persistent reservations of a LUN, and a copy of it.

The kernel empties the file and then writes it. btrfs commits both to the disk together. A file system that commits one
after the other has an empty file after a power cut in between; then the copy counts, which the last monitor made.
"""

from __future__ import annotations

import os

from twinsan.errors import DeadlinePassed, Failure
from twinsan.host import durable_file
from twinsan.host.note import Note
from twinsan.lio import reservations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

# The copy is made in a child of the monitor, and must not outlast the monitor if DRBD has frozen its I/O.
_SECONDS_FOR_COPY = 3.0


class ReservationFile:
    """The file of the LUN with unit serial `serial` in a state volume mounted at `where`. `log` writes to the log."""

    def __init__(self, where: str, serial: str, log: Callable[[str], None]) -> None:
        self.path = f"{where}/reservations/{serial}"
        self._copy = f"{self.path}.copy"
        self._serial = serial
        self._log = log

    def read(self) -> tuple[str | None, float]:
        """Return (text, time): the content of the file, None if there is none, and when it was written, in seconds
        since the epoch. For a truncated file, the text of the copy. Raises OSError if it cannot be read.
        """
        text = durable_file.read(self.path)
        if text is None:
            return None, 0.0
        written = os.stat(self.path).st_mtime
        if reservations.is_truncated(text):
            self._log(f"{self.path} is cut off: this takes the reservations of the last monitor")
            text = durable_file.read(self._copy) or reservations.NONE
        return text, written

    def write(self, text: str, *, anew: bool) -> None:
        """Write `text` to the file, and make the file synchronous from now on. With `anew` it is written even if it
        holds that text already: a file that replaces the node attribute has to be newer than it.
        """
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        if anew or durable_file.read(self.path) != text:
            durable_file.write(self.path, text)
        durable_file.make_synchronous(self.path)

    def replace(self, text: str) -> None:
        """Write `text` to the file and to its copy."""
        self.write(text, anew=True)
        durable_file.write(self._copy, text)

    def copy(self, place: str, deadline: Deadline) -> None:
        """Copy the file if the reservations of the storage object at `place` have changed. The copy is made in a child:
        if DRBD has frozen the I/O of the volume, a monitor must not hang with it. A failure is logged.
        """
        now = reservations.signature(place)
        if self._copied.read() == now:
            return
        from twinsan.host import child

        def copy() -> None:
            text = durable_file.read(self.path) or ""
            if not reservations.is_truncated(text):
                durable_file.write(self._copy, text)

        try:
            child.run(copy, deadline.within(_SECONDS_FOR_COPY), f"copying {self.path}")
        except (DeadlinePassed, Failure) as failure:
            self._log(f"the reservations could not be copied: {failure}")
            return
        self._copied.replace(now)

    @property
    def _copied(self) -> Note:
        return copied_note(self._serial)


def copied_note(serial: str) -> Note:
    """Return the note of the reservations (see `reservations.signature`) at the time of the copy."""
    return Note(f"reservations-copied.{serial[:200]}")
