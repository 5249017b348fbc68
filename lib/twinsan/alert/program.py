# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert agent as a program: what Pacemaker calls for each event."""

from __future__ import annotations

import os
import shlex
import syslog

from twinsan.alert import agent, report
from twinsan.alert.event import Event
from twinsan.alert.memory import Memory
from twinsan.alert.report import Report
from twinsan.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Pacemaker kills an alert agent after 30 s.
_SECONDS = 25.0

# The instance attribute of the alert, which Pacemaker makes a variable of the environment.
COMMAND = "command"

# Root may read and run what the user of Pacemaker's alerts may not.
_AS_ROOT = (
    "the cluster runs it as hacluster; try that, too: runuser -u hacluster -- twinsan alert --test --command {words}"
)

_TEST = "this is a test of the alert on {node}; nothing is wrong"


def handle(variables: Mapping[str, str], memory: Memory | None = None) -> int:
    """Report the event that `variables` describe, if an operator wants to know of it. Returns the exit status. A defect
    is logged: nobody reads what an alert agent prints.
    """
    event, remembered, deadline = Event(variables), memory or Memory(), Deadline(_SECONDS)
    words = variables.get(COMMAND, "")

    def send(each: Report) -> bool:
        # What is waited for in the background comes after the deadline of the event.
        return report.send(each, words, event.facts, deadline if not deadline.expired() else Deadline(_SECONDS))

    try:
        sent = [send(each) for each in agent.reports(event, remembered, deadline)]
        agent.confirm_recovery(event, remembered, send)
    except Exception as error:  # noqa: BLE001  see above
        syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_ERR, f"an event of the cluster was not reported: {type(error).__name__}: {error}")
        return 1
    return 0 if all(sent) else 1


def test(words: str) -> int:
    """Report a test, with the command `words`. Returns the exit status."""
    line = _TEST.format(node=os.uname().nodename)
    done = report.send(Report("test", report.NOTICE, line, node=os.uname().nodename), words, {}, Deadline(_SECONDS))
    told = f"syslog has the line: {line}"
    if words:
        told += f"\nand {words} has {'taken it' if done else 'failed: see journalctl -t twinsan'}"
        if os.geteuid() == 0:
            told += f"\n{_AS_ROOT.format(words=shlex.quote(words))}"
    print(told)
    return 0 if done else 1
