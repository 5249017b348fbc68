# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock between processes of this host. The kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os

from twinsan import rundir
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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


class Sought(Held):
    """A lock that is no reason to fail: where it cannot be had `note` is told, and the block is done all the same."""

    def __init__(self, name: str, deadline: Deadline, note: Callable[[str], None]) -> None:
        super().__init__(name, deadline)
        self._note = note

    def __enter__(self) -> Sought:  # noqa: PYI034
        try:
            super().__enter__()
        except (Failure, OSError) as failure:
            self._file = -1
            self._note(f"{failure}; going on without it")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            super().__exit__()


class Inherited(Sought):
    """A lock that every program which is started in the ``with`` block holds as well, until it ends: when an agent is
    killed its programs go on, and who comes after it waits for them.
    """

    def __enter__(self) -> Inherited:  # noqa: PYI034
        super().__enter__()
        if self._file >= 0:
            os.set_inheritable(self._file, True)
        return self
