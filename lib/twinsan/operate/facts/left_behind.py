# SPDX-License-Identifier: GPL-2.0-or-later
"""A look that hangs in the kernel cannot be ended. The next one has to find it, or each would leave a process behind.

A process that looks gives itself a name, which any user can read in /proc. So no file has to be written, and a look by
a member of haclient finds one by root. It does not find one by another member: anybody may give a process this name,
and only root and oneself are believed. So one look of each user may stay, and those that began at the same moment.
"""

from __future__ import annotations

import os

from twinsan.errors import Reason, TooSlow
from twinsan.host import kernel_files, kernel_wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline

# One that only waits for a change of LIO to end is no obstacle.
_PATIENCE = 1.0

STILL_HANGS = Reason(
    TooSlow,
    "an earlier look, process {pid}, still hangs in the kernel, so there is no other until it ends",
    "look at 'drbdsetup status' and 'dmesg': the backing device does not answer, or a session does not end; it hangs "
    "in {place}",
)


def refuse_another(name: str, deadline: Deadline) -> None:
    """Give this process a name of at most 15 bytes. Raises TooSlow if another one of this name hangs in the kernel, and
    does so for another second.
    """
    with open(f"{kernel_files.PROCESSES}/self/comm", "w", encoding="ascii") as file:
        file.write(name)
    patience = deadline.within(_PATIENCE)
    for pid in _others(name):
        while kernel_wait.hangs(pid):
            if patience.expired():
                raise STILL_HANGS(pid=pid, place=kernel_wait.functions(pid) or "an unknown place")


def _others(name: str) -> Iterator[int]:
    """The other processes of this name that root or this user has started."""
    believed = ("0", str(os.getuid()))
    for pid in kernel_files.pids():
        named = kernel_files.text(f"{kernel_files.PROCESSES}/{pid}/comm").strip()
        if pid != os.getpid() and named == name and _user(pid) in believed:
            yield pid


def _user(pid: int) -> str:
    """The number of the user who started a process: its real one, which a program with a set-user-ID bit keeps."""
    lines = kernel_files.text(f"{kernel_files.PROCESSES}/{pid}/status").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Uid:")), "")
