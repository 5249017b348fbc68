# SPDX-License-Identifier: GPL-2.0-or-later
"""A comparison that monitors make once a minute. In between they repeat what it found.

A second operation of the cluster with a longer interval would do the same. But its first run comes right after the
start, beside the starts that follow, and the cluster shows only the reason of the operation that ended last.
"""

from __future__ import annotations

import time

from twinsan.errors import Failure
from twinsan.host.note import Note
from twinsan.ocf import codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.ocf.agent import Agent

# From this check level on each monitor compares.
LEVEL = 10

_SECONDS_BETWEEN = 60.0


def once_a_minute(agent: Agent, compare: Callable[[], int]) -> int:
    """Return the exit code of `compare`, which gives the reason if that is not SUCCESS. Less than a minute after a
    comparison, return its exit code and give its reason again. Outside of a cluster and in a probe nothing is compared
    below LEVEL.
    """
    if agent.check_level >= LEVEL:
        return compare()
    if agent.is_probe or not agent.environment.in_cluster:
        return codes.SUCCESS
    resource = agent.environment.resource
    try:
        last = _last(_note(resource))
    except (Failure, OSError):
        last = None
    if last is None:
        code = compare()
        try:
            _note(resource).replace(f"{code} {agent.exit_reason}")
        except (Failure, OSError) as failure:
            # No reason to fail a monitor.
            agent.log(f"the next monitor compares again, and not in a minute: {failure}")
        return code
    code, reason = last
    if reason:
        agent.explain(reason)
    return code


def forget(resource: str) -> None:
    """Have the next monitor of a resource compare: what was found before does not count any more."""
    _note(resource).forget()


def _note(resource: str) -> Note:
    return Note(f"compared.{resource}")


def _last(note: Note) -> tuple[int, str] | None:
    """The exit code and the reason of the last comparison; None if it was made a minute ago, or never."""
    try:
        age, (code, _, reason) = time.time() - note.modified(), (note.read() or "").partition(" ")
    except FileNotFoundError:
        return None
    return (int(code), reason) if 0 <= age < _SECONDS_BETWEEN and code.isdecimal() else None
