# SPDX-License-Identifier: GPL-2.0-or-later
"""What an agent reports: its log, its exit reasons, and the exit codes that say "degraded" or "failed".

The word RESOURCE in a text is replaced by the resource's name. The rest of the library does not know the name.
"""

from __future__ import annotations

import sys
import syslog

from twinsan.ocf import codes
from twinsan.ocf.environment import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinsan.ocf.environment import Environment

# What the library writes for the resource's name.
_PLACEHOLDER = "RESOURCE"

# What to type about a resource that works but not as configured, and about one that does not work.
_RESTART = "to repair it with a pause: crm_resource --restart --resource"
_REMAKE = "where it stays so: crm_resource --cleanup --resource"

# How many characters may say what is wrong, before what to type: crm_mon cuts a reason off after 128 characters.
_LONGEST_HEAD = 70


class Reporter:
    """The base of an agent: writes to the log and to standard error for the agent `name`."""

    name = ""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        # The exit reason that was printed last.
        self.exit_reason = ""

    @property
    def resource_name(self) -> str:
        """The resource's name for commands to type; RESOURCE for an agent that is run by hand."""
        return self.environment.resource if self.environment.in_cluster else _PLACEHOLDER

    def log(self, message: str, priority: int = syslog.LOG_INFO) -> None:
        """Write one line to the log; on a terminal to standard error instead."""
        line = one_line(self._with_resource_name(message))
        if sys.stderr.isatty():
            print(f"{self.name}: {line}", file=sys.stderr)
        elif self.environment.log_facility != "none":
            named = getattr(syslog, f"LOG_{self.environment.log_facility.upper()}", syslog.LOG_DAEMON)
            # The module has functions by such names as well (LOG_UPTO), and a facility leaves three bits free.
            facility = named if isinstance(named, int) and named % 8 == 0 else syslog.LOG_DAEMON
            syslog.openlog(f"{self.name}({self.environment.instance})", syslog.LOG_PID, facility)
            syslog.syslog(priority, line)

    def explain(self, reason: str) -> None:
        """Print the exit reason, which the cluster displays beside the failed or degraded action, and log it."""
        line = self.exit_reason = one_line(self._with_resource_name(reason))
        print(f"{self.environment.reason_prefix}{line}", file=sys.stderr)
        if not sys.stderr.isatty():
            self.log(line, syslog.LOG_ERR)

    def degraded(self, reason: str, *, promoted: bool = False) -> int:
        """Print the reason and return DEGRADED, or DEGRADED_PROMOTED if `promoted`. For a cluster that does not know
        these codes, log the reason and return SUCCESS or RUNNING_PROMOTED.
        """
        if self.environment.in_cluster and not self.environment.knows_degraded:
            self.log(reason, syslog.LOG_WARNING)
            return codes.RUNNING_PROMOTED if promoted else codes.SUCCESS
        self.explain(reason)
        return codes.DEGRADED_PROMOTED if promoted else codes.DEGRADED

    def drifted(self, difference: str, more: Sequence[str] = ()) -> int:
        """As `degraded`, for a resource that works but not as configured: adds the command that restarts it. `more` are
        further differences, which follow the command.
        """
        head, rest = _halves(difference, more)
        return self.degraded(f"{head}; {_RESTART} {self.resource_name}{rest}")

    def broken(self, fault: str) -> int:
        """Print why a resource that is there does not work, with the command that makes the cluster try again. Returns
        ERR_GENERIC.
        """
        head, rest = _halves(fault, ())
        self.explain(f"{head}; {_REMAKE} {self.resource_name}{rest}")
        return codes.ERR_GENERIC

    def _with_resource_name(self, text: str) -> str:
        """Return `text` with the resource's name for the word RESOURCE."""
        first, *others = text.split(_PLACEHOLDER)
        for other in others:
            part_of_a_word = _is_of_a_word(first[-1:]) or _is_of_a_word(other[:1])
            first += (_PLACEHOLDER if part_of_a_word else self.resource_name) + other
        return first


def _halves(first: str, more: Sequence[str]) -> tuple[str, str]:
    """Split what is wrong in two: the first difference, shortened if too long, to stand before what to type; and, in
    brackets, the other differences and the full text of a shortened one, to follow it.
    """
    head = first if len(first) <= _LONGEST_HEAD else first[: _LONGEST_HEAD - 3] + "..."
    rest = [*([first] if head != first else []), *more]
    return head, f" ({', '.join(rest)})" if rest else ""


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"
