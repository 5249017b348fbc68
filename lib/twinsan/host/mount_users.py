# SPDX-License-Identifier: GPL-2.0-or-later
"""Who keeps a file system from being unmounted: processes that are in it, or have a file of it open.

Links in /proc are read and never followed, so a file system that does not answer cannot block the caller.
"""

from __future__ import annotations

import os

from twinsan.host import kernel_files, signals


def of(where: str) -> list[int]:
    """Return the processes that use the file system mounted at `where`: with a file of it open or mapped, or with a
    folder of it as working directory or root. Process 1, this process and its parent are left out.
    """
    spared = (1, os.getpid(), os.getppid())
    return [pid for pid in kernel_files.pids() if pid not in spared and _uses(pid, where)]


def mounts_elsewhere(device: str) -> list[tuple[int, str]]:
    """Return where a device is mounted in other mount namespaces, such as those of containers: for each mount the
    number of a process in that namespace, and the mount point. Empty for a `device` of "".

    An unmount in the first namespace reaches most others, but not one whose mounts are private.
    """
    if not device:
        return []
    ours = _namespace("self")
    processes = {_namespace(str(pid)): pid for pid in kernel_files.pids()}
    found = []
    for namespace, pid in processes.items():
        if namespace not in ("", ours):
            table = kernel_files.text(f"{kernel_files.PROCESSES}/{pid}/mountinfo")
            found += [(pid, place) for place in _mount_points(table, device)]
    return found


def _namespace(process: str) -> str:
    return kernel_files.link(f"{kernel_files.PROCESSES}/{process}/ns/mnt")


def _mount_points(mountinfo: str, device: str) -> list[str]:
    lines = (line.partition(" - ") for line in mountinfo.splitlines() if f" {device} " in line)
    return [before.split()[4] for before, _, after in lines if after.split()[1] == device]


def describe(pids: list[int]) -> str:
    """Return processes in words, such as ``bash (pid 411), find (pid 523)``; "" for none."""
    return ", ".join(map(kernel_files.process_name, pids))


def terminate(pids: list[int]) -> None:
    """Send SIGTERM to processes; one that has ended is fine."""
    _send(signals.SIGTERM, pids)


def kill(pids: list[int]) -> None:
    """Send SIGKILL to processes; one that has ended is fine."""
    _send(signals.SIGKILL, pids)


def _send(signal: int, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            continue


def _uses(pid: int, where: str) -> bool:
    process = f"{kernel_files.PROCESSES}/{pid}"
    links = [f"{process}/{name}" for name in ("cwd", "root", "exe")]
    links += [f"{process}/fd/{name}" for name in kernel_files.entries(f"{process}/fd")]
    if any(_is_inside(kernel_files.link(path), where) for path in links):
        return True
    mapped = (line.split(maxsplit=5)[5:] for line in kernel_files.text(f"{process}/maps").splitlines())
    return any(_is_inside(path[0], where) for path in mapped if path)


def _is_inside(path: str, where: str) -> bool:
    return f"{path}/".startswith(f"{where}/")
