# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether what the cluster shows of a recurring monitor is still what the monitor says.

Pacemaker's executor tells only of changes of the exit code (2.1.5 and 3.0.0). So crm_mon shows the first reason, long
after another one has taken its place; and what is older than failure-timeout it does not show at all, which is how what
is well again leaves it. A monitor that has another reason, or has had the same for some time, therefore says "well"
once: what is shown stays until the next monitor has told it anew.
"""

from __future__ import annotations

import os
import time

from twinsan import rundir

# failure-timeout of the template, and some time for two monitors to run.
_SECONDS_SHOWN = 150.0
_SECONDS_FOR_MONITORS = 15.0

# Noted by the monitor that says "well", for the next one.
_ABOUT_TO_TELL = "?"

# The words of a time span, without its figures.
_UNITS = ("h", "min", "s")


def shows(resource: str, interval: float, reason: str) -> bool:
    """Whether the cluster will show `reason` of the monitor of that interval (s), which is noted; what counts, not how
    far it is.
    """
    path, now = _note(resource, interval), _kind(reason)
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            before, since = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        before, since = _ABOUT_TO_TELL, 0.0
    if before == _ABOUT_TO_TELL:
        rundir.write(path, now)
        return True
    # It takes one interval until a monitor says "well", and another until the next one tells.
    if before == now and time.time() - since < max(1.0, _SECONDS_SHOWN - _SECONDS_FOR_MONITORS - 2 * interval):
        return True
    rundir.write(path, _ABOUT_TO_TELL)
    return False


def forget(resource: str, interval: float) -> None:
    """All is well."""
    rundir.forget(_note(resource, interval))


def _note(resource: str, interval: float) -> str:
    return rundir.path(f"reason.{resource}.{interval:.0f}")


def _kind(reason: str) -> str:
    """What is wrong, without what to type, figures, and what stands in brackets, such as a state of a connection."""
    head = reason.partition(";")[0].encode("ascii", "replace").decode()
    first, *others = head.split("(")
    plain = first + "".join(other.partition(")")[2] for other in others)
    return " ".join(word for word in plain.split() if not any(map(str.isdigit, word)) and word not in _UNITS)
