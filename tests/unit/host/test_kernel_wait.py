# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's stack of a process that hangs, in words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from twinsan.host import kernel_files, kernel_wait

# As a writer on a frozen device has it.
STACK = """\
[<0>] __switch_to+0x50/0x7f
[<0>] __schedule+0x51b/0x568
[<0>] schedule+0xc8/0x115
[<0>] drbd_submit_bio+0xdb/0x111 [drbd]
[<0>] __submit_bio+0x57/0x8c
[<0>] submit_bio_noacct_nocheck+0x1c3/0x271
[<0>] submit_bio_noacct+0x2a3/0x2df
[<0>] submit_bio+0xf5/0x100
"""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kernel_files, "PROCESSES", str(tmp_path))
    folder = tmp_path / "42"
    folder.mkdir()
    return folder


def test_the_innermost_functions_are_named_without_how_they_sleep(process: Path) -> None:
    (process / "stack").write_text(STACK)
    expected = "drbd_submit_bio < __submit_bio < submit_bio_noacct_nocheck < submit_bio_noacct"
    assert kernel_wait.functions(42) == expected


@pytest.mark.parametrize(("place", "words"), [("drbd_submit_bio", "drbd_submit_bio"), ("0", "")])
def test_without_a_stack_there_is_the_one_function(process: Path, place: str, words: str) -> None:
    (process / "wchan").write_text(place)
    assert kernel_wait.functions(42) == words


def test_a_process_that_is_gone_is_nowhere(process: Path) -> None:
    assert kernel_wait.functions(43) == ""


def status(state: str, switches: int) -> str:
    return f"Name:\tpython3\nState:\t{state}\nvoluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t7\n"


@pytest.mark.parametrize(
    ("before", "after", "hangs"),
    [
        (status("D (disk sleep)", 3), status("D (disk sleep)", 3), True),
        # It waits for its own pages, again and again.
        (status("D (disk sleep)", 3), status("D (disk sleep)", 4), False),
        (status("D (disk sleep)", 3), status("R (running)", 3), False),
        (status("R (running)", 3), status("R (running)", 3), False),
        (status("S (sleeping)", 3), status("S (sleeping)", 3), False),
        ("", "", False),
    ],
)
def test_what_is_slow_does_not_hang(
    process: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, hangs: bool
) -> None:
    (process / "status").write_text(before)
    monkeypatch.setattr(time, "sleep", lambda _seconds: (process / "status").write_text(after))
    assert kernel_wait.hangs(42) == hangs
