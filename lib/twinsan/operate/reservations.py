# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan reservations``: show who is registered with each LUN, who holds a reservation, and where that is kept."""

from __future__ import annotations

import json
import os

from twinsan.deadline import Deadline
from twinsan.disk.reservation_store import Lost
from twinsan.errors import Failure, Reason
from twinsan.host import durable_file, lock
from twinsan.lio import core as lio_core
from twinsan.lio import reservations
from twinsan.operate import luns, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.luns import Lun

# SPC-3, table 107.
_TYPES = {
    1: "Write Exclusive",
    3: "Exclusive Access",
    5: "Write Exclusive, Registrants Only",
    6: "Exclusive Access, Registrants Only",
    7: "Write Exclusive, All Registrants",
    8: "Exclusive Access, All Registrants",
}
_HEADINGS = ("LUN", "INITIATOR", "KEY", "HOLDS", "KEPT IN")

# The time for all queries of the cluster and configfs.
_SECONDS = 20.0

NO_SUCH_LUN = Reason(Failure, "there is no LUN {lun}", "those that there are: {others}")
NOT_REGISTERED = Reason(Failure, "{initiator} is not registered with {lun}", "who is: {initiators}")
SERVED = Reason(
    Failure,
    "{lun} is served by {nodes}, whose kernel alone can change it",
    "stop it, when its hosts can bear a pause: crm_resource --resource {lun} --meta --set-parameter target-role "
    "--parameter-value Stopped; then type this again",
)


class Reserved:
    """The persistent reservations of a LUN: its `registrations`, None if they are unknown here, and in words where they
    are kept.
    """

    __slots__ = ("kept_in", "lun", "registrations")

    def __init__(self, lun: Lun, registrations: list[reservations.Registration] | None, kept_in: str) -> None:
        self.lun = lun
        self.registrations = registrations
        self.kept_in = kept_in

    @property
    def kind(self) -> int:
        """The type of the reservation (SPC-3, table 107); 0 for none."""
        return max((each.kind for each in self.registrations or ()), default=0)

    def holds(self, registration: reservations.Registration) -> bool:
        """Whether a registrant holds the reservation."""
        return bool(registration.kind) or self.kind in reservations.ALL_REGISTRANTS


def show(name: str | None, *, as_json: bool) -> int:
    """Print the reservations of the LUN `name`, or of all LUNs for None; returns the exit status."""
    deadline = Deadline(_SECONDS)
    clustered, known = luns.find(deadline)
    found = [_reserved(lun, clustered, deadline) for lun in known if name in (None, lun.name)]
    print(json.dumps([_json(each) for each in found], indent=2) if as_json else _table(found))
    return 0


def remove(initiator: str, name: str) -> int:
    """Remove the registrations of an initiator with the LUN `name`, which must be stopped; returns the exit status.
    Raises Failure if a node serves it, or if there is no such LUN or registration.
    """
    deadline = Deadline(_SECONDS)
    clustered, known = luns.find(deadline)
    lun = next((each for each in known if each.name == name), None)
    if lun is None:
        raise NO_SUCH_LUN(lun=name, others=" ".join(each.name for each in known) or "none")
    with lock.Held(lio_core.LOCK, deadline):
        _require_stopped(lun, clustered, deadline)
        store = lun.store(clustered=clustered)
        text = store.last_reservations(deadline)
        names = sorted({each.initiator for each in reservations.parse(text)})
        if initiator not in names:
            raise NOT_REGISTERED(initiator=initiator, lun=name, initiators=" ".join(names) or "nobody")
        store.replace(reservations.without_initiator(text, initiator), deadline)
    print(f"{initiator} is not registered with {name} any more, by the {store.kept_in}. To serve the LUN again, type:")
    print(f"crm_resource --resource {name} --meta --delete-parameter target-role && crm_resource --cleanup -r {name}")
    return 0


def _reserved(lun: Lun, clustered: bool, deadline: Deadline) -> Reserved:
    store = lun.store(clustered=clustered)
    if lun.place:
        text = durable_file.read(reservations.aptpl_file(lun.serial)) or reservations.NONE
        where = store.kept_in if store.connected else "cluster" if clustered else "this node"
        return Reserved(lun, reservations.parse(text), where)
    try:
        return Reserved(lun, reservations.parse(store.last_reservations(deadline)), store.kept_in)
    except Lost:
        return Reserved(lun, None, "state volume, not here")


def _table(found: list[Reserved]) -> str:
    rows = []
    for each in found:
        lines = _lines(each)
        rows += [(each.lun.name, *lines[0], each.kept_in), *(("", *line, "") for line in lines[1:])]
    return table.text(_HEADINGS, rows)


def _lines(reserved: Reserved) -> list[tuple[str, str, str]]:
    """Initiator, key and the reservation held, for each registration."""
    if reserved.registrations is None:
        return [("reserved: type this on the node that serves it", "", "")]
    name = _TYPES.get(reserved.kind, f"type {reserved.kind}")
    lines = [
        (each.initiator, f"0x{each.key:x}", name if reserved.holds(each) else "-") for each in reserved.registrations
    ]
    return lines or [("-", "-", "-")]


def _json(reserved: Reserved) -> dict[str, object]:
    """The JSON for programs: its names never change."""
    registrations = [
        {"initiator": each.initiator, "session": each.session, "key": f"0x{each.key:x}", "holder": reserved.holds(each)}
        for each in reserved.registrations or ()
    ]
    return {
        "lun": reserved.lun.name,
        "serial": reserved.lun.serial,
        "kept_in": reserved.kept_in,
        "known": reserved.registrations is not None,
        "type": reserved.kind or None,
        "type_name": _TYPES.get(reserved.kind),
        "registrations": registrations,
    }


def _require_stopped(lun: Lun, clustered: bool, deadline: Deadline) -> None:
    """Raise Failure if a node serves the LUN: its kernel has the reservations in memory, lets only initiators change
    them, and would overwrite the change.
    """
    nodes = luns.running_on(lun.name, deadline) if clustered else []
    if lun.place and not nodes:
        nodes = [os.uname().nodename]
    if nodes:
        raise SERVED(lun=lun.name, nodes=" ".join(nodes))
