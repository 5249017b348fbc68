# SPDX-License-Identifier: GPL-2.0-or-later
"""Which node served a LUN last, and with what fingerprint: asked before this node serves it, told when it does.

It is kept in two places. A file on the replicated volume of the LUN's DRBD resource, where there is one, is asked
first: it is there when both nodes start cold, and costs no program. A private attribute of every node in the cluster is
what can be looked at from anywhere, and serves where there is no such volume; each node has its copy, because the
cluster forgets the attributes of a node that it loses.

What this node told last is in /run/twinsan. A monitor tells it again after a while, for a node that has joined since;
where the file is missing, it takes the fingerprint anew.
"""

from __future__ import annotations

import os
import time

from twinsan.errors import Failure, NotHere
from twinsan.system import configfs, lio_lun, lio_target, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.fingerprint import Fingerprint
    from twinsan.system.lio_lun import Lun

_SECONDS_UNTIL_REPEATED = 300.0

# What the cluster may take to answer; the LUN is served all the same.
_SECONDS_TO_RECALL = 3
_SECONDS_TO_TELL = 10


class Ledger:
    """The record of one LUN, by the name of its resource; one that has none, as outside of a cluster, has no record.
    `node` is this one, "" where the caller does not know. `note` takes what an operator should find in the log.
    """

    def __init__(self, lun: Lun, node: str, deadline: Deadline, note: Callable[[str], None]) -> None:
        self._lun = lun
        self._node = node
        self._deadline = deadline
        self._note = note
        # None where it is not known who served it.
        self._last: list[Fingerprint] | None = None
        self._mine: Fingerprint | None = None

    # A start calls these, in this order.

    def recall(self) -> None:
        """Ask who served the LUN last. Without an answer nothing is compared."""
        if not self._lun.resource:
            return
        try:
            self._last = self._recall(self._deadline.within(_SECONDS_TO_RECALL))
        except (Failure, OSError) as failure:
            self._note(f"nobody says what disk {self._lun} was before, so it is not compared: {failure}")

    def _recall(self, deadline: Deadline) -> list[Fingerprint]:
        from twinsan.system import cluster, fingerprint

        kept = fingerprint.parse(_read(self._file()))
        if kept is not None:
            return [kept]
        texts = dict.fromkeys(cluster.get_node_attributes(self._attribute, deadline).values())
        found = map(fingerprint.parse, texts)
        return [each for each in found if each is not None]

    def require_same(self, accepted: tuple[str, ...]) -> None:
        """Refuse the LUN where it would be another disk than another node served last; `accepted` are the digests that
        the administrator allows. Raises NotHere.

        What this node served last it may change: then it is the configuration that has changed, and not the node.
        """
        if not self._lun.resource:
            return
        mine = self._mine = self._take()
        last = self._last or []
        own = [each for each in last if each.node == mine.node]
        alike = [each for each in last if not mine.differences(each)]
        for each in (own or alike or last)[:1]:
            changes = mine.differences(each)
            for what in changes + mine.remarks(each):
                self._note(f"{self._lun}, which {each.node} served last: {what}")
            if changes and not own and mine.digest not in accepted:
                raise _another_disk(self._lun, mine, each, accepted)

    def enter(self) -> None:
        """Tell at once what has changed. Where only the node is another one, the first monitor tells it: up to then the
        record is right in all that is compared, and the start need not wait.
        """
        mine, last = self._mine, self._last
        if mine is None or (last is not None and str(mine) in map(str, last)):
            return
        if last is None or any(each.digest == mine.digest for each in last):
            self._borne(lambda: _forget(self._told))
        else:
            self._borne(lambda: self._tell(mine))

    # Everybody else calls one of these.

    def update(self) -> None:
        """Tell what has changed while the LUN was served."""

        def look() -> None:
            mine = self._take()
            if str(mine) != _read(self._told):
                self._tell(mine)

        if self._lun.resource:
            self._borne(look)

    def renew(self) -> None:
        """Tell again where it is time. What an action has told stands: what somebody changed by hand since is for a
        monitor to name and for a start to repair, and must not keep the other node from serving.
        """

        def look() -> None:
            if _due(self._told):
                from twinsan.system import child

                patience = self._deadline.within(_SECONDS_TO_TELL)
                child.bounded(lambda: self._tell(None), patience, f"telling what disk {self._lun} is")

        if self._lun.resource:
            self._borne(look)

    def _borne(self, telling: Callable[[], None]) -> None:
        """That it cannot be told fails no action."""
        try:
            telling()
        except (Failure, OSError) as failure:
            self._note(f"the other node does not know what disk {self._lun} is: {failure}")

    def _tell(self, mine: Fingerprint | None) -> None:
        """Write it down everywhere; None for what was told last."""
        from twinsan.system import cluster, lock

        deadline = self._deadline.within(_SECONDS_TO_TELL)
        with lock.Held(f"fingerprint.{self._lun.resource}", deadline):
            text = (str(mine) if mine else _read(self._told)) or str(self._take())
            # Forgotten first: if the cluster cannot be reached, the next monitor tries again.
            _forget(self._told)
            try:
                self._keep(text)
            finally:
                cluster.set_on_every_node(self._attribute, text, deadline)
            _write(self._told, text)

    def _keep(self, text: str) -> None:
        """Write it to the replicated volume, a field to each line."""
        path = self._file()
        lines = "\n".join(text.split())
        if path and _read(path) != lines:
            _write(path, lines)

    def _take(self) -> Fingerprint:
        from twinsan.system import cluster, fingerprint

        self._node = self._node or cluster.node_name(self._deadline)
        return fingerprint.take(self._lun, lio_lun.audience(self._lun), self._node)

    @property
    def _attribute(self) -> str:
        return f"twinsan-lun-{self._lun.resource}"

    @property
    def _told(self) -> str:
        return rundir.path(f"fingerprint.{self._lun.resource}")

    def _file(self) -> str:
        """The file on the replicated volume; "" where there is none."""
        from twinsan.system import state

        folder = state.folder(self._lun.storage.path)
        return f"{folder}/fingerprint.{self._lun.resource}" if folder else ""


def update_all(iqn: str, node: str, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Tell what has changed of the LUNs of a target, as who sees them."""
    group = lio_target.group(iqn)
    for unit in configfs.names(f"{group}/lun"):
        for link in configfs.links(f"{group}/lun/{unit}"):
            place = f"{group}/lun/{unit}/{link}"
            lun = lio_lun.shown(iqn, int(unit.removeprefix("lun_")), configfs.read(f"{place}/udev_path") or "")
            Ledger(lun, node, deadline, note).update()


def _another_disk(lun: Lun, mine: Fingerprint, last: Fingerprint, accepted: tuple[str, ...]) -> NotHere:
    changes = ", ".join(mine.differences(last))
    value = " ".join((*accepted, mine.digest))
    return NotHere(
        f"{lun} would be another disk on {mine.node} than {last.node} served last: {changes}; make the nodes alike, or "
        f"allow it with: crm_resource --resource {lun.resource} --set-parameter accepted_fingerprint "
        f"--parameter-value '{value}'"
    )


def _due(path: str) -> bool:
    try:
        return not 0 <= time.time() - os.stat(path).st_mtime < _SECONDS_UNTIL_REPEATED
    except FileNotFoundError:
        return True


def _read(path: str) -> str:
    """What a file holds; "" where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    """Write a file so that it is there whole or as it was, whatever happens."""
    folder, name = os.path.split(path)
    with open(f"{folder}/.{name}", "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(file.name, path)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
