# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder for what shall not outlive a boot: locks, and what was last told to the cluster."""

from __future__ import annotations

import os
import time

from twinsan.errors import Failure

DIRECTORY = "/run/twinsan"

# Where the kernel lists the sockets of this host. The tests set another place.
sockets = "/proc/net/unix"

# Pacemaker's attribute daemon listens on a socket of this name: abstract by libqb's default, else a file. It keeps what
# it was told in memory alone.
_DAEMON = "attrd"
_LISTENING = "00010000"

_LONGEST_NAME = 255


def path(name: str) -> str:
    """The path of a file in the folder, which is made where it is missing. Only root may look into it.

    Raises Failure for a name that leaves the folder: some are made of names that come from outside.
    """
    if "/" in name or "\0" in name or not 0 < len(os.fsencode(name)) <= _LONGEST_NAME:
        raise Failure(f"{name[:80]!r} cannot be the name of a file in {DIRECTORY}; give it a name like others")
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        pass
    return os.path.join(DIRECTORY, name)


def write(path: str, text: str) -> None:
    """Put a note of `text` in the place of another at once: who reads meanwhile, or after a kill, has the one or the
    other, whole. What is no ASCII becomes "?".

    It need not be on the disk, which /run has none of; see state.write for what has to.
    """
    temporary = _complete(path, text)
    try:
        os.rename(temporary, path)
    except BaseException:
        forget(temporary)
        raise


def write_first(path: str, text: str) -> bool:
    """The same where there is no note yet; False, and nothing changed, where there is one."""
    if os.path.exists(path):
        return False
    temporary = _complete(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        forget(temporary)
    return True


def _complete(path: str, text: str) -> str:
    """A file of `text` beside a note. It is not named after it: the note's name may be as long as a name can be, and
    its beginning says what it is.
    """
    temporary = os.path.join(os.path.dirname(path), f".new.{os.getpid()}")
    with open(temporary, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
    return temporary


def told(path: str, seconds: float) -> str | None:
    """What a note says that the cluster was told; None where it is not known to be so still (see `age`), or was told
    `seconds` ago or longer.
    """
    if not age(path) < seconds:
        return None
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def age(path: str) -> float:
    """How many seconds ago the cluster was told what a note says; infinite where there is no note, or the attribute
    daemon has been started since, and knows nothing of it.
    """
    # First: what is told next, and noted, is then told to a daemon that has been seen.
    seen = _daemon_seen(time.time())
    try:
        written = os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")
    now = time.time()
    return now - written if seen <= written <= now else float("inf")


def _daemon_seen(now: float) -> float:
    """When the present attribute daemon was first seen here; 0.0 where none ever was."""
    place, present = path("attribute-daemon"), _daemon()
    try:
        with open(place, encoding="ascii", errors="replace") as file:
            seen = os.fstat(file.fileno()).st_mtime
            known = file.read()
    except FileNotFoundError:
        seen, known = 0.0, ""
    # Where none runs, the next one will be another. A time to come is from before the clock was set back.
    if present and (present != known or seen > now):
        write(place, present)
        seen = os.stat(place).st_mtime
    return seen


def _daemon() -> str:
    """What tells one start of the attribute daemon from another: the number of the socket that it listens on; "" where
    it does not run. To read this list is one system call, to find the process would be hundreds.
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
    """The name of a socket; what is abstract is shown with @ for each NUL."""
    return socket.strip("@").rpartition("/")[2]


def forget(path: str) -> None:
    """Remove a file, which need not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
