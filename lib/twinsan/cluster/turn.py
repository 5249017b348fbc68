# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns of the monitors of this node to tell the cluster, or ask it, what no failover waits for: one at a time.

Each takes several programs. The monitors of many LUNs come due together, after a failover and then each time that a
record is repeated. Side by side they would take so much of the processor that monitors do not end in time, and that
Pacemaker takes its own daemons for dead: in the lab, with 32 LUNs on one processor.
"""

from __future__ import annotations

from twinsan.errors import DeadlinePassed
from twinsan.host import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# More than a turn takes on a server, so that some of the monitors that come due together follow each other.
_SECONDS_TO_WAIT = 1.0


class Turn(lock.Held):
    """Have the turn for the length of a ``with`` block. If others have it for the next second, or until `deadline`,
    `mine` is False, and the next monitor does what was to be done.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__("turn", deadline.within(_SECONDS_TO_WAIT))
        self.mine = False

    def __enter__(self) -> Turn:  # noqa: PYI034  Self is not in Python 3.9
        try:
            super().__enter__()
            self.mine = True
        except DeadlinePassed:
            self.mine = False
        return self

    def __exit__(self, *_: object) -> None:
        if self.mine:
            super().__exit__()
