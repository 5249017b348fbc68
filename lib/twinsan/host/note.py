# SPDX-License-Identifier: GPL-2.0-or-later
"""A note: a short text in a file of /run/twinsan that one action leaves for the next. It does not outlive a boot."""

from __future__ import annotations

import os

from twinsan.host import rundir


class Note:
    """The note in the file `name` of /run/twinsan. Raises Failure if that cannot be the name of a file (see
    rundir.path).
    """

    __slots__ = ("path",)

    def __init__(self, name: str) -> None:
        self.path = rundir.path(name)

    def read(self) -> str | None:
        """Return the text; None where there is no note."""
        try:
            with open(self.path, encoding="ascii", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def exists(self) -> bool:
        """Whether there is a note."""
        return os.path.exists(self.path)

    def modified(self) -> float:
        """Return when it was written or touched, in seconds since the epoch. Raises FileNotFoundError if there is no
        note.
        """
        return os.stat(self.path).st_mtime

    def replace(self, text: str) -> None:
        """Replace the note atomically: a reader has the old text or the new one, also after a kill. Characters beyond
        ASCII become "?".

        It is not synced, since /run is on no disk; for what must survive a power cut see durable_file.write.
        """
        temporary = self._write_aside(text)
        try:
            os.rename(temporary, self.path)
        except BaseException:
            _unlink(temporary)
            raise

    def create(self, text: str) -> bool:
        """Write `text` atomically if there is no note yet. Returns whether it was written."""
        if self.exists():
            return False
        temporary = self._write_aside(text)
        try:
            os.link(temporary, self.path)
        except FileExistsError:
            return False
        finally:
            _unlink(temporary)
        return True

    def touch(self) -> None:
        """Set its time to now. Raises FileNotFoundError if there is no note."""
        os.utime(self.path)

    def forget(self) -> None:
        """Remove the note, if there is one."""
        _unlink(self.path)

    def _write_aside(self, text: str) -> str:
        """Write a file beside the note; returns its path. Its name does not contain the note's, which may have the
        longest length allowed already. Its name begins with ".new.", so that it is not taken for a note.
        """
        temporary = os.path.join(os.path.dirname(self.path), f".new.{os.getpid()}")
        with open(temporary, "w", encoding="ascii", errors="replace") as file:
            file.write(text)
        return temporary


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
