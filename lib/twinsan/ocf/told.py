# SPDX-License-Identifier: GPL-2.0-or-later
"""Which reason the cluster shows of a monitor that says "degraded" again and again.

Pacemaker's executor tells of a recurring action that ends with the same code no more (2.1.5 and 3.0.0), so what is
shown is the first reason, long after another one has taken its place: of a node whose link was cut, and which may not
be promoted now. What is older than failure-timeout crm_mon does not show at all. So a monitor that has another reason,
or has had the same for long, says once that all is well, and the next one's is shown.
"""

from __future__ import annotations

import os
import time

from twinsan import rundir

# Less than failure-timeout of the template, 600 s, by an interval of a monitor and some.
_SECONDS_SHOWN = 540.0

# The words of a time span, without its figures.
_UNITS = ("h", "min", "s")


def shows(monitor: str, reason: str) -> bool:
    """Whether the cluster will show `reason` of `monitor`, which is noted; what counts, not how far it is."""
    path, now = _note(monitor), _kind(reason)
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            before, since = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        rundir.write(path, now)
        return True
    if before == now and time.time() - since < _SECONDS_SHOWN:
        return True
    rundir.forget(path)
    return False


def forget(monitor: str) -> None:
    """The monitor has found nothing."""
    rundir.forget(_note(monitor))


def _note(monitor: str) -> str:
    return rundir.path(f"reason.{monitor}")


def _kind(reason: str) -> str:
    """What is wrong, without what to type, figures, and what stands in brackets, such as a state of a connection."""
    head = reason.partition(";")[0].encode("ascii", "replace").decode()
    first, *others = head.split("(")
    plain = first + "".join(other.partition(")")[2] for other in others)
    return " ".join(word for word in plain.split() if not any(map(str.isdigit, word)) and word not in _UNITS)
