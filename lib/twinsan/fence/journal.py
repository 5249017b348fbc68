# SPDX-License-Identifier: GPL-2.0-or-later
"""What the handlers write to the journal. They are no agents, and have no exit reason."""

from __future__ import annotations

import sys
import syslog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.host.note import Note


def log(line: str, *, failed: bool = False) -> None:
    """Write a line to the journal, and to standard error for whoever has typed the command."""
    syslog.openlog("twinsan", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR if failed else syslog.LOG_NOTICE, line)
    print(f"twinsan: {line}", file=sys.stderr)


def write_note(note: Note, text: str) -> None:
    """Write a note for the monitors. That there is no room for it is logged, and keeps no I/O frozen."""
    try:
        note.replace(text)
    except OSError as error:
        log(f"{note.path} could not be written: {error}")
