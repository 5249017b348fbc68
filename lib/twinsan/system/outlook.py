# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts would find otherwise after a move, said while both nodes are up; and what they find otherwise since one.

Each node tells what a LUN of its DRBD devices would be there (`prospect`). A LUN that is served is held against what
the others told, with nothing but a look at the notes in /run/twinsan.
"""

from __future__ import annotations

from twinsan.system import device_limits, fingerprint, ledger, shared_limits, succession
from twinsan.system.fingerprint import Fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.system.fingerprint import Difference
    from twinsan.system.lio_lun import Lun


def ailment(lun: Lun, accepted: Iterable[str]) -> str:
    """What another node would serve otherwise, or this one does since it took over, and what to type; "" for nothing.
    `accepted` are the differences that the administrator knows of.
    """
    mine = ledger.noted(lun.resource) if lun.resource else None
    if mine is None:
        return ""
    return _elsewhere(lun, mine, accepted) or _since(lun, mine, accepted)


def _elsewhere(lun: Lun, mine: Fingerprint, accepted: Iterable[str]) -> str:
    for node, fields in sorted(_told(lun.storage.path).items()):
        if node == mine.node:
            continue
        changes = _unaccepted(Fingerprint(node, fields).differences(_only(mine, fields)), accepted)
        grave = [change for change in changes if change.grave]
        if grave:
            return (
                f"{node} would not serve it: {_list(grave)}; give it a disk like that of {mine.node}; see there: "
                "lsblk --output NAME,LOG-SEC"
            )
        if changes:
            return f"{node} would serve {_words(changes)}; {_remedy(lun, changes, accepted)}"
    return ""


def _since(lun: Lun, mine: Fingerprint, accepted: Iterable[str]) -> str:
    last = ledger.recorded(succession.predecessor(lun.resource))
    changes = _unaccepted(_only(mine, last.fields).differences(last), accepted) if last is not None else []
    return f"{mine.node} serves {_words(changes)}; {_remedy(lun, changes, accepted)}" if changes else ""


def _only(mine: Fingerprint, names: Iterable[str]) -> Fingerprint:
    """A fingerprint reduced to what the other one tells of."""
    return Fingerprint(mine.node, {name: mine.fields[name] for name in names if name in mine.fields})


def _told(path: str) -> dict[str, dict[str, str]]:
    """What other nodes told of the DRBD devices below `path`, by their names."""
    found: dict[str, dict[str, str]] = {}
    for minor in device_limits.drbd_below(path):
        for node, fields in shared_limits.prospects(minor).items():
            # What lies between changes the queue.
            kept = fields if device_limits.is_drbd(path) else _of_disk(fields)
            found.setdefault(node, {}).update(kept)
    return found


def _of_disk(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if not name.endswith("_size")}


def _unaccepted(changes: list[Difference], accepted: Iterable[str]) -> list[Difference]:
    return [change for change in changes if not change.accepted(accepted)]


def _list(changes: list[Difference]) -> str:
    return ", ".join(map(str, changes))


def _words(changes: list[Difference]) -> str:
    return " ".join(change.word for change in changes)


def _remedy(lun: Lun, changes: list[Difference], accepted: Iterable[str]) -> str:
    value = " ".join((*accepted, _words(changes)))
    before = " ".join(f"{change.name}={fingerprint.quote(change.before)}" for change in changes)
    return (
        f"accept: crm_resource -r {lun.resource} -p accepted_differences -v '{value}'; or make the nodes alike, so "
        f"that it is {before} on both{_hint(changes)}"
    )


def _hint(changes: list[Difference]) -> str:
    discards = any(change.name == "emulate_tpu" for change in changes)
    return " (a disk that can discard: lsblk --discard)" if discards else ""
