# SPDX-License-Identifier: GPL-2.0-or-later
"""Since when a replica lacks some of the data: DRBD does not keep the time, so the monitors note it."""

from __future__ import annotations

import time

from twinsan import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.events2 import Resource


def since(resource: Resource) -> str:
    """Since when this node lacks data, in words that follow a state; "" where it has all of it."""
    path = rundir.path(f"behind.{resource.name}")
    if resource.complete:
        rundir.forget(path)
        return ""
    rundir.write_first(path, str(int(time.time())))
    with open(path, encoding="ascii") as file:
        return f" since {clock(int(file.read()))}"


def clock(moment: float) -> str:
    """A time of today to the minute, or of another day with its date."""
    then, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%F %H:%M", then)
