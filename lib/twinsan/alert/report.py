# SPDX-License-Identifier: GPL-2.0-or-later
"""A report to the operator: a line in syslog, and a call of the command that the administrator gave."""

from __future__ import annotations

import shlex
import syslog

from twinsan.errors import Failure
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.deadline import Deadline

# How bad it is, by the names that syslog has for it.
CRITICAL, WARNING, NOTICE = "critical", "warning", "notice"

_PRIORITIES = {CRITICAL: syslog.LOG_CRIT, WARNING: syslog.LOG_WARNING, NOTICE: syslog.LOG_NOTICE}

# Pacemaker ends an alert agent after 30 s, and the rest takes less than 10 s.
_SECONDS_FOR_COMMAND = 15.0


class Report:
    """What is said: the `line`, the `kind` of event, how bad it is, and the node and the resource that it is about."""

    __slots__ = ("kind", "line", "node", "resource", "severity")

    def __init__(self, kind: str, severity: str, line: str, *, node: str = "", resource: str = "") -> None:
        self.kind = kind
        self.severity = severity
        # It may have been cut within a character. Syslog takes no such thing, and a terminal obeys others.
        self.line = "".join(each if each.isprintable() else "?" for each in " ".join(line.split()))
        self.node = node
        self.resource = resource

    @property
    def facts(self) -> dict[str, str]:
        """Return the variables for the command."""
        names = ("kind", "severity", "line", "node", "resource")
        return {f"TWINSAN_{name.upper()}": getattr(self, name) for name in names}


def send(report: Report, words: str, facts: Mapping[str, str], deadline: Deadline) -> bool:
    """Write the line to syslog, and run the command `words`, if there is one, with the line as its last argument and as
    its input, and with `facts` in its environment. Returns whether the command succeeded; a failure is logged.
    """
    _log(_PRIORITIES[report.severity], f"{report.kind}: {report.line}")
    if not words.strip():
        return True
    argv = [words]
    try:
        argv = [*shlex.split(words), report.line]
        environment = {**facts, **report.facts}
        patience = deadline.within(_SECONDS_FOR_COMMAND)
        command.run(*argv, deadline=patience, input=report.line + "\n", environment=environment)
    except (Failure, OSError, ValueError) as failure:
        # Not the words of the command: a token may be among them, and more people may read the log than the CIB.
        told = str(failure).replace(" ".join(argv), argv[0])
        _log(syslog.LOG_WARNING, f"the alert's command did not take the line: {told}")
        return False
    return True


def _log(priority: int, line: str) -> None:
    syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(priority, line)
