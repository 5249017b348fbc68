# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress of long work: one line for each step, alive on a terminal, plain elsewhere.

::

    with progress.step("Booting atlas, zeus and esx") as step:
        step.note("waiting for corosync")
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TICK_SECONDS = 0.12
_TITLE_WIDTH = 56
_ERASE_LINE = "\r\x1b[K"


class Glyphs:
    """The signs that a line starts with."""

    def __init__(self, encoding: str | None) -> None:
        try:
            "✓✗⠋".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            self.done, self.failed, self.spinner = "ok  ", "FAIL", "|/-\\"
        else:
            self.done, self.failed, self.spinner = "✓", "✗", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Step:
    """One step under way."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._note = ""
        self._glyphs = Glyphs(stream.encoding)
        self._start = time.monotonic()
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None

    def note(self, text: str) -> None:
        """Say what the step is at; seen while it lasts, on a terminal alone."""
        self._note = text

    def begin(self) -> None:
        """Show the step as begun."""
        if self._stream.isatty():
            self._ticker = threading.Thread(target=self._animate, name="progress", daemon=True)
            self._ticker.start()

    def end(self, *, failed: bool) -> None:
        """Write the line that stays."""
        self._ended.set()
        if self._ticker is not None:
            self._ticker.join()
            self._stream.write(_ERASE_LINE)
        glyph = self._glyphs.failed if failed else self._glyphs.done
        self._stream.write(f"{glyph} {self._title:<{_TITLE_WIDTH}} {self._elapsed()}\n")
        self._stream.flush()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._start:6.1f} s"

    def _animate(self) -> None:
        count = 0
        while not self._ended.is_set():
            glyph = self._glyphs.spinner[count % len(self._glyphs.spinner)]
            line = f"{glyph} {self._title} {self._elapsed()}  {self._note}"
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_ERASE_LINE + line[:width])
            self._stream.flush()
            count += 1
            self._ended.wait(_TICK_SECONDS)


@contextmanager
def step(title: str, stream: TextIO | None = None) -> Iterator[Step]:
    """Show `title` while the body runs, then whether it worked and how long it took."""
    shown = Step(title, stream or sys.stdout)
    shown.begin()
    try:
        yield shown
    except BaseException:
        shown.end(failed=True)
        raise
    shown.end(failed=False)
