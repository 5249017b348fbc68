# SPDX-License-Identifier: GPL-2.0-or-later
"""One line for each step of long work."""

from __future__ import annotations

import io
import re
import time

import pytest

from lab import progress


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def ascii_file() -> io.TextIOWrapper:
    """A file that takes ASCII alone."""
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)


def content(file: io.TextIOWrapper) -> str:
    """What was written to it."""
    file.seek(0)
    return file.read()


def test_a_file_gets_one_plain_line() -> None:
    file = ascii_file()
    with progress.step("Booting three guests", file) as step:
        step.note("waiting for corosync")
    assert re.fullmatch(r"ok   Booting three guests +0\.\d s\n", content(file))


def test_a_failure_is_marked_and_goes_on_its_way() -> None:
    file = ascii_file()
    with pytest.raises(ValueError, match="broken"), progress.step("Booting", file):
        raise ValueError("broken")
    assert content(file).startswith("FAIL Booting ")


def test_signs_where_the_encoding_has_them() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with progress.step("Booting", file):
        pass
    assert content(file).startswith("\u2713 Booting ")


def test_a_terminal_shows_the_note_and_keeps_only_the_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TICK_SECONDS", 0.001)
    terminal = Terminal()
    with progress.step("Booting", terminal) as step:
        step.note("waiting for corosync")
        end = time.monotonic() + 20
        while "waiting for corosync" not in terminal.getvalue() and time.monotonic() < end:
            time.sleep(0.001)
    frames = terminal.getvalue().split("\r\x1b[K")
    assert any("waiting for corosync" in frame for frame in frames)
    assert "waiting" not in frames[-1]
    assert frames[-1].endswith(" s\n")
