# SPDX-License-Identifier: GPL-2.0-or-later
"""A unit test starts no program and no process, unless its mark says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from twinsan.ocf import told
from twinsan.system import failures

_STARTS_A_PROCESS = frozenset(
    ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen")
)


class ProgramStarted(BaseException):
    """Not an Exception, so that no code under test can take it for a failure of its own."""


class Guard:
    """Watches the interpreter for new processes. An audit hook cannot be taken away, only told to look elsewhere."""

    def __init__(self) -> None:
        self.active = False
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.active and event in _STARTS_A_PROCESS:
            raise ProgramStarted(f"{event} {arguments[:2]}: mark the test runs_programs, or do without")


@pytest.fixture(scope="session")
def process_guard() -> Guard:
    return Guard()


@pytest.fixture(autouse=True)
def _no_programs(request: pytest.FixtureRequest, process_guard: Guard) -> Iterator[None]:
    process_guard.active = request.node.get_closest_marker("runs_programs") is None
    yield
    process_guard.active = False


@pytest.fixture(autouse=True)
def _nothing_remembered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No action of a test depends on what another one has left for the cluster's sake, unless a mark says so."""
    if request.node.get_closest_marker("remembers") is None:
        monkeypatch.setattr(told, "shows", lambda *_: True)
        monkeypatch.setattr(told, "forget", lambda *_: None)
        for name in ("starting", "started", "stopped"):
            monkeypatch.setattr(failures, name, lambda *_, **__: None)
