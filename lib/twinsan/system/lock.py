# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock between processes of this host. The kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os

from twinsan.system import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline


class Held:
    """Hold the lock `name` for the length of a ``with`` block; raises DeadlinePassed, naming the lock, where another
    process keeps it for too long.
    """

    def __init__(self, name: str, deadline: Deadline) -> None:
        self.name = name
        self._deadline = deadline
        self._file = -1

    def __enter__(self) -> Held:  # noqa: PYI034  Self is not in Python 3.9
        self._file = os.open(rundir.path(f"{self.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._deadline.wait_until(self._taken, f"the lock {self.name} is free ({self._holder()})", interval=0.02)
        except BaseException:
            os.close(self._file)
            raise
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        pid = os.pread(self._file, 20, 0).decode(errors="replace")
        return f"last held by process {pid}" if pid else "held by nobody yet"
