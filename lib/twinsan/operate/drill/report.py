# SPDX-License-Identifier: GPL-2.0-or-later
"""What a drill has found, as text, as JSON and as a picture."""

from __future__ import annotations

from twinsan.operate import table
from twinsan.operate.drill import outcome, picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.drill.outcome import Pause, Phase


class Report:
    """A failover that was practised: its `kind`, the node that it left and the one that it went to, the moments of the
    writes of each LUN and of the reads of a host by name, and its phases. `begin` and `end` are those of the look at
    it, in seconds since the epoch. `unseen` are lines about what could not be seen.
    """

    def __init__(
        self,
        kind: str,
        left: str,
        right: str,
        moments: dict[str, list[float]],
        phases: list[Phase],
        span: tuple[float, float],
        unseen: list[str],
    ) -> None:
        self.kind = kind
        self.left = left
        self.right = right
        self.moments = moments
        self.phases = phases
        self.unseen = unseen
        self.pauses: dict[str, Pause] = {}
        for name, times in moments.items():
            pause = outcome.longest_pause(times, *span)
            if pause:
                self.pauses[name] = pause

    @property
    def stall(self) -> Pause | None:
        """The longest pause of all; None if nobody wrote or read."""
        return max(self.pauses.values(), key=lambda pause: pause.seconds, default=None)

    def text(self) -> str:
        """Return it for a terminal."""
        lines = [self._headline(), ""]
        rows = [(phase.name, f"{phase.seconds:.1f} s") for phase in self.phases]
        lines += [table.text(("PHASE", "TIME"), rows), ""]
        seen = [(name, self._pause(name), str(len(times))) for name, times in self.moments.items()]
        lines.append(table.text(("LUN OR HOST", "LONGEST PAUSE", "SEEN"), seen))
        return "\n".join([*lines, *(f"not seen: {line}" for line in self.unseen)])

    def json(self) -> dict[str, object]:
        """Return it for programs: its names never change."""
        return {
            "kind": self.kind,
            "from": self.left,
            "to": self.right,
            "stall_seconds": round(self.stall.seconds, 3) if self.stall else None,
            "phases": [
                {"name": each.name, "seconds": round(each.seconds, 3), "begin": each.begin, "end": each.end}
                for each in self.phases
            ],
            "pauses": {name: round(pause.seconds, 3) for name, pause in self.pauses.items()},
            "seen": {name: len(times) for name, times in self.moments.items()},
            "not_seen": self.unseen,
        }

    def picture(self) -> str:
        """Return it as SVG."""
        return picture.draw(self._headline(), self.moments, self.pauses, self.phases)

    def _headline(self) -> str:
        stall = f"no I/O for {self.stall.seconds:.1f} s" if self.stall else "nobody used the disks"
        return f"{self.kind} from {self.left} to {self.right}: {stall}"

    def _pause(self, name: str) -> str:
        return f"{self.pauses[name].seconds:.1f} s" if name in self.pauses else "-"
