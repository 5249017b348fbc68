# SPDX-License-Identifier: GPL-2.0-or-later
"""Which process listens on a TCP port, for a failure's text."""

from __future__ import annotations

import os

from twinsan.system import tcp_table


def on(address: str, port: int) -> str:
    """The process that keeps `address`:`port` from others, as "NAME (pid N)"; "" where none can be named."""
    inodes = [row.inode for row in tcp_table.listeners() if row.local_port == port and _clash(row.local, address)]
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            files = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
            if any(f"socket:[{inode}]" in files for inode in inodes):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    return f"{file.read().strip()} (pid {pid})"
        except OSError:
            # It ended meanwhile, or is not ours to look at.
            continue
    return ""


def _clash(one: str, other: str) -> bool:
    """Whether two listeners exclude each other: on one address, or where one has them all."""
    everywhere = ("0.0.0.0", "::")
    return one == other or one in everywhere or other in everywhere
