# SPDX-License-Identifier: GPL-2.0-or-later
"""Which node served a LUN last, and with what fingerprint: asked before a node serves it, told when it does.

It is kept in two places. A file on the replicated volume of the LUN's DRBD resource, where there is one, is asked
first: it is there when both nodes start cold, and costs no program. A private attribute of every node in the cluster is
what can be looked at from anywhere, and serves where there is no such volume; each node has its copy, because the
cluster forgets the attributes of a node that it loses.

What this node told last is in /run/twinsan. A monitor tells it again after a while, for a node that has joined since;
where the file is missing, it takes the fingerprint anew.
"""

from __future__ import annotations

import os

from twinsan.errors import Failure
from twinsan.system import configfs, lio_acl, lio_lun, lio_target, rundir, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system import lock
    from twinsan.system.fingerprint import Fingerprint
    from twinsan.system.lio_lun import Lun
    from twinsan.system.lio_target import Target

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

    def read(self) -> list[Fingerprint]:
        """What was told last: the same to all nodes, unless one of them could not be told."""
        from twinsan.system import cluster, fingerprint

        kept = fingerprint.parse(_read(self._file()))
        if kept is not None:
            return [kept]
        told = cluster.get_node_attributes(self._attribute, self._deadline.within(_SECONDS_TO_READ))
        found = map(fingerprint.parse, dict.fromkeys(told.values()))
        return [each for each in found if each is not None]

    def update(self) -> None:
        """Tell what has changed while the LUN was served."""

        def look() -> None:
            with self._lock():
                mine = self.take()
                if str(mine) != _read(self._told):
                    self._tell(mine)

        if self.lun.resource:
            self.borne(look)

    def update_access(self, access: dict[str, str]) -> None:
        """Tell who will see the LUN, and by what right (fingerprint.access). All else is as it was told: the caller
        does not know what the LUN shall be.
        """

        def look() -> None:
            from twinsan.system import fingerprint

            with self._lock():
                told = fingerprint.parse(_read(self._told))
                if told is None:
                    # The next monitor takes it anew.
                    return
                mine = fingerprint.Fingerprint(told.node, {**told.fields, **access})
                if str(mine) != str(told):
                    self._tell(mine)

        if self.lun.resource:
            self.borne(look)

    def renew(self) -> None:
        """Tell again where it is time. What an action has told stands: what somebody changed by hand since is for a
        monitor to name and for a start to repair, and must not keep the other node from serving.
        """

        def look() -> None:
            if not rundir.age(self._told) < _SECONDS_UNTIL_REPEATED:
                from twinsan.system import child

                patience = self._deadline.within(_SECONDS_TO_TELL)
                child.bounded(lambda: self.tell(None), patience, f"telling what disk {self.lun} is")

        if self.lun.resource:
            self.borne(look)

    def borne(self, telling: Callable[[], None]) -> None:
        """That it cannot be told fails no action."""
        try:
            telling()
        except (Failure, OSError) as failure:
            self.note(f"the other node does not know what disk {self.lun} is: {failure}")

    def tell(self, mine: Fingerprint | None) -> None:
        """Write it down everywhere; None for what was told last."""
        with self._lock():
            self._tell(mine)

    def _lock(self) -> lock.Held:
        """Held from looking to telling, so that reloads of a LUN and of its target do not undo each other's."""
        from twinsan.system import lock

        return lock.Held(f"fingerprint.{self.lun.resource}", self._deadline.within(_SECONDS_TO_TELL))

    def _tell(self, mine: Fingerprint | None) -> None:
        from twinsan.system import cluster

        text = (str(mine) if mine else _read(self._told)) or str(self.take())
        # Forgotten first: if the cluster cannot be reached, the next monitor tries again.
        rundir.forget(self._told)
        try:
            self._keep(text)
        finally:
            cluster.set_on_every_node(self._attribute, text, self._deadline.within(_SECONDS_TO_TELL))
        rundir.write(self._told, text)

    def _keep(self, text: str) -> None:
        """Write it to the replicated volume, a field to each line."""
        path = self._file()
        lines = "\n".join(text.split())
        if path and _read(path) != lines:
            state.write(path, lines)

    def forget(self) -> None:
        """Have the next monitor tell it."""
        rundir.forget(self._told)

    def take(self) -> Fingerprint:
        """The LUN's fingerprint on this node."""
        from twinsan.system import fingerprint

        self._node = self._node or self._ask_name()
        return fingerprint.take(self.lun, lio_lun.audience(self.lun), self._node)

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
        return rundir.path(f"fingerprint.{self.lun.resource}")

    def _file(self) -> str:
        """The file on the replicated volume; "" where there is none."""
        folder = state.folder(self.lun.storage.path)
        return f"{folder}/fingerprint.{self.lun.resource}" if folder else ""


def update_all(target: Target, node: str, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Tell who will see the LUNs of a target that is about to change, and by what right."""
    from twinsan.system import fingerprint

    group, attributes = lio_target.group(target.iqn), lio_target.attributes(target)
    for unit in configfs.names(f"{group}/lun"):
        for link in configfs.links(f"{group}/lun/{unit}"):
            place = f"{group}/lun/{unit}/{link}"
            lun = lio_lun.shown(target.iqn, int(unit.removeprefix("lun_")), configfs.read(f"{place}/udev_path") or "")
            everybody = lio_acl.seen_by_all(place)
            meant = [name for name in target.initiators if everybody or name in lun.initiators]
            Ledger(lun, node, deadline, note).update_access(fingerprint.access(meant, attributes.__getitem__))


def _read(path: str) -> str:
    """What a file holds; "" where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
