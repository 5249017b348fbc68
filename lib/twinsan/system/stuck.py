# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether and where in the kernel a process hangs: the evidence that is gone once its node has been reset."""

from __future__ import annotations

import time

PROCESSES = "/proc"

# How a task sleeps says little; who lets it sleep says more.
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

# How long a process is watched, in seconds. One that waits for its own pages sleeps as one that hangs, but goes on.
_WATCHED = 0.1


def hangs(pid: int) -> bool:
    """Whether the process sleeps where no signal reaches it, and does not go on while it is watched for a moment."""
    before = _progress(pid)
    if not before.startswith("D"):
        return False
    time.sleep(_WATCHED)
    return _progress(pid) == before


def _progress(pid: int) -> str:
    """The state of a process, D where no signal reaches it, and how often it has been switched to (proc(5))."""
    words = dict(line.partition(":")[::2] for line in _read(f"{PROCESSES}/{pid}/status").splitlines())
    names = ("State", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return " ".join(words.get(name, "").strip() for name in names).strip()


def where(pid: int) -> str:
    """The innermost functions, as in ``core_tpg_remove_lun < configfs_unlink``; "" where it does not hang."""
    lines = [line.split() for line in _read(f"{PROCESSES}/{pid}/stack").splitlines()]
    # [<0>] drbd_submit_bio+0xdb/0x111 [drbd]
    calls = [words[1].partition("+")[0] for words in lines if len(words) > 1]
    telling = [call for call in calls if not call.startswith(_SLEEPING)]
    if telling:
        return " < ".join(telling[:_FRAMES])
    place = _read(f"{PROCESSES}/{pid}/wchan").strip("\0\n")
    return "" if place == "0" else place


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        # The process is gone, or this kernel shows no stacks.
        return ""
