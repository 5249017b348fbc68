# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that listens on a TCP port, to be named in a reason."""

from __future__ import annotations

import os

from twinsan.network import tcp_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def process_on(address: str, port: int) -> str:
    """The process whose listening socket keeps `address`:`port` from others, as "NAME (pid N)".

    Returns "" if no process listens there, as when the kernel itself does.
    """
    rows = [row for row in tcp_table.listeners() if row.local_port == port and _clash(row.local, address)]
    sockets = {f"socket:[{row.inode}]" for row in rows}
    for pid in filter(str.isdecimal, os.listdir("/proc") if sockets else ()):
        if sockets.intersection(_open_files(pid)):
            return f"{_name(pid)} (pid {pid})"
    return ""


def _open_files(pid: str) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    try:
        for number in os.listdir(folder):
            yield os.readlink(f"{folder}/{number}")
    except OSError:
        # It ended meanwhile, or this user may not read it.
        return


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a process"


def _clash(one: str, other: str) -> bool:
    """Whether listeners on two addresses exclude each other: they are the same, or one means all addresses."""
    everywhere = ("0.0.0.0", "::")
    return one == other or one in everywhere or other in everywhere
