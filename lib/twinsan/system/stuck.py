# SPDX-License-Identifier: GPL-2.0-or-later
"""Where in the kernel a process hangs: the evidence that is gone once its node has been reset."""

from __future__ import annotations

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
