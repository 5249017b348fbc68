# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the cluster displays the present reason of a degraded monitor.

Pacemaker's executor reports a recurring monitor only when its exit code changes (2.1.5 and 3.0.0). So crm_mon still
displays the first reason when another one has replaced it, and no reason that is older than failure-timeout. A monitor
whose reason has changed, or has been the same for some time, therefore answers "well" once, and "degraded" with its
reason the next time. In between, the old reason stays displayed.
"""

from __future__ import annotations

import time

from twinsan.host.note import Note

# failure-timeout of the template, and some time for two monitors to run.
_SECONDS_DISPLAYED = 150.0
_SECONDS_FOR_MONITORS = 15.0

# What a monitor that answers "well" notes, so that the next one gives its reason.
_DUE = "?"

# The units of a time span, whose figures are left out.
_UNITS = ("h", "min", "s")


def will_be_displayed(resource: str, interval: float, reason: str) -> bool:
    """Whether the cluster displays `reason` if the monitor of `resource` with this interval, in seconds, answers
    "degraded" now. If not, the monitor has to answer "well" this once. The answer is noted for the next monitor.

    Reasons that differ only in figures or in brackets count as the same, as for the progress of a resynchronisation.
    Raises Failure or OSError if the note cannot be written.
    """
    note, present = _note(resource, interval), _constant_words(reason)
    try:
        noted, since = note.read() or _DUE, note.modified()
    except FileNotFoundError:
        noted, since = _DUE, 0.0
    if noted == _DUE:
        note.replace(present)
        return True
    # It takes one interval until a monitor answers "well", and another until the next one gives its reason.
    longest = max(1.0, _SECONDS_DISPLAYED - _SECONDS_FOR_MONITORS - 2 * interval)
    if noted == present and time.time() - since < longest:
        return True
    note.replace(_DUE)
    return False


def forget(resource: str, interval: float) -> None:
    """Forget which reason is displayed: the monitor of `resource` with this interval, in seconds, is not degraded."""
    _note(resource, interval).forget()


def _note(resource: str, interval: float) -> Note:
    return Note(f"reason.{resource}.{interval:.0f}")


def _constant_words(reason: str) -> str:
    """What is wrong, without what to type, figures, and what stands in brackets, such as a state of a connection."""
    head = reason.partition(";")[0].encode("ascii", "replace").decode()
    first, *others = head.split("(")
    plain = first + "".join(other.partition(")")[2] for other in others)
    return " ".join(word for word in plain.split() if not any(map(str.isdigit, word)) and word not in _UNITS)
