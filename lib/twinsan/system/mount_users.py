# SPDX-License-Identifier: GPL-2.0-or-later
"""Who keeps a file system from being unmounted: processes that are in it, or have something of it open.

Links in /proc are read and never followed, so that a file system that does not answer stops nobody who looks.
"""

from __future__ import annotations

import os

# The tests set other places.
PROCESSES = "/proc"

# Numbers instead of the module `signal`, which costs an import of `enum`; Linux never changes them.
TERM, KILL = 15, 9


def of(where: str) -> list[int]:
    """The processes that use the file system mounted at `where`, but for this one, its caller, and the first."""
    spared = (1, os.getpid(), os.getppid())
    pids = (int(name) for name in _entries(PROCESSES) if name.isdecimal())
    return [pid for pid in pids if pid not in spared and _uses(f"{PROCESSES}/{pid}", where)]


def elsewhere(device: str) -> list[tuple[int, str]]:
    """Where a device is mounted in other mount namespaces, as containers have them: a process of each, and the place.

    What is unmounted in the first namespace is in most others, too, but not in one that takes no part in it.
    """
    if not device:
        return []
    ours = _link(f"{PROCESSES}/self/ns/mnt")
    spaces = {_link(f"{PROCESSES}/{name}/ns/mnt"): int(name) for name in _entries(PROCESSES) if name.isdecimal()}
    found = []
    for space, pid in spaces.items():
        if space not in ("", ours):
            found += [(pid, place) for place in _places(_text(f"{PROCESSES}/{pid}/mountinfo"), device)]
    return found


def _places(mountinfo: str, device: str) -> list[str]:
    lines = (line.partition(" - ") for line in mountinfo.splitlines() if f" {device} " in line)
    return [before.split()[4] for before, _, after in lines if after.split()[1] == device]


def names(pids: list[int]) -> str:
    """Processes in words, such as ``bash (pid 411), find (pid 523)``; "" for none."""
    return ", ".join(f"{_text(f'{PROCESSES}/{pid}/comm').strip() or 'process'} (pid {pid})" for pid in pids)


def end(pids: list[int], signal: int) -> None:
    """Ask processes to end (TERM), or end them (KILL); one that has ended is fine."""
    for pid in pids:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            continue


def _uses(process: str, where: str) -> bool:
    links = [f"{process}/{name}" for name in ("cwd", "root", "exe")]
    links += [f"{process}/fd/{name}" for name in _entries(f"{process}/fd")]
    if any(_inside(_link(path), where) for path in links):
        return True
    mapped = (line.split(maxsplit=5)[5:] for line in _text(f"{process}/maps").splitlines())
    return any(_inside(path[0], where) for path in mapped if path)


def _inside(path: str, where: str) -> bool:
    return f"{path}/".startswith(f"{where}/")


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
