# SPDX-License-Identifier: GPL-2.0-or-later
"""What was reported, so that it is reported once; and the failovers to this node.

Pacemaker runs alert agents as hacluster, which owns /var/lib/pacemaker and cannot write to /run/twinsan. Each node has
a memory of its own. The agent's shell script looks at the files by their names.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = "/var/lib/pacemaker/twinsan"

_LOST = "lost"

# What goes on is reported again after this time.
_SECONDS_UNTIL_REPEATED = 86400.0

# The failovers that are kept, by the size of their file.
_MOST_BYTES = 65536


class Memory:
    """The files in a folder. Without the right to write there nothing is remembered, and all is reported."""

    def __init__(self, folder: str = FOLDER) -> None:
        self.folder = folder

    def path(self, word: str, name: str) -> str:
        """Return the path of the file for `word` and the `name` of a resource or node."""
        return os.path.join(self.folder, f"{word}.{name.replace('/', '_')[:200]}")

    def read(self, word: str, name: str) -> str | None:
        """Return what is remembered; None for nothing."""
        try:
            with open(self.path(word, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def since(self, word: str, name: str) -> float:
        """Return when something was remembered last, in seconds since the epoch; 0.0 for never."""
        try:
            return os.stat(self.path(word, name)).st_mtime
        except OSError:
            return 0.0

    def write(self, word: str, name: str, text: str = "") -> None:
        """Remember a text."""
        path = self.path(word, name)
        temporary = f"{path}.{os.getpid()}.new"
        try:
            self._make_folder()
            with open(temporary, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            os.rename(temporary, path)
        except OSError:
            return

    def forget(self, word: str, name: str) -> None:
        """Remember nothing any more."""
        try:
            os.unlink(self.path(word, name))
        except OSError:
            return

    def is_new(self, word: str, name: str, text: str) -> bool:
        """Whether `text` is to be reported: it is not what was reported last, or that was a day ago. It is remembered,
        with the time of its last repetition as the time of the file.
        """
        first, _, known = (self.read(word, name) or "").partition(" ")
        now = time.time()
        if known == text and first.isdecimal() and 0 <= now - int(first) < _SECONDS_UNTIL_REPEATED:
            self._touch(word, name)
            return False
        self.write(word, name, f"{int(now)} {text}")
        return True

    def _make_folder(self) -> None:
        """Make the folder, for the owner of the folder that it is in, who may not be the one who tries this by hand."""
        if os.path.isdir(self.folder):
            return
        # Another event of the same moment may make it, too.
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        above = os.stat(os.path.dirname(self.folder))
        if os.geteuid() == 0:
            os.chown(self.folder, above.st_uid, above.st_gid)

    def _touch(self, word: str, name: str) -> None:
        try:
            os.utime(self.path(word, name))
        except OSError:
            return

    def note_loss(self, node: str, moment: float) -> None:
        """Remember when the cluster lost a node."""
        self.write(_LOST, node, f"{moment} gone")

    def note_return(self, node: str) -> bool:
        """Remember that a node is back. Returns whether it was lost before."""
        moment, _, state = (self.read(_LOST, node) or "").partition(" ")
        if state != "gone":
            return False
        self.write(_LOST, node, f"{moment} back")
        return True

    def loss(self, node: str) -> float:
        """Return when the cluster lost a node last, in seconds since the epoch; 0.0 for never."""
        try:
            return float((self.read(_LOST, node) or "0").partition(" ")[0])
        except ValueError:
            return 0.0

    def add_failover(self, failover: dict[str, Any]) -> None:
        """Keep a failover to this node, as a line of JSON, with its number, and the sum of seconds up to it. The oldest
        are forgotten.
        """
        path = os.path.join(self.folder, "failovers")
        same = [each for each in self.failovers() if each.get("resource") == failover["resource"]]
        number, seconds = (_number(same, name) for name in ("number", "sum"))
        failover = {**failover, "number": int(number) + 1, "sum": round(seconds + failover["seconds"], 1)}
        try:
            self._make_folder()
            if os.path.exists(path) and os.path.getsize(path) > _MOST_BYTES:
                os.replace(path, path + ".before")
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(failover) + "\n")
        except OSError:
            return

    def failovers(self) -> list[dict[str, Any]]:
        """Return the failovers to this node that are kept, the oldest first."""
        found = []
        for name in ("failovers.before", "failovers"):
            try:
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    lines = file.read(2 * _MOST_BYTES).splitlines()
            except OSError:
                continue
            for line in lines:
                try:
                    read = json.loads(line)
                except ValueError:
                    continue
                if isinstance(read, dict):
                    found.append(read)
        return found


def _number(failovers: list[dict[str, Any]], name: str) -> float:
    """A number of the last failover; 0.0 where there is none."""
    value = failovers[-1].get(name) if failovers else 0.0
    return value if isinstance(value, (int, float)) else 0.0
