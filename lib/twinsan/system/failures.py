# SPDX-License-Identifier: GPL-2.0-or-later
"""Have the cluster forget that a resource has failed on this node, `crm_resource --cleanup`, where it does not run.

It is done some seconds after a stop, unless a start has succeeded since: a node where a start has failed as often as
migration-threshold says is banned, and the last node must not stay so for what has passed meanwhile. failure-timeout
would do the same. But by it crm_mon hides what a monitor goes on to say as well: the result of a recurring action is
dated by its last change (Pacemaker 2.1.5 and 3.0.0). So that is long. A failure always ends with a stop, whoever has
failed, so each stop leaves a note, and one process does it for all resources of the node.

What runs is not cleaned up: until it is found again the cluster takes it for stopped, and stops what depends on it.
"""

from __future__ import annotations

import os
import time

from twinsan import rundir
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import child, command, lock

# Longer than the cluster takes to try again at once, so that failures in a row still add up.
SECONDS = 15.0

# As long as a start may take that has begun meanwhile, with the pauses between several.
_SECONDS_AT_MOST = 900.0
_SECONDS_FOR_CLUSTER = 30.0

_PREFIX = "forget."
_STARTING = "starting"


def stopped(resource: str, node: str) -> None:
    """A stop has succeeded: one that has not is a matter of fencing. Where nothing has failed, the cluster has nothing
    to forget.
    """
    rundir.write(_note(resource), "")
    child.detached(lambda: _forget_all(node))


def starting(resource: str) -> None:
    """A start begins: nothing is forgotten while it goes on."""
    if os.path.exists(_note(resource)):
        rundir.write(_note(resource), _STARTING)


def started(resource: str, *, well: bool) -> None:
    """The start has ended."""
    if well:
        rundir.forget(_note(resource))
    elif os.path.exists(_note(resource)):
        rundir.write(_note(resource), "")


def _forget_all(node: str) -> None:
    patience = Deadline(_SECONDS_AT_MOST)
    while _noted() and not patience.expired():
        try:
            with lock.Held("failures", Deadline(0)):
                _forget_in_time(node, patience)
        except DeadlinePassed:
            # Another process does it, and sees what was noted until its end.
            return


def _forget_in_time(node: str, patience: Deadline) -> None:
    while (resources := _noted()) and not patience.expired():
        for resource in filter(_due, resources):
            rundir.forget(_note(resource))
            argv = ("crm_resource", "--cleanup", "--resource", resource, "--node", node)
            try:
                command.run(*argv, deadline=Deadline(_SECONDS_FOR_CLUSTER), check=False)
            except Failure:
                # Without an answer it is left to failure-timeout.
                continue
        time.sleep(1)


def _due(resource: str) -> bool:
    try:
        with open(_note(resource), encoding="ascii") as file:
            return not file.read() and time.time() - os.fstat(file.fileno()).st_mtime >= SECONDS
    except FileNotFoundError:
        return False


def _noted() -> list[str]:
    return [name[len(_PREFIX) :] for name in os.listdir(rundir.DIRECTORY) if name.startswith(_PREFIX)]


def _note(resource: str) -> str:
    return rundir.path(f"{_PREFIX}{resource}")
