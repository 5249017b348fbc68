# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of which node served a LUN last, and with what fingerprint. A node reads it before it serves the LUN, and
publishes its own when it does.

A record is kept in two places. A file in the state volume of the LUN's DRBD resource, if there is one, survives a cold
start of both nodes. A private attribute of every node can be read from anywhere and needs no state volume; each node
has a copy, because the cluster forgets the attributes of a node that it loses. Either place may have missed what was
written to the other, so each record has a count, and the highest count is the latest.

This node's record is written to /run/twinsan before initiators see the LUN. The date of that file is when the record
was published. A monitor publishes it if that has not happened, and repeats it for nodes that have joined since.
"""

from __future__ import annotations

import os

from twinsan.cluster.published import Published
from twinsan.drbd import state_volume
from twinsan.errors import Failure
from twinsan.host import durable_file
from twinsan.lio import portal_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.disk.fingerprint import Fingerprint
    from twinsan.lio.lun import Lun

_SECONDS_UNTIL_REPEATED = 300.0

# How long the cluster may take to answer. Without an answer the LUN is served all the same.
_SECONDS_TO_READ = 3
_SECONDS_TO_TELL = 10


class Ledger:
    """The record of a LUN, by the name of its cluster resource; a LUN outside of a cluster has none. `node` is the name
    of this node, "" if the caller does not know it. `log` writes to the log.
    """

    def __init__(self, lun: Lun, node: str, deadline: Deadline, log: Callable[[str], None]) -> None:
        self.lun = lun
        self._node = node
        self._deadline = deadline
        self.log = log
        # Whether the cluster answered `last_record`, so that there is no later record.
        self.complete = False

    def last_record(self) -> Fingerprint | None:
        """Read the latest record; None if no node ever served the LUN. If the cluster does not answer, return the
        record in the state volume; raises Failure or OSError if there is none.
        """
        from twinsan.cluster import attributes
        from twinsan.disk import fingerprint

        kept = self._record_in_volume()
        try:
            values = attributes.get_node_attributes(self._attribute, self._deadline.within(_SECONDS_TO_READ))
            self.complete = True
        except (Failure, OSError):
            if kept is None:
                raise
            return kept
        found = [kept, *map(fingerprint.parse, values.values())]
        return max((each for each in found if each is not None), key=lambda each: each.count, default=None)

    def _record_in_volume(self) -> Fingerprint | None:
        from twinsan.disk import fingerprint

        try:
            return fingerprint.parse(_read(self._file()))
        except OSError as error:
            self.log(f"the state volume does not say what disk {self.lun} was: {error}")
            return None

    def current_fingerprint(self) -> Fingerprint:
        """Read the LUN's fingerprint on this node, as it is now."""
        from twinsan.disk import fingerprint

        self._node = self._node or self._ask_name()
        return fingerprint.read(self.lun, self._node)

    def publish_later(self, mine: Fingerprint) -> None:
        """Note the record, for the next monitor to publish. Call it before initiators see the LUN, so that no monitor
        publishes the preceding record.
        """
        self._published.replace(str(mine))
        self._published.expire()

    def forget(self) -> None:
        """Forget the record of this node: the next monitor reads the fingerprint and the last record anew."""
        self._published.forget()

    def publish(self, mine: Fingerprint) -> None:
        """Write the record to the state volume and to an attribute of every node. Raises Failure or OSError if that
        fails; the next monitor tries again.
        """
        from twinsan.cluster import attributes

        self.publish_later(mine)
        try:
            self._write_to_volume(str(mine))
        finally:
            attributes.set_on_every_node(self._attribute, str(mine), self._deadline.within(_SECONDS_TO_TELL))
        self._published.touch()

    def publish_changes(self) -> None:
        """Publish the fingerprint if an action has changed it while the LUN was served. A failure is logged."""

        def publish() -> None:
            mine, last = self._now()
            if str(mine) != str(last):
                self.publish(mine)

        if self.lun.resource:
            self.attempt(publish)

    def publish_when_due(self) -> None:
        """Publish the present fingerprint if it was last published 300 s ago or more, or never: the device may have
        grown. A failure is logged.

        During a failover nothing is published, because it takes three programs: not before a portal address is here,
        and not while the monitor of another LUN does so.
        """
        if self.lun.resource:
            self.attempt(self._publish_if_due)

    def _publish_if_due(self) -> None:
        if self._published.age() < _SECONDS_UNTIL_REPEATED or not portal_group.listening_portal(self.lun.iqn):
            return
        from twinsan.cluster.turn import Turn
        from twinsan.host import child

        with Turn(self._deadline) as turn:
            if turn.mine:
                patience = self._deadline.within(_SECONDS_TO_TELL)
                child.run(lambda: self.publish(self._now()[0]), patience, f"telling what disk {self.lun} is")

    def _now(self) -> tuple[Fingerprint, Fingerprint | None]:
        """Return (the present fingerprint as the next record, the last record)."""
        last = served_record(self.lun.resource) or self.last_record()
        return self.current_fingerprint().numbered_after(last), last

    def attempt(self, publish: Callable[[], None]) -> None:
        """Call `publish`, and log its failure: a record that cannot be published does not fail an action."""
        try:
            publish()
        except (Failure, OSError) as failure:
            self.log(f"the other node does not know what disk {self.lun} is: {failure}")

    def _write_to_volume(self, text: str) -> None:
        """Write a record to the state volume, one field on each line, unless it is there already."""
        path = self._file()
        lines = "\n".join(text.split())
        if path and _read(path) != lines:
            durable_file.write(path, lines)

    def _ask_name(self) -> str:
        from twinsan.cluster import members

        try:
            return members.node_name(self._deadline.within(_SECONDS_TO_READ))
        except Failure:
            return os.uname().nodename

    @property
    def _attribute(self) -> str:
        return f"twinsan-lun-{self.lun.resource}"

    @property
    def _published(self) -> Published:
        return _published(self.lun.resource)

    def _file(self) -> str:
        """The path of the file in the state volume; "" if no state volume is mounted."""
        folder = state_volume.folder(self.lun.storage.path)
        return f"{folder}/fingerprint.{self.lun.resource}" if folder else ""


def served_record(resource: str) -> Fingerprint | None:
    """Return the record with which this node serves the LUN of `resource`; None if this node has noted none."""
    from twinsan.disk import fingerprint

    return fingerprint.parse(_published(resource).read() or "")


def _published(resource: str) -> Published:
    return Published(f"fingerprint.{resource}")


def _read(path: str) -> str:
    """The content of a file; "" if there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
