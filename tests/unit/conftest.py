# SPDX-License-Identifier: GPL-2.0-or-later
"""A unit test starts no program and no process, unless its mark says so; and it is never skipped."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator

import pytest

from tests.unit import owner
from twinsan.ocf import closer_look, failures, reason_display

_STARTS_A_PROCESS = frozenset(
    ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen")
)

# Room for the folders of all tests.
_MEMORY_BYTES = 2 << 30


def _use_memory(folder: str = "/dev/shm") -> None:
    """Have pytest make the folders of tests (tmp_path) in memory, where programs can run from there: the kernel takes
    several times as long for files on a disk.
    """
    if os.access(folder, os.W_OK):
        there = os.statvfs(folder)
        if not there.f_flag & os.ST_NOEXEC and there.f_bavail * there.f_frsize >= _MEMORY_BYTES:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


_use_memory()


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that start programs come first: what takes longest should not be what is waited for at the end."""
    items.sort(key=lambda item: item.get_closest_marker("runs_programs") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skipped test a failed one. `make check` installs what the tests need, so nothing of it may be missing."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture
def files_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that a test makes are root's, whoever runs it."""
    owner.pretend(monkeypatch, 0)


@pytest.fixture(autouse=True)
def _nothing_remembered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No action of a test depends on what another one has left for the cluster's sake, unless a mark says so."""
    if request.node.get_closest_marker("remembers") is None:
        monkeypatch.setattr(reason_display, "will_be_displayed", lambda *_: True)
        monkeypatch.setattr(reason_display, "forget", lambda *_: None)
        monkeypatch.setattr(closer_look, "forget", lambda *_: None)
        monkeypatch.setattr(closer_look, "_last", lambda _note: (0, ""))
        for name in ("note_start", "note_end_of_start", "forget_later"):
            monkeypatch.setattr(failures, name, lambda *_, **__: None)
