# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes of what this node has told the cluster's attribute daemon last, and when. The daemon forgets it at its end."""

from __future__ import annotations

import os
import time

from twinsan.host.note import Note

# Where the kernel lists the sockets of this host. The tests set another place.
sockets = "/proc/net/unix"

# Pacemaker's attribute daemon listens on a socket of this name: abstract by libqb's default, else a file. It keeps what
# it was told in memory alone.
_DAEMON = "attrd"
_LISTENING = "00010000"


class Published(Note):
    """A note of what the attribute daemon was told. It is void once the daemon was started anew.

    Raises Failure where the name cannot be that of a file in /run/twinsan.
    """

    __slots__ = ()

    def recent(self, seconds: float) -> str | None:
        """What the daemon was told less than `seconds` ago; None for nothing, or where it has been started since."""
        return self.read() if self.age() < seconds else None

    def age(self) -> float:
        """How many seconds ago the daemon was told; infinite where it was not, or it has been started since."""
        # First: what is told next, and noted, is then told to a daemon that has been seen.
        seen = _daemon_seen(time.time())
        try:
            written = self.modified()
        except FileNotFoundError:
            return float("inf")
        now = time.time()
        return now - written if seen <= written <= now else float("inf")

    def expire(self) -> None:
        """Date it so far back that the next monitor tells the daemon again."""
        os.utime(self.path, (0, 0))


def _daemon_seen(now: float) -> float:
    """When the present attribute daemon was first seen, in seconds since the epoch; 0.0 where none ever was."""
    note, present = Note("attribute-daemon"), _daemon()
    try:
        seen, known = note.modified(), note.read() or ""
    except FileNotFoundError:
        seen, known = 0.0, ""
    # Where none runs, the next one will be another. A time to come is from before the clock was set back.
    if present and (present != known or seen > now):
        note.replace(present)
        seen = note.modified()
    return seen


def _daemon() -> str:
    """The number of the socket that the attribute daemon listens on, another one after each start; "" where it does not
    run. To read this list is one system call, to find the process would be hundreds.
    """
    try:
        with open(sockets, encoding="ascii", errors="replace") as file:
            rows = [line.split() for line in file if _DAEMON in line]
    except OSError:
        return ""
    # Num RefCount Protocol Flags Type St Inode Path
    found = [row[6] for row in rows if len(row) == 8 and row[3] == _LISTENING and _name(row[7]) == _DAEMON]
    return found[0] if found else ""


def _name(socket: str) -> str:
    """The name of a socket. The kernel shows an abstract one with @ for each NUL."""
    return socket.strip("@").rpartition("/")[2]
