# SPDX-License-Identifier: GPL-2.0-or-later
"""Have the cluster forget the failures of a stopped resource on this node, with `crm_resource --cleanup`.

A node on which a resource has failed as often as migration-threshold says is banned, and the last node must not stay
banned when the cause has gone. failure-timeout would lift the ban, too. But after that time crm_mon also hides the
reason of a degraded monitor, because the result of a recurring action is dated by its last change (Pacemaker 2.1.5 and
3.0.0). So failure-timeout is long, and this clean-up runs some seconds after a stop, unless a start has succeeded
since.

Every failure ends with a stop, so each stop leaves a note, and one process cleans up for all resources of the node. A
running resource is not cleaned up: until a probe finds it again, the cluster takes it for stopped and stops what
depends on it.
"""

from __future__ import annotations

import os
import time

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure
from twinsan.host import child, command, lock, rundir
from twinsan.host.note import Note

# Longer than the cluster takes to try again at once, so that failures in a row still add up.
SECONDS_UNTIL_FORGOTTEN = 15.0

# How long the process in the background lives at most: starts that have begun meanwhile may take that long, with the
# pauses between them.
_SECONDS_AT_MOST = 900.0
_SECONDS_FOR_CLUSTER = 30.0

_PREFIX = "forget."
_STARTING = "starting"


def forget_later(resource: str, node: str) -> None:
    """Note that a stop has succeeded on this node, `node`, and let a process in the background clean up its failures.
    Not for a stop that has failed: the cluster fences the node for it, so that failure must not be forgotten.
    """
    _note(resource).replace("")
    child.run_detached(lambda: _forget_all(node))


def note_start(resource: str) -> None:
    """Note that a start begins: no failure is forgotten until it ends."""
    if _note(resource).exists():
        _note(resource).replace(_STARTING)


def note_end_of_start(resource: str, *, success: bool) -> None:
    """Note that the start has ended. After a success nothing is forgotten; after a failure the wait starts again."""
    if success:
        _note(resource).forget()
    elif _note(resource).exists():
        _note(resource).replace("")


def _forget_all(node: str) -> None:
    patience = Deadline(_SECONDS_AT_MOST)
    while _noted() and not patience.expired():
        try:
            with lock.Held("failures", Deadline(0)):
                _forget_in_time(node, patience)
        except DeadlinePassed:
            # Another process does it, and handles what is noted until its end.
            return


def _forget_in_time(node: str, patience: Deadline) -> None:
    while (resources := _noted()) and not patience.expired():
        for resource in filter(_is_due, resources):
            _note(resource).forget()
            argv = ("crm_resource", "--cleanup", "--resource", resource, "--node", node)
            try:
                command.run(*argv, deadline=Deadline(_SECONDS_FOR_CLUSTER), check=False)
            except Failure:
                # Without an answer it is left to failure-timeout.
                continue
        time.sleep(1)


def _is_due(resource: str) -> bool:
    note = _note(resource)
    try:
        return note.read() == "" and time.time() - note.modified() >= SECONDS_UNTIL_FORGOTTEN
    except FileNotFoundError:
        return False


def _noted() -> list[str]:
    return [name[len(_PREFIX) :] for name in os.listdir(rundir.DIRECTORY) if name.startswith(_PREFIX)]


def _note(resource: str) -> Note:
    return Note(f"{_PREFIX}{resource}")
