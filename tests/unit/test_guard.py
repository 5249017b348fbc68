# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard of the unit tests is awake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "start",
    [
        lambda: os.system("true"),
        lambda: subprocess.run(["true"], check=False),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        os.fork,
    ],
    ids=["system", "subprocess", "posix_spawn", "fork"],
)
def test_a_program_cannot_be_started(start: Callable[[], object]) -> None:
    with pytest.raises(BaseException, match="runs_programs"):
        start()


@pytest.mark.runs_programs
def test_a_marked_test_may_start_programs() -> None:
    assert subprocess.run(["true"], check=False).returncode == 0
