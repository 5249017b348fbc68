# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes of what this node sent to the cluster's attribute daemon last, and when. The daemon loses it when it ends."""

from __future__ import annotations

import os
import time

from twinsan.host.note import Note

# Where the kernel lists the sockets of this host. The tests set another place.
sockets = "/proc/net/unix"

# Pacemaker's attribute daemon listens on a socket of this name: abstract by libqb's default, else a file. It keeps
# attributes only in memory.
_DAEMON = "attrd"
_LISTENING = "00010000"


class Published(Note):
    """A note of the value that was sent to the attribute daemon. It is void once the daemon has been restarted.

    Raises Failure if the name cannot be that of a file in /run/twinsan.
    """

    __slots__ = ()

    def recent(self, seconds: float) -> str | None:
        """The value that was sent less than `seconds` ago; None if none was, or the daemon has been started since."""
        return self.read() if self.age() < seconds else None

    def age(self) -> float:
        """How many seconds ago the value was sent; infinite if none was, or the daemon has been started since."""
        # Before all else: a value that is sent and noted next then goes to a daemon that has been seen.
        seen = _daemon_seen(time.time())
        try:
            written = self.modified()
        except FileNotFoundError:
            return float("inf")
        now = time.time()
        return now - written if seen <= written <= now else float("inf")

    def expire(self) -> None:
        """Date the note so far back that the next monitor sends the value again."""
        os.utime(self.path, (0, 0))


def _daemon_seen(now: float) -> float:
    """When the present attribute daemon was first seen, in seconds since the epoch; 0.0 if none ever was."""
    note, present = Note("attribute-daemon"), _daemon()
    try:
        seen, known = note.modified(), note.read() or ""
    except FileNotFoundError:
        seen, known = 0.0, ""
    # If none runs, the next one will have another number. A time in the future is from before the clock was set back.
    if present and (present != known or seen > now):
        note.replace(present)
        seen = note.modified()
    return seen


def _daemon() -> str:
    """The inode of the socket that the attribute daemon listens on, another one after each start; "" if it does not
    run. Reading this list takes a few system calls, finding the process would take hundreds.
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
