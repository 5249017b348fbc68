# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between the nodes that hosts would see in a LUN after a failover, or have seen since the last one.

Each node publishes what fingerprint a LUN on its DRBD devices would have there (see `expected_fingerprint`). A LUN that
is served is compared with that, and with what the node before served. Only files in /run/twinsan are read.
"""

from __future__ import annotations

from twinsan.disk import fingerprint, ledger, shared_limits, succession
from twinsan.disk.fingerprint import Fingerprint
from twinsan.errors import Degraded, Reason
from twinsan.host import block_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.disk.fingerprint import Difference
    from twinsan.lio.lun import Lun

_ACCEPT = (
    "accept: crm_resource -r {lun} -p accepted_differences -v '{value}'; or make the nodes alike, so that it is "
    "{before} on both"
)
# Added if UNMAP differs.
_DISCARD = " (a disk that can discard: lsblk --discard)"

WOULD_NOT_SERVE = Reason(
    Degraded,
    "{node} would not serve it: {differences}",
    "give it a disk like that of {server}; see there: lsblk --output NAME,LOG-SEC",
)
WOULD_SERVE = Reason(Degraded, "{node} would serve {fields}", _ACCEPT)
WOULD_SERVE_WITH_OTHER_UNMAP = Reason(Degraded, "{node} would serve {fields}", _ACCEPT + _DISCARD)
SERVES = Reason(Degraded, "{node} serves {fields}", _ACCEPT)
SERVES_WITH_OTHER_UNMAP = Reason(Degraded, "{node} serves {fields}", _ACCEPT + _DISCARD)


def ailment(lun: Lun, accepted: Iterable[str]) -> str:
    """Return the reason if another node would serve the LUN with other values, or if this node does so since it took
    over; else "". `accepted` are the FIELD=VALUE words that the administrator has accepted.
    """
    mine = ledger.served_record(lun.resource) if lun.resource else None
    if mine is None:
        return ""
    return _after_failover(lun, mine, accepted) or _since_failover(lun, mine, accepted)


def refusals(lun: Lun, accepted: Iterable[str]) -> dict[str, str]:
    """Return the nodes that would not serve the LUN, by what they have told, each with the reason. Empty if this node
    does not serve it.
    """
    mine = ledger.served_record(lun.resource) if lun.resource else None
    found: dict[str, str] = {}
    if mine is None:
        return found
    for node, fields in _expected_elsewhere(lun.storage.path).items():
        changes = _unaccepted(Fingerprint(node, fields).differences(_reduced(mine, fields)), accepted)
        destructive = [change for change in changes if change.destructive]
        if destructive and node != mine.node:
            found[node] = WOULD_NOT_SERVE.text(
                node=node, differences=", ".join(map(str, destructive)), server=mine.node
            )
    return found


def _after_failover(lun: Lun, mine: Fingerprint, accepted: Iterable[str]) -> str:
    for node, fields in sorted(_expected_elsewhere(lun.storage.path).items()):
        if node == mine.node:
            continue
        changes = _unaccepted(Fingerprint(node, fields).differences(_reduced(mine, fields)), accepted)
        destructive = [change for change in changes if change.destructive]
        if destructive:
            return WOULD_NOT_SERVE.text(node=node, differences=", ".join(map(str, destructive)), server=mine.node)
        if changes:
            reason = WOULD_SERVE_WITH_OTHER_UNMAP if _in_unmap(changes) else WOULD_SERVE
            return reason.text(node=node, **_values(lun, changes, accepted))
    return ""


def _since_failover(lun: Lun, mine: Fingerprint, accepted: Iterable[str]) -> str:
    last = fingerprint.parse(succession.predecessor_note(lun.resource).read() or "")
    changes = _unaccepted(_reduced(mine, last.fields).differences(last), accepted) if last is not None else []
    if not changes:
        return ""
    reason = SERVES_WITH_OTHER_UNMAP if _in_unmap(changes) else SERVES
    return reason.text(node=mine.node, **_values(lun, changes, accepted))


def _reduced(mine: Fingerprint, names: Iterable[str]) -> Fingerprint:
    """The fingerprint with only the fields `names`."""
    return Fingerprint(mine.node, {name: mine.fields[name] for name in names if name in mine.fields})


def _expected_elsewhere(path: str) -> dict[str, dict[str, str]]:
    """The fields that other nodes published for the DRBD devices below `path`, by node name."""
    found: dict[str, dict[str, str]] = {}
    for minor in block_tree.drbd_minors(path):
        for node, fields in shared_limits.expected_fingerprints(minor).items():
            # A device mapper between DRBD and the LUN changes the queue's sizes.
            kept = fields if block_tree.is_drbd(path) else _without_sizes(fields)
            found.setdefault(node, {}).update(kept)
    return found


def _without_sizes(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if not name.endswith("_size")}


def _unaccepted(changes: list[Difference], accepted: Iterable[str]) -> list[Difference]:
    return [change for change in changes if not change.accepted_by(accepted)]


def _in_unmap(changes: list[Difference]) -> bool:
    return any(change.name == "emulate_tpu" for change in changes)


def _values(lun: Lun, changes: list[Difference], accepted: Iterable[str]) -> dict[str, str]:
    """The values for the template of a reason that says what to accept."""
    words = [change.word for change in changes]
    before = " ".join(f"{change.name}={fingerprint.quote(change.before)}" for change in changes)
    return {"lun": lun.resource, "fields": " ".join(words), "value": " ".join((*accepted, *words)), "before": before}
