# SPDX-License-Identifier: GPL-2.0-or-later
"""Begin to serve a LUN that the other node may have served before, and change one that is served."""

from __future__ import annotations

from twinsan.disk.succession import Succession
from twinsan.host import child
from twinsan.lio import core as lio_core
from twinsan.lio import lun as lio_lun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.disk.ledger import Ledger
    from twinsan.disk.reservation_store import Store
    from twinsan.lio.lun import Lun


def serve(
    ledger: Ledger,
    new: Lun,
    store: Callable[[], Store],
    *,
    accepted: tuple[str, ...],
    reservations_required: bool,
    deadline: Deadline,
    log: Callable[[str], None],
) -> None:
    """Make the LUN of `ledger`, or what is missing of it, and export it to its initiators. `new` is the same LUN with
    the configuration to use if no host knows it yet. `store` returns the store of its reservations. `accepted` are the
    FIELD=VALUE words that the administrator has accepted. With `reservations_required` the LUN is not served if its
    reservations cannot be restored. Raises Failure.
    """
    comparison = Succession(ledger)

    def agree(created: bool) -> None:
        comparison.require_same(accepted)
        if created:
            known_in = comparison.reservations_in
            store().restore(ledger.lun.storage.place, deadline, required=reservations_required, known_in=known_in)
        comparison.note_record()

    def make() -> None:
        # A LUN that hosts know already is served with less, if need be, than a new one must have.
        lun = ledger.lun if comparison.read_last_record() else new
        lio_core.change(lambda: lio_lun.ensure(lun, log, agree), deadline, log)
        comparison.publish_changes()

    lio_core.prepare(deadline)
    child.run(make, deadline, f"making {ledger.lun}")


def change(ledger: Ledger, deadline: Deadline, log: Callable[[str], None]) -> str:
    """Change the LUN of `ledger`, which is served, to its configuration. Returns what its hosts have to do about it, ""
    for nothing. Raises Failure; Passing if it may succeed later.
    """

    def change_and_publish() -> str:
        to_do = lio_core.change(lambda: lio_lun.reload(ledger.lun), deadline, log)
        ledger.publish_changes()
        return to_do

    return child.run(change_and_publish, deadline, f"changing {ledger.lun}")
