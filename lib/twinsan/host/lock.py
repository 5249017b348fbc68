# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock between processes of this host. The kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os

from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

NOT_FREE = Reason(DeadlinePassed, "the lock {name} is free ({holder})")


class Held:
    """Hold the lock `name` for the length of a ``with`` block. Its file is NAME.lock in /run/twinsan.

    Raises DeadlinePassed, naming the lock and its last holder, where another process keeps it beyond the deadline.
    """

    def __init__(self, name: str, deadline: Deadline) -> None:
        self.name = name
        self._deadline = deadline
        self._file = -1

    def __enter__(self) -> Held:  # noqa: PYI034  Self is not in Python 3.9
        self._file = os.open(rundir.path(f"{self.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._deadline.wait_until(self._take, NOT_FREE.text(name=self.name, holder=self._holder()), interval=0.02)
        except BaseException:
            os.close(self._file)
            raise
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        pid = os.pread(self._file, 20, 0).decode(errors="replace")
        return f"last held by process {pid}" if pid else "held by nobody yet"


class BestEffort(Held):
    """Hold the lock if it can be taken within the deadline. If not, call `note` with the reason and run the block
    without it.
    """

    def __init__(self, name: str, deadline: Deadline, note: Callable[[str], None]) -> None:
        super().__init__(name, deadline)
        self._note = note

    def __enter__(self) -> BestEffort:  # noqa: PYI034
        try:
            super().__enter__()
        except (Failure, OSError) as failure:
            self._file = -1
            self._note(f"{failure}; going on without it")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            super().__exit__()


class Inherited(BestEffort):
    """As BestEffort, and the programs started in the ``with`` block inherit the lock: it is free when the last of them
    has ended. When an agent is killed, its programs go on, and the next agent waits for them.
    """

    def __enter__(self) -> Inherited:  # noqa: PYI034
        super().__enter__()
        if self._file >= 0:
            os.set_inheritable(self._file, True)
        return self
