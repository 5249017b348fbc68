# SPDX-License-Identifier: GPL-2.0-or-later
"""The times at which a DRBD device has written: one node sees those of the whole pair.

DRBD counts what it writes to its local disk, whoever asked for it: the LUN of this node, or the peer's. The count of
net data leaves out its own metadata. So a pause of the hosts' writes shows on either node, over a change of roles and
over the death of the peer.
"""

from __future__ import annotations

import re
import threading
import time

from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# DRBD 8.4 tells by a file, DRBD 9 by a program. Both are far more often than a failover takes.
_SECONDS_BETWEEN_READS = 0.02
_SECONDS_BETWEEN_PROGRAMS = 0.1

# What DRBD 9 prints of a device.
_WRITTEN = re.compile(r"^exists device .*\bminor:(\d+) .*\bwritten:(\d+)", re.MULTILINE)

# In /proc/drbd of DRBD 8.4: the line of a minor number, and in the one below it "dw", net data written to the local
# disk in KiB (drbd_proc.c).
_COUNTS = re.compile(r"^ *(\d+): cs:.*\n.*\bdw:(\d+)", re.MULTILINE)


class Watch:
    """Watch what is written to the DRBD devices with these `minors`, from `start` to `stop`. `times` has for each minor
    when its count was found to have grown, in seconds since the epoch. `fault` says what kept it from looking, "" for
    nothing.
    """

    def __init__(self, minors: Collection[int]) -> None:
        self.times: dict[int, list[float]] = {minor: [] for minor in minors}
        self.fault = ""
        self._counts: dict[int, int] = {}
        self._ended = threading.Event()
        # It may hang in the kernel with the device that it looks at, and must not keep the command from ending.
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to look, beside the caller."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(timeout=2.0)

    def grown_since(self, moment: float) -> bool:
        """Whether every device that has written at all has written after that moment."""
        written = [times for times in self.times.values() if times]
        return all(times[-1] > moment for times in written)

    def _watch(self) -> None:
        try:
            pause = _SECONDS_BETWEEN_READS if _of_proc() else _SECONDS_BETWEEN_PROGRAMS
            while not self._ended.wait(pause):
                self.note(time.time(), counts())
        except (Failure, OSError) as failure:
            self.fault = str(failure)

    def note(self, moment: float, found: dict[int, int]) -> None:
        """Note the counts that were found at a moment. One that is smaller than before began anew."""
        for minor, times in self.times.items():
            count = found.get(minor)
            if count is None:
                continue
            if self._counts.get(minor, count) != count:
                times.append(moment)
            self._counts[minor] = count


def counts() -> dict[int, int]:
    """Return how much each DRBD device has written to its local disk, in KiB by minor number. Raises Failure if DRBD
    does not answer.
    """
    return _of_proc() or _of_events2()


def _of_proc() -> dict[int, int]:
    """The counts of DRBD 8.4; none with DRBD 9, whose file has only a version."""
    try:
        with open(setup.PROC, encoding="ascii") as file:
            return {int(minor): int(count) for minor, count in _COUNTS.findall(file.read())}
    except OSError:
        return {}


def _of_events2() -> dict[int, int]:
    printed = setup.run("events2", "--now", "--statistics", deadline=Deadline(2.0)).stdout
    return {int(minor): int(count) for minor, count in _WRITTEN.findall(printed)}
