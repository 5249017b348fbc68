# SPDX-License-Identifier: GPL-2.0-or-later
"""An event of the cluster, as Pacemaker describes it to an alert agent: by variables of the environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NODE, FENCING, RESOURCE = "node", "fencing", "resource"

# The results of an action that was called off: it says nothing about the resource.
_CANCELLED = 1

# Pacemaker runs a monitor without an interval to learn whether a resource runs, and expects any of these.
_RUNS_OR_NOT = (0, 7, 8, 190, 191)

# The exit codes of a monitor that is degraded.
_DEGRADED = (190, 191)

PREFIX = "CRM_alert_"


class Event:
    """An event: its `kind`, the `node` that it is about, or for a resource the one that ran the action, what Pacemaker
    says of it (`description`), and when it was, in seconds since the epoch. `facts` are all variables of the event.
    """

    __slots__ = ("code", "description", "expected", "facts", "interval", "kind", "moment", "node", "resource", "task")

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.facts = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
        self.kind = self._text("kind")
        self.node = self._text("node")
        self.description = self._text("desc")
        self.resource = self._text("rsc")
        self.task = self._text("task")
        self.code = self._number("rc")
        self.expected = self._number("target_rc")
        self.interval = self._number("interval") / 1000
        self.moment = self._number("timestamp_epoch") + self._number("timestamp_usec") / 1e6

    @property
    def as_expected(self) -> bool:
        """Whether an action had the result that the cluster expects."""
        return self.code == self.expected and self._number("status") == 0

    @property
    def degraded(self) -> bool:
        """Whether a monitor found that the resource works, but is not well."""
        return self.task == "monitor" and self.code in _DEGRADED

    @property
    def says_nothing(self) -> bool:
        """Whether an action was called off, or was a question to which each answer is right."""
        probe = self.task == "monitor" and not self.interval
        return self._number("status") == _CANCELLED or (probe and self.code in _RUNS_OR_NOT)

    def _text(self, name: str) -> str:
        return self.facts.get(PREFIX + name, "")

    def _number(self, name: str) -> int:
        """A variable as a number; 0 if it is none."""
        text = self._text(name)
        return int(text) if text.lstrip("-").isdecimal() and text.isascii() and text.count("-") <= 1 else 0
