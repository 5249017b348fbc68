# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the persistent reservations of a LUN are kept between two nodes that serve it.

In the state volume (see `state`), where its DRBD resource has one. The kernel's file is a link into it, so that no
reservation is acknowledged before it is on both nodes. The kernel empties the file and then writes it. btrfs puts both
on the disk at once. Where a file system puts one after the other a power cut in between finds an empty file, and then
the copy counts that the last monitor made.

Without a state volume each monitor, and the stop, tells all nodes in an attribute of the cluster. What was acknowledged
since the last monitor is lost with the node, and all of it when both nodes go down.

A LUN that was started before its state volume was there goes on with the attribute until its next start.

A file that a node has kept by itself is never believed: another node may have served since.
"""

from __future__ import annotations

import os
import time

from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import reservations, rundir, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

# What the cluster may take to say or to learn what is reserved; without an answer the LUN is served all the same.
_SECONDS_FOR_CLUSTER = 3.0

# A node that joins the cluster again has forgotten what it was told.
_SECONDS_UNTIL_REPEATED = 60.0

# The copy is made in the background of a monitor, and must not outlast it where DRBD has frozen its I/O.
_SECONDS_FOR_COPY = 3.0


class Store:
    """The reservations of the LUN with unit serial `serial`.

    `volume` is the mounted state volume; None where there is none. `clustered` says whether there is a cluster to tell.
    `note` takes what an operator should know.
    """

    def __init__(self, serial: str, volume: str | None, note: Callable[[str], None], *, clustered: bool) -> None:
        self._serial = serial
        self._kernels = reservations.file(serial)
        self._kept = f"{volume}/reservations/{serial}" if volume else None
        self._clustered = clustered
        self._note = note

    def bring_back(self, place: str, deadline: Deadline) -> None:
        """Tell the kernel what is reserved, for the storage object at `place`, before a command can meet a LUN that is
        not.
        """
        text = self.recall(deadline)
        for refused in reservations.restore(place, text):
            self._note(f"the kernel does not take the registration {refused}")
        self.connect(text)

    def recall(self, deadline: Deadline) -> str:
        """What was reserved when the LUN was served last, on whatever node, as the kernel writes it."""
        kept = self._read()
        return self._ask(deadline) if kept is None else kept

    def _read(self) -> str | None:
        """What the state volume has; None where it has nothing."""
        if self._kept is None:
            return None
        try:
            kept = state.read(self._kept)
            if kept is not None and reservations.torn(kept):
                self._note(f"{self._kept} is cut off: this takes the reservations of the last monitor")
                kept = state.read(f"{self._kept}.copy") or reservations.NONE
        except OSError as error:
            self._note(f"the state volume cannot be read: {error}")
            return None
        return kept

    def connect(self, text: str) -> None:
        """Let the kernel keep what is reserved from now on, where `text` was: before anybody sees the LUN."""
        rundir.forget(self._told())
        rundir.forget(self._kernels)
        try:
            if self._kept is not None:
                self._prepare(self._kept, text)
                os.symlink(self._kept, self._kernels)
                return
        except OSError as error:
            self._note(f"the state volume cannot be written: {error}")
        _write(self._kernels, text)
        if text != reservations.NONE:
            rundir.write(self._told(), text)

    def _prepare(self, path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if state.read(path) != text:
            state.write(path, text)
        state.make_synchronous(path)

    @property
    def connected(self) -> bool:
        """Whether the kernel writes to the state volume."""
        return self._kept is not None and os.path.islink(self._kernels) and os.readlink(self._kernels) == self._kept

    def keep(self, place: str, deadline: Deadline) -> None:
        """Keep what is reserved now in the storage object at `place`, where it has changed: the task of a monitor."""
        if self.connected:
            self._copy(place, deadline)
        elif os.path.isfile(self._kernels):
            self._tell(deadline, _SECONDS_UNTIL_REPEATED)

    def let_go(self, deadline: Deadline) -> None:
        """Keep it for the last time, and leave no file on this node: the task of a stop, when the LUN is gone.

        The state volume is left alone, as its I/O may be frozen; the kernel has written there already.
        """
        if not self.connected and os.path.isfile(self._kernels):
            self._tell(deadline, float("inf"))
        rundir.forget(self._kernels)

    @property
    def attribute(self) -> str:
        """The name of the node attribute."""
        return f"twinsan-reservations-{self._serial}"

    def _told(self) -> str:
        """The file that has what was kept last."""
        return rundir.path(f"reservations.{self._serial[:200]}")

    def _copy(self, place: str, deadline: Deadline) -> None:
        """Copy the file, in a child: where DRBD has frozen its I/O a monitor must not hang with it."""
        now = reservations.signature(place)
        if _recent(self._told(), float("inf")) == now:
            return
        from twinsan.system import child

        def copy() -> None:
            text = state.read(str(self._kept)) or ""
            if not reservations.torn(text):
                state.write(f"{self._kept}.copy", text)

        try:
            child.bounded(copy, deadline.within(_SECONDS_FOR_COPY), f"copying {self._kept}")
        except (DeadlinePassed, Failure) as failure:
            self._note(f"the reservations could not be copied: {failure}")
            return
        rundir.write(self._told(), now)

    def _tell(self, deadline: Deadline, repeated: float) -> None:
        text = state.read(self._kernels) or reservations.NONE
        last = _recent(self._told(), float("inf")) or reservations.NONE
        # That nothing is reserved need not be repeated: it is what a node knows that was told nothing.
        if not self._clustered:
            return
        if text == last and (text == reservations.NONE or rundir.told(self._told(), repeated)):
            return
        from twinsan.system import cluster

        value = f"{time.time():.3f};" + text.replace("\n", ";")
        try:
            cluster.set_on_every_node(self.attribute, value, deadline.within(_SECONDS_FOR_CLUSTER))
        except (Failure, OSError) as failure:
            self._note(f"the other node does not know what is reserved: {failure}")
            return
        rundir.write(self._told(), text)

    def _ask(self, deadline: Deadline) -> str:
        if not self._clustered:
            return reservations.NONE
        from twinsan.system import cluster

        try:
            values = cluster.get_node_attributes(self.attribute, deadline.within(_SECONDS_FOR_CLUSTER)).values()
        except (Failure, OSError) as failure:
            self._note(f"what was reserved is unknown: {failure}")
            return reservations.NONE
        told = [value.partition(";")[::2] for value in values]
        # The nodes were told one after the other.
        latest = max(told, key=lambda pair: _seconds(pair[0]), default=("", ""))[1]
        return latest.replace(";", "\n") or reservations.NONE


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _recent(path: str, seconds: float) -> str | None:
    """A file's text where it is not older; else None."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read() if 0 <= time.time() - os.fstat(file.fileno()).st_mtime < seconds else None
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
