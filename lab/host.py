# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab uses of this host: the checkout, its memory, its folders and its clock."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.namespace import MEMORY

PROJECT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def installation() -> Iterator[Path]:
    """What `make install` puts into /usr, in a folder."""
    with tempfile.TemporaryDirectory(prefix="twinsan-install-") as folder:
        command = ["make", "--silent", "--no-print-directory", "install", f"DESTDIR={folder}"]
        subprocess.run(command, cwd=PROJECT, check=True)
        yield Path(folder) / "usr"


def disks_folder(needed_mb: int) -> Path:
    """Where disks lie: in memory where it fits, else in the checkout's build folder."""
    memory = Path(MEMORY)
    if available_memory_mb() >= needed_mb:
        return memory
    folder = PROJECT / "build" / "lab" / "disks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if shutil.disk_usage(folder).free >> 20 < needed_mb:
        raise LabError(f"disk full: {folder} needs {needed_mb} MiB free, and so little memory is left as well")
    return folder


def available_memory_mb() -> int:
    """What can be used without anybody being moved out of memory."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) >> 10
    return 0


def now() -> float:
    """The time, as guests and events have it: guests take their clock from the host."""
    return time.time()


def build_folder(name: str) -> Path:
    """A folder below build/ of this checkout."""
    folder = PROJECT / "build" / name
    os.makedirs(folder, exist_ok=True)
    return folder
