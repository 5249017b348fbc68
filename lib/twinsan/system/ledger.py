# SPDX-License-Identifier: GPL-2.0-or-later
"""Which node served a LUN last, and with what fingerprint: asked before a node serves it, told when it does.

It is kept in two places. A file on the replicated volume of the LUN's DRBD resource, where there is one, is there when
both nodes start cold. A private attribute of every node in the cluster can be looked at from anywhere, and serves where
there is no such volume; each node has its copy, because the cluster forgets the attributes of a node that it loses.
Either may have missed what the other was told, so each record has a count, and the highest is the last.

The record that this node serves by is in /run/twinsan from before the LUN is shown. Its time says when all others were
told: a monitor tells it where they were not, and again after a while, for a node that has joined since.
"""

from __future__ import annotations

import os

from twinsan import rundir
from twinsan.errors import Failure
from twinsan.system import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.fingerprint import Fingerprint
    from twinsan.system.lio_lun import Lun

_SECONDS_UNTIL_REPEATED = 300.0

# What the cluster may take to answer; the LUN is served all the same.
_SECONDS_TO_READ = 3
_SECONDS_TO_TELL = 10


class Ledger:
    """The record of one LUN, by the name of its resource; one that has none, as outside of a cluster, has no record.
    `node` is this one, "" where the caller does not know. `note` takes what an operator should find in the log.
    """

    def __init__(self, lun: Lun, node: str, deadline: Deadline, note: Callable[[str], None]) -> None:
        self.lun = lun
        self._node = node
        self._deadline = deadline
        self.note = note
        # Whether `read` had an answer from the cluster, so that there is no later record.
        self.complete = False

    def read(self) -> Fingerprint | None:
        """What was told last, wherever; None where nobody ever served it. Where the cluster does not answer it is what
        the volume has; raises Failure or OSError where that has nothing.
        """
        from twinsan.system import cluster, fingerprint

        kept = self._kept()
        try:
            told = cluster.get_node_attributes(self._attribute, self._deadline.within(_SECONDS_TO_READ))
            self.complete = True
        except (Failure, OSError):
            if kept is None:
                raise
            return kept
        found = [kept, *map(fingerprint.parse, told.values())]
        return max((each for each in found if each is not None), key=lambda each: each.count, default=None)

    def _kept(self) -> Fingerprint | None:
        try:
            return recorded(self._file())
        except OSError as error:
            self.note(f"the state volume does not say what disk {self.lun} was: {error}")
            return None

    def take(self) -> Fingerprint:
        """The LUN's fingerprint on this node, as it is now."""
        from twinsan.system import fingerprint

        self._node = self._node or self._ask_name()
        return fingerprint.take(self.lun, self._node)

    def prepare(self, mine: Fingerprint) -> None:
        """Have the next monitor tell it: before the LUN is shown, so that no monitor tells what was before."""
        rundir.write(self._told, str(mine))
        os.utime(self._told, (0, 0))

    def forget(self) -> None:
        """Have the next monitor take it anew, and ask what came before."""
        rundir.forget(self._told)

    def tell(self, mine: Fingerprint) -> None:
        """Write it down everywhere; where that fails the next monitor tries again."""
        from twinsan.system import cluster

        self.prepare(mine)
        try:
            self._keep(str(mine))
        finally:
            cluster.set_on_every_node(self._attribute, str(mine), self._deadline.within(_SECONDS_TO_TELL))
        os.utime(self._told)

    def update(self) -> None:
        """Tell what an action has changed while the LUN was served."""

        def look() -> None:
            mine, last = self._now()
            if str(mine) != str(last):
                self.tell(mine)

        if self.lun.resource:
            self.borne(look)

    def renew(self) -> None:
        """Tell it again where it is time, as it is by then: a device may have grown."""

        def look() -> None:
            if not rundir.age(self._told) < _SECONDS_UNTIL_REPEATED:
                from twinsan.system import child

                patience = self._deadline.within(_SECONDS_TO_TELL)
                child.bounded(lambda: self.tell(self._now()[0]), patience, f"telling what disk {self.lun} is")

        if self.lun.resource:
            self.borne(look)

    def _now(self) -> tuple[Fingerprint, Fingerprint | None]:
        """The fingerprint as the next record, and the last."""
        last = noted(self.lun.resource) or self.read()
        return self.take().after(last), last

    def borne(self, telling: Callable[[], None]) -> None:
        """That it cannot be told fails no action."""
        try:
            telling()
        except (Failure, OSError) as failure:
            self.note(f"the other node does not know what disk {self.lun} is: {failure}")

    def _keep(self, text: str) -> None:
        """Write it to the replicated volume, a field to each line."""
        path = self._file()
        lines = "\n".join(text.split())
        if path and _read(path) != lines:
            state.write(path, lines)

    def _ask_name(self) -> str:
        from twinsan.system import cluster

        try:
            return cluster.node_name(self._deadline.within(_SECONDS_TO_READ))
        except Failure:
            return os.uname().nodename

    @property
    def _attribute(self) -> str:
        return f"twinsan-lun-{self.lun.resource}"

    @property
    def _told(self) -> str:
        return _path(self.lun.resource)

    def _file(self) -> str:
        """The file on the replicated volume; "" where there is none."""
        folder = state.folder(self.lun.storage.path)
        return f"{folder}/fingerprint.{self.lun.resource}" if folder else ""


def noted(resource: str) -> Fingerprint | None:
    """The record that this node serves a LUN by, by the name of its resource; None where it is not noted."""
    return recorded(_path(resource))


def recorded(path: str) -> Fingerprint | None:
    """The fingerprint in a file; None where there is none."""
    from twinsan.system import fingerprint

    return fingerprint.parse(_read(path))


def _path(resource: str) -> str:
    return rundir.path(f"fingerprint.{resource}")


def _read(path: str) -> str:
    """What a file holds; "" where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
