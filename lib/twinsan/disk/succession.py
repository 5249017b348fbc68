# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison that a node makes before it serves a LUN: it must be the disk that was served last.

Only a difference that would destroy data or the disk's identity is refused. With any other the LUN is served, and the
difference is reported: in the log, and by the monitors until the administrator accepts it (see `node_differences`).
"""

from __future__ import annotations

from twinsan.errors import Failure, NotHere, Reason
from twinsan.host.note import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.disk.fingerprint import Difference, Fingerprint
    from twinsan.disk.ledger import Ledger


ANOTHER_DISK = Reason(
    NotHere,
    # Short, and the difference first: crm_mon shows no more than about 130 characters of a reason.
    "{differences}: {node} would serve another disk than {server} served last as {lun}",
    "make the nodes alike, or allow it with: crm_resource --resource {resource} --set-parameter accepted_differences "
    "--parameter-value '{value}'",
)


class Succession:
    """The four steps of a start, to be called in this order. Outside of a cluster they do nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lun = ledger.lun
        self._last: Fingerprint | None = None
        self._mine: Fingerprint | None = None
        self._unknown = False

    def read_last_record(self) -> bool:
        """Read the record of which node served the LUN last. Returns whether hosts may know the LUN. If there is no
        answer, the result is True and nothing is compared.
        """
        if not self._lun.resource:
            return False
        try:
            self._last = self._ledger.last_record()
        except (Failure, OSError) as failure:
            self._ledger.log(f"nobody says what disk {self._lun} was before, so it is not compared: {failure}")
            self._unknown = True
        return self._unknown or self._last is not None

    def require_same(self, accepted: tuple[str, ...]) -> None:
        """Raise NotHere if the LUN, which is complete and not exported yet, would be another disk than was served last.
        `accepted` are the FIELD=VALUE words that the administrator has accepted.
        """
        if not self._lun.resource:
            return
        last = self._last
        mine = self._mine = self._ledger.current_fingerprint().numbered_after(last)
        changes = mine.differences(last) if last is not None else []
        for what in changes:
            self._ledger.log(f"{self._lun}: {what}, as {last.node if last else ''} served it last")
        refused = [change for change in changes if change.destructive and not change.accepted_by(accepted)]
        if last is not None and refused:
            raise ANOTHER_DISK(
                differences=", ".join(map(str, refused)),
                node=mine.node,
                server=last.node,
                lun=self._lun,
                resource=self._lun.resource,
                value=" ".join((*accepted, *(change.word for change in refused))),
            )
        self._note_differences(last, changes)

    @property
    def reservations_in(self) -> str:
        """The device of the state volume that has the reservations of the node that served the LUN last; "" if it had
        them in none, or that is unknown.
        """
        from twinsan.disk import fingerprint

        noted = self._last.fields.get(fingerprint.RESERVATIONS_IN, "") if self._last is not None else ""
        return "" if noted == fingerprint.IN_CLUSTER else noted

    def note_record(self) -> None:
        """Note the record of this node, for the next monitor to publish. To be called when it is known where the
        reservations are kept, and before the LUN is exported.
        """
        if self._mine is None:
            return
        from twinsan.disk import fingerprint

        mine = self._mine = self._ledger.current_fingerprint().numbered_after(self._last)
        # The next count can be known only if the cluster answered.
        complete = self._ledger.complete
        self._ledger.attempt(lambda: self._ledger.publish_later(mine) if complete else self._ledger.forget())
        if complete and self.reservations_in not in ("", mine.fields[fingerprint.RESERVATIONS_IN]):
            # At once: the next node would take the volume of before for the place to look at.
            self._ledger.attempt(lambda: self._ledger.publish(mine))

    def _note_differences(self, last: Fingerprint | None, changes: list[Difference]) -> None:
        """Note for the monitors the values that hosts saw before. A node that starts the LUN again keeps its note."""
        from twinsan.disk import fingerprint

        note = predecessor_note(self._lun.resource)
        if last is not None and changes:
            before = fingerprint.Fingerprint(last.node, {change.name: change.before for change in changes})
            note.replace(str(before))
        elif last is None or self._mine is None or last.node != self._mine.node:
            note.forget()

    def publish_changes(self) -> None:
        """Publish the new record if there was none, or if the size or a compared field has changed. Otherwise the first
        monitor publishes it: until then the old record is right in all that is compared, and the start need not wait.
        """
        mine, last = self._mine, self._last
        if mine is None or not self._ledger.complete:
            return
        grown = last is not None and mine.fields.get("capacity") != last.fields.get("capacity")
        if last is None or grown or mine.differences(last):
            self._ledger.attempt(lambda: self._ledger.publish(mine))


def predecessor_note(resource: str) -> Note:
    """Return the note of the fields that had other values on the node that served the LUN of `resource` before."""
    return Note(f"fingerprint-before.{resource}")
