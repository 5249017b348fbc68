# SPDX-License-Identifier: GPL-2.0-or-later
"""What was counted in a capture, and what is wrong in it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

# What is always told, also where there is none of it.
TAKES = "times that the address was taken"
SESSIONS = "sessions opened"
REFUSED = "connections refused"
LIVE_ENDED = "RST or FIN to a live session"
RESET = "sessions reset after the address was taken"
STALE = "RST or FIN to what is no session any more"
GIVEN_UP = "sessions that the initiator gave up"
LOGGED_OUT = "sessions logged out"
NOP_TIMEOUTS = "NOP timeouts"
LOGINS = "login responses: success"
LOGINS_FAILED = "login responses: failure"
GOOD = "SCSI status GOOD"
BUSY = "SCSI status BUSY"
CHECK_CONDITION = "SCSI status CHECK CONDITION"
MISCOMPARES = "miscompares of COMPARE AND WRITE"
ASYNC = "asynchronous messages"
REJECTS = "rejects"
ABORTS = "task management requests"
PACKETS = "packets captured"
DROPPED = "packets dropped"

_ALWAYS = (
    PACKETS, DROPPED, TAKES, SESSIONS, REFUSED, LIVE_ENDED, RESET, STALE, GIVEN_UP, LOGGED_OUT, NOP_TIMEOUTS, LOGINS,
    LOGINS_FAILED, ASYNC, REJECTS, ABORTS, GOOD, BUSY, CHECK_CONDITION, MISCOMPARES,
)  # fmt: skip


@dataclass
class Verdict:
    """Counts by name, and violations, each with its time."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_ALWAYS, 0))
    violations: list[str] = field(default_factory=list)

    def count(self, name: str, number: int = 1) -> None:
        """Count something."""
        self.counts[name] = self.counts.get(name, 0) + number

    def accuse(self, when: float, text: str) -> None:
        """Note something that must not be; `when` is in seconds since the epoch."""
        clock = time.strftime("%H:%M:%S", time.localtime(when))
        self.violations.append(f"{clock}.{int(when % 1 * 1000):03d} {text}")

    def table(self) -> str:
        """All of it for people."""
        width = max(map(len, self.counts))
        lines = [f"{name:{width}}  {number:8}" for name, number in self.counts.items()]
        return "\n".join([*lines, f"{'violations':{width}}  {len(self.violations):8}", *self.violations])

    def json(self) -> str:
        """All of it for programs."""
        return json.dumps({"counts": self.counts, "violations": self.violations}, indent=2)
