# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster did and when, as its controllers logged it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.machine import Machine

_NOTICE = r"^(\d+\.\d+) \S+ pacemaker-controld\[\d+\]:\s+notice: "
_OPERATION = re.compile(_NOTICE + r"Result of (\w+) operation for (\w+) on (\w+): OK")
_LOST = re.compile(_NOTICE + r"Node (\w+) state is now lost")
_FENCED = re.compile(_NOTICE + r"Peer (\w+) was terminated")


@dataclass(frozen=True)
class Operation:
    """The end of an action that succeeded; time in seconds since the epoch."""

    time: float
    action: str
    resource: str
    node: str


def read(servers: Iterable[Machine], since: float) -> list[Operation]:
    """The operations on `servers` since that time, in their order."""
    found = (operation for server in servers for operation in _parse(server.journal()))
    return sorted((operation for operation in found if operation.time >= since), key=lambda operation: operation.time)


def fenced(survivor: Machine, since: float) -> float | None:
    """When the survivor was told that its peer has been fenced, first after that time; None if it was not."""
    return _first(_FENCED, survivor, since)


def lost(survivor: Machine, since: float) -> float | None:
    """When the survivor's controller lost its peer, first after that time; None if it did not."""
    return _first(_LOST, survivor, since)


def _first(pattern: re.Pattern[str], server: Machine, since: float) -> float | None:
    matches = (pattern.match(line) for line in server.journal().splitlines())
    return next((float(match[1]) for match in matches if match and float(match[1]) > since), None)


def _parse(journal: str) -> Iterator[Operation]:
    for line in journal.splitlines():
        match = _OPERATION.match(line)
        if match:
            yield Operation(float(match[1]), match[2], match[3], match[4])
