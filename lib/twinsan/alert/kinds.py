# SPDX-License-Identifier: GPL-2.0-or-later
"""What kind of trouble a reason is about: one of a few words, for the operator's command to choose by."""

from __future__ import annotations

import re

from twinsan.disk import node_differences
from twinsan.drbd import health, split_brain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.errors import Reason

SPLIT_BRAIN = "split-brain"
DISK_LOST = "disk-lost"
NOT_READY = "standby-not-ready"
DEGRADED = "degraded"
FAILED = "failed"

_REASONS: dict[str, tuple[Reason, ...]] = {
    SPLIT_BRAIN: (split_brain.SPLIT_BRAIN, split_brain.SPLIT_BRAIN_8_4),
    DISK_LOST: (health.DISK_GONE, health.DISK_GONE_ON_PRIMARY, health.PEER_DISK_GONE),
    NOT_READY: (
        health.REPLICATION_CUT,
        health.REPLICATION_DOWN,
        health.RESYNC,
        health.RESYNC_PAUSED,
        health.RESYNC_PAUSED_BY_PEER,
        health.PEER_DISK_BEHIND,
        health.NO_DATA_YET,
        health.BEHIND,
        health.BEHIND_AND_CUT,
        health.DISK_ATTACHING,
        node_differences.WOULD_NOT_SERVE,
    ),
}

# That of portal-ip, which is declared in the agent itself.
_PORTAL_NOT_READY = re.compile(r"\S+ could not take \S+ over: ")


def of(reason: str) -> str:
    """Return the kind of the reason that a degraded monitor gave."""
    for kind, reasons in _REASONS.items():
        if any(_fits(each, reason) for each in reasons):
            return kind
    return NOT_READY if _PORTAL_NOT_READY.match(reason) else DEGRADED


def _fits(declared: Reason, reason: str) -> bool:
    """Whether a reason was made of a declared one, by its words between the values. Its end may have been cut off."""
    words = re.split(r"\{[^}]*\}", declared.what)
    return bool(re.match(".+".join(map(re.escape, words)), reason))
