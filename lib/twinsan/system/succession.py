# SPDX-License-Identifier: GPL-2.0-or-later
"""The start of a LUN on the node that takes over: it is the disk that the other node served, or it is not shown."""

from __future__ import annotations

from twinsan.errors import Failure, NotHere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.fingerprint import Fingerprint
    from twinsan.system.ledger import Ledger
    from twinsan.system.lio_lun import Lun


class Succession:
    """Its three steps, in their order, for a LUN that has a ledger; outside of a cluster they do nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lun = ledger.lun
        # None where it is not known who served it.
        self._last: list[Fingerprint] | None = None
        self._mine: Fingerprint | None = None

    def recall(self) -> None:
        """Ask who served the LUN last. Without an answer nothing is compared."""
        if not self._lun.resource:
            return
        try:
            self._last = self._ledger.read()
        except (Failure, OSError) as failure:
            self._ledger.note(f"nobody says what disk {self._lun} was before, so it is not compared: {failure}")

    def require_same(self, accepted: tuple[str, ...]) -> None:
        """Refuse the LUN where it would be another disk than another node served last; `accepted` are the digests that
        the administrator allows. Raises NotHere.

        What this node served last it may change: then it is the configuration that has changed, and not the node.
        """
        if not self._lun.resource:
            return
        mine = self._mine = self._ledger.take()
        last = self._last or []
        own = [each for each in last if each.node == mine.node]
        alike = [each for each in last if not mine.differences(each)]
        for each in (own or alike or last)[:1]:
            changes = mine.differences(each)
            for what in changes + mine.remarks(each):
                self._ledger.note(f"{self._lun}, which {each.node} served last: {what}")
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
            self._ledger.borne(self._ledger.forget)
        else:
            self._ledger.borne(lambda: self._ledger.tell(mine))


def _another_disk(lun: Lun, mine: Fingerprint, last: Fingerprint, accepted: tuple[str, ...]) -> NotHere:
    changes = ", ".join(mine.differences(last))
    value = " ".join((*accepted, mine.digest))
    return NotHere(
        # Short, and what differs first: of a reason crm_mon shows no more than about 130 characters.
        f"{changes}: {mine.node} would serve another disk than {last.node} served last as {lun}; make the nodes alike, "
        f"or allow it with: crm_resource --resource {lun.resource} --set-parameter accepted_fingerprint "
        f"--parameter-value '{value}'"
    )
