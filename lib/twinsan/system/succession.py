# SPDX-License-Identifier: GPL-2.0-or-later
"""The start of a LUN on the node that takes over: it is the disk that was served last, or it is not shown.

Only what would destroy data or the disk's identity is refused. All else is served, and said: in the log, and by the
monitors (see `outlook`) until the administrator accepts it.
"""

from __future__ import annotations

from twinsan import rundir
from twinsan.errors import Failure, NotHere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.fingerprint import Difference, Fingerprint
    from twinsan.system.ledger import Ledger
    from twinsan.system.lio_lun import Lun


class Succession:
    """Its three steps, in their order, for a LUN that has a ledger; outside of a cluster they do nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lun = ledger.lun
        self._last: Fingerprint | None = None
        self._mine: Fingerprint | None = None
        self._unknown = False

    def recall(self) -> bool:
        """Ask who served the LUN last; returns whether hosts may know it. Without an answer they may, and nothing is
        compared.
        """
        if not self._lun.resource:
            return False
        try:
            self._last = self._ledger.read()
        except (Failure, OSError) as failure:
            self._ledger.note(f"nobody says what disk {self._lun} was before, so it is not compared: {failure}")
            self._unknown = True
        return self._unknown or self._last is not None

    def require_same(self, accepted: tuple[str, ...]) -> None:
        """Refuse the LUN where it would be another disk than was served last; `accepted` are the differences that the
        administrator allows. Raises NotHere.
        """
        if not self._lun.resource:
            return
        last = self._last
        mine = self._mine = self._ledger.take().after(last)
        changes = mine.differences(last) if last is not None else []
        for what in changes:
            self._ledger.note(f"{self._lun}: {what}, as {last.node if last else ''} served it last")
        refused = [change for change in changes if change.grave and not change.accepted(accepted)]
        if last is not None and refused:
            raise _another_disk(self._lun, mine, last, refused, accepted)
        self._remember(last, changes)
        # A number that comes after all others takes a whole answer.
        complete = self._ledger.complete
        self._ledger.borne(lambda: self._ledger.prepare(mine) if complete else self._ledger.forget())

    def _remember(self, last: Fingerprint | None, changes: list[Difference]) -> None:
        """Leave the monitors what hosts had before. A node that starts the LUN once more has nothing new to say."""
        from twinsan.system import fingerprint

        path = predecessor(self._lun.resource)
        if last is not None and changes:
            before = fingerprint.Fingerprint(last.node, {change.name: change.before for change in changes})
            rundir.write(path, str(before))
        elif last is None or self._mine is None or last.node != self._mine.node:
            rundir.forget(path)

    def enter(self) -> None:
        """Tell at once what has changed. Where only the node is another one, the first monitor tells it: up to then the
        record is right in all that is compared, and the start need not wait.
        """
        mine, last = self._mine, self._last
        if mine is None or not self._ledger.complete:
            return
        grown = last is not None and mine.fields.get("capacity") != last.fields.get("capacity")
        if last is None or grown or mine.differences(last):
            self._ledger.borne(lambda: self._ledger.tell(mine))


def predecessor(resource: str) -> str:
    """The file with what hosts had before, of the fingerprint of the LUN with this resource, as far as it differed."""
    return rundir.path(f"fingerprint-before.{resource}")


def _another_disk(
    lun: Lun, mine: Fingerprint, last: Fingerprint, refused: list[Difference], accepted: tuple[str, ...]
) -> NotHere:
    changes = ", ".join(map(str, refused))
    value = " ".join((*accepted, *(change.word for change in refused)))
    return NotHere(
        # Short, and what differs first: of a reason crm_mon shows no more than about 130 characters.
        f"{changes}: {mine.node} would serve another disk than {last.node} served last as {lun}; make the nodes alike, "
        f"or allow it with: crm_resource --resource {lun.resource} --set-parameter accepted_differences "
        f"--parameter-value '{value}'"
    )
