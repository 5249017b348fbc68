# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster did and when, as the controller of a node has logged it."""

from __future__ import annotations

import re
import time

from twinsan.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.remote import Node

_NOTICE = r"^(\d+\.\d+) \S+ pacemaker-controld\[\d+\]:\s+notice: "
# Pacemaker 2.1 says "ok", 3.0 "OK".
_ACTION = re.compile(
    _NOTICE + r"Result of (start|stop|promote|demote) operation for (\S+) on (\S+): (?:ok|OK)\b", re.MULTILINE
)
_LOST = re.compile(_NOTICE + r"Node (\S+) state is now lost", re.MULTILINE)
_FENCED = re.compile(_NOTICE + r"Peer (\S+) was terminated", re.MULTILINE)

_SECONDS = 20.0


class Action:
    """The end of an action that succeeded: `time` in seconds since the epoch."""

    __slots__ = ("name", "node", "resource", "time")

    def __init__(self, moment: float, name: str, resource: str, node: str) -> None:
        self.time = moment
        self.name = name
        self.resource = resource
        self.node = node


class History:
    """What the controller of one node has logged since a moment: its own actions in their order, and when it lost its
    peer and learned that the peer was fenced, None for not. The node's clock is `ahead` seconds ahead of this node's,
    whose moments these are.
    """

    __slots__ = ("actions", "fenced", "lost")

    def __init__(self, journal: str, ahead: float = 0.0) -> None:
        self.actions = list(_actions(journal, ahead))
        self.lost = _first(_LOST, journal, ahead)
        self.fenced = _first(_FENCED, journal, ahead)


def of(node: Node, since: float) -> History:
    """Return the history of a node since a moment, in seconds since the epoch by this node's clock. Raises Failure if
    its journal cannot be read: a node that is off, or that ssh does not reach.
    """
    deadline = Deadline(_SECONDS)
    ahead = _seconds_ahead(node, deadline)
    begin = f"--since=@{int(since + ahead)}"
    words = ("journalctl", "--output=short-unix", "--no-pager", "--identifier=pacemaker-controld", begin)
    return History(node.run(*words, deadline=deadline).stdout, ahead)


def _seconds_ahead(node: Node, deadline: Deadline) -> float:
    """How far a node's clock is certainly ahead of this node's: it was read between the question and the answer.
    Negative if it is behind, 0 if the answer is no time. Raises Failure if the node is not reached.
    """
    if node.is_here:
        return 0.0
    asked = time.time()
    answer = node.run("date", "+%s.%N", deadline=deadline).stdout
    answered = time.time()
    try:
        now = float(answer)
    except ValueError:
        # A shell's start-up file may print something, which ssh passes on.
        return 0.0
    return max(now - answered, 0.0) - max(asked - now, 0.0)


def _actions(journal: str, ahead: float) -> Iterator[Action]:
    for moment, name, resource, node in _ACTION.findall(journal):
        # An instance of a clone has a number.
        yield Action(float(moment) - ahead, name, resource.partition(":")[0], node)


def _first(pattern: re.Pattern[str], journal: str, ahead: float) -> float | None:
    found = pattern.search(journal)
    return float(found[1]) - ahead if found else None
