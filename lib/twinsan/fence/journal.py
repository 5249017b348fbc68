# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of the handlers, which are no agents and have no exit reason: they go to the journal."""

from __future__ import annotations

import sys
import syslog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.host.note import Note


def log(line: str, *, failed: bool = False) -> None:
    """Write a line to the journal, and to standard error for an operator who has typed the command."""
    syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR if failed else syslog.LOG_NOTICE, line)
    print(f"twinsan: {line}", file=sys.stderr)


def write_note(note: Note, text: str) -> None:
    """Write a note for the monitors. A failure, such as a full /run, is only logged, so that it keeps no I/O frozen."""
    try:
        note.replace(text)
    except OSError as error:
        log(f"{note.path} could not be written: {error}")
