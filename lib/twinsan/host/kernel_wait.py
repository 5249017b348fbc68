# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a process waits in the kernel where no signal reaches it, and in which functions. A reset of the node
destroys this evidence.
"""

from __future__ import annotations

import time

from twinsan.host import kernel_files

# Functions that only put a task to sleep. Their callers say more.
_SLEEPING = (
    "__switch_to",
    "__schedule",
    "schedule",
    "io_schedule",
    "__wait_for_common",
    "wait_for_completion",
    "call_usermodehelper_exec",
    "__mutex_lock",
    "mutex_lock",
)
_FRAMES = 4

# How long a process is watched, in seconds. One that waits for its own pages is in state D as well, but goes on.
_SECONDS_WATCHED = 0.1


def hangs(pid: int) -> bool:
    """Whether the process is in state D, where no signal reaches it, and is not scheduled for 0.1 s; takes that long.
    False for a process that is gone.
    """
    before = _progress(pid)
    if not before.startswith("D"):
        return False
    time.sleep(_SECONDS_WATCHED)
    return _progress(pid) == before


def _progress(pid: int) -> str:
    """The state of a process, D where no signal reaches it, and how often it has been switched to (proc(5))."""
    words = dict(line.partition(":")[::2] for line in _text(pid, "status").splitlines())
    names = ("State", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return " ".join(words.get(name, "").strip() for name in names).strip()


def functions(pid: int) -> str:
    """Return the innermost kernel functions of a process, at most four: ``core_tpg_remove_lun < configfs_unlink``.

    Those that only put a task to sleep are left out. "" for a process that does not wait in the kernel, or is gone.
    Where this kernel shows no stacks, the one function of /proc/PID/wchan.
    """
    lines = [line.split() for line in _text(pid, "stack").splitlines()]
    # [<0>] drbd_submit_bio+0xdb/0x111 [drbd]
    calls = [words[1].partition("+")[0] for words in lines if len(words) > 1]
    telling = [call for call in calls if not call.startswith(_SLEEPING)]
    if telling:
        return " < ".join(telling[:_FRAMES])
    place = _text(pid, "wchan").strip("\0\n")
    return "" if place == "0" else place


def _text(pid: int, name: str) -> str:
    return kernel_files.text(f"{kernel_files.PROCESSES}/{pid}/{name}")
