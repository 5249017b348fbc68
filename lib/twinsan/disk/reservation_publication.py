# SPDX-License-Identifier: GPL-2.0-or-later
"""Publish the reservations of a LUN to the cluster, as often as is due, and ask the cluster for them."""

from __future__ import annotations

from twinsan.cluster.published import Published
from twinsan.errors import Failure
from twinsan.host.note import Note
from twinsan.lio import reservations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.disk.reservation_record import Record

# How long the cluster may take to answer or to be updated. Without an answer the LUN is served all the same.
_SECONDS_FOR_CLUSTER = 3.0

# A node that joins the cluster again has forgotten what was published.
_SECONDS_UNTIL_REPEATED = 60.0


class Publication:
    """The record that the cluster has of the LUN with unit serial `serial`. If `clustered` is not set, there is no
    cluster, and nothing is asked or published. `log` writes to the log.
    """

    def __init__(self, serial: str, log: Callable[[str], None], *, clustered: bool) -> None:
        self._serial = serial
        self._log = log
        self._clustered = clustered

    def ask(self, deadline: Deadline, *, attempts: int) -> Record | None:
        """Return the latest record; None if there is none, or if the cluster answers none of `attempts` queries, which
        is logged.
        """
        if not self._clustered:
            return None
        from twinsan.disk import reservation_record

        for attempt in range(attempts):
            try:
                return reservation_record.read(self._serial, deadline.within(_SECONDS_FOR_CLUSTER))
            except (Failure, OSError) as failure:
                self._log(f"what was reserved is unknown after {attempt + 1} questions: {failure}")
        return None

    def publish(self, text: str, deadline: Deadline) -> None:
        """Publish `text` now; the next monitor does so again. Raises Failure or OSError if the cluster does not accept
        it.
        """
        if self._clustered:
            from twinsan.disk import reservation_record

            reservation_record.publish(self._serial, text, deadline.within(_SECONDS_FOR_CLUSTER))
        self._published.forget()

    def publish_when_due(self, text: str, deadline: Deadline, *, silent: bool, repeat: bool = True) -> None:
        """Publish `text` if it has changed, or, if `repeat` is set, if it was published 60 s ago and the monitor of no
        other LUN is telling something. A failure is logged.

        That nothing is reserved is not repeated. With `silent` it is not published at all if nothing was published
        before.
        """
        from twinsan.disk import reservation_record

        if not self._clustered:
            return
        last = self._published.recent(float("inf")) or ""
        nothing = text in (reservation_record.UNRESERVED, reservations.NONE)
        seconds = _SECONDS_UNTIL_REPEATED if repeat else float("inf")
        if nothing and not last and silent:
            return
        if text != last:
            self._try_to_publish(text, deadline)
        elif not nothing and self._published.recent(seconds) is None:
            from twinsan.cluster.turn import Turn

            with Turn(deadline) as turn:
                if turn.mine:
                    self._try_to_publish(text, deadline)

    def _try_to_publish(self, text: str, deadline: Deadline) -> None:
        from twinsan.disk import reservation_record

        try:
            reservation_record.publish(self._serial, text, deadline.within(_SECONDS_FOR_CLUSTER))
        except (Failure, OSError) as failure:
            self._log(f"the other node does not know what is reserved: {failure}")
            return
        self._published.replace(text)

    def begin_with(self, record: Record | None) -> None:
        """Take `record`, None for nothing, as what was published last: a start begins with what the cluster has."""
        self._unasked.forget()
        self._published.forget()
        if record is not None:
            self._published.replace(record.text)

    def begin_unasked(self) -> None:
        """As `begin_with`, for a start that does not ask what the cluster has; `catch_up` does so later."""
        self._published.forget()
        self._unasked.replace("")

    def is_unasked(self) -> bool:
        """Whether the start has not asked what the cluster has, and nobody has since."""
        return self._clustered and self._unasked.exists()

    def catch_up(self, deadline: Deadline) -> bool:
        """Ask what the cluster has, and begin with that. Returns False if it does not answer, which is logged, or while
        the monitor of another LUN asks or tells something.
        """
        from twinsan.cluster.turn import Turn
        from twinsan.disk import reservation_record

        with Turn(deadline) as turn:
            if not turn.mine:
                return False
            try:
                record = reservation_record.read(self._serial, deadline.within(_SECONDS_FOR_CLUSTER))
            except (Failure, OSError) as failure:
                self._log(f"what the other node knows of reservations is unknown: {failure}")
                return False
        self.begin_with(record)
        return True

    @property
    def _unasked(self) -> Note:
        return Note(f"reservations-unasked.{self._serial[:200]}")

    @property
    def _published(self) -> Published:
        return Published(f"reservations.{self._serial[:200]}")
