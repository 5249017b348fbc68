# SPDX-License-Identifier: GPL-2.0-or-later
"""Read /proc, /sys and configfs. What is missing or cannot be read counts as empty.

Links are read and never followed: their target may be on a file server that does not answer.
"""

from __future__ import annotations

import os

# The tests set another place.
PROCESSES = "/proc"


def entries(folder: str) -> list[str]:
    """Return the names in a folder, sorted; empty where it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def link(path: str) -> str:
    """Return the target of a symbolic link; "" where it cannot be read."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def text(path: str) -> str:
    """Return the text of a file, with its line end; "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def pids() -> list[int]:
    """Return the numbers of all processes, in ascending order."""
    return sorted(int(name) for name in entries(PROCESSES) if name.isdecimal())


def process_name(pid: int) -> str:
    """Return a process in words, such as ``bash (pid 411)``."""
    return f"{text(f'{PROCESSES}/{pid}/comm').strip() or 'process'} (pid {pid})"
