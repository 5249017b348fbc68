# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster tests, shared by several labs side by side: each takes the next part of them as long as there is one.

Labs wait more than they compute, for time-outs and for each other's machines, so two of them take little more than half
the time of one. They know nothing of each other: each is a world of its own (see `namespace`). A part is a file of
tests, or what it names as one (pytest-xdist's mark `xdist_group`).
"""

from __future__ import annotations

import itertools
import json
import os
import selectors
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import counts, host, namespace

# Those that take longest begin first, in this order, so that no lab is left alone with one at the end.
_LONG = (
    "test_bench.py",
    "test_day_two.py",
    "test_status.py",
    "test_wire.py",
    "test_reservations.py",
    "test_init.py",
    "test_adopt.py",
    "test_day_disk.py",
    "test_kill_points.py",
    "test_ready_drbd.py",
    "test_ready_identity.py",
    "test_conformance.py",
    "test_failover.py",
    "test_tools.py",
    "test_identity.py",
    "test_agents.py",
)

# What a lab needs, with some to spare for the caches of its disks.
_MEMORY_MB = 4608
_MOST_LABS = 2

# When a test is taken to hang, and printed where it stands. The longest, 20 switchovers and 5 power cuts on the wire,
# takes a quarter of an hour.
_HANGS_SECONDS = 1800

# Which tests: those that a person waits for, those that repeat for their statistics or wait for minutes, and what an
# operator does. By the lab's command.
WHICH = {"test": "not soak and not procedure", "soak": "soak", "procedures": "procedure"}


def run(suite: str, which: str, words: list[str]) -> int:
    """Run tests/cluster, `which` of them, with further words for pytest; returns 0 where all passed."""
    os.environ["SUITE"] = suite
    begin = time.monotonic()
    labs = max(1, min(_MOST_LABS, os.cpu_count() or 1, host.available_memory_mb() // _MEMORY_MB))
    if words:
        labs = 1
    # Pytest heeds the last -m, so one of the caller's is heard.
    words = ["-m", which, *words]
    queue, filling = os.pipe()
    # Whoever reads a byte takes the part of that number; at the end there is nothing more to read.
    os.write(filling, bytes(range(256)))
    os.close(filling)
    telling, told = os.pipe()
    if labs == 1:
        statuses = [namespace.enter(lambda: _pytest(words, queue, told))]
    else:
        # A line for each test: dots of two labs would run together. At the end, where the time went.
        words += ["-vv", "--durations=30", "--durations-min=5"]
        started = [_start(words, queue, told) for _ in range(labs)]
        try:
            _print_lines([reading for _, reading in started])
        except KeyboardInterrupt:
            # The labs end with us.
            return 130
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in started]
    os.close(told)
    counted, failed = _sum(telling)
    print(f"\n{counts.table(counted)}\n{(time.monotonic() - begin) / 60:.1f} minutes in {labs} lab(s)")
    for line in failed:
        print(f"failed: {line}")
    return max(map(abs, statuses))


def _start(words: list[str], queue: int, told: int) -> tuple[int, int]:
    """A lab of its own in a process of its own; returns that and where its output can be read."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(writing, stream)
        os._exit(namespace.enter(lambda: _pytest(words, queue, told)))
    os.close(writing)
    return child, reading


def _pytest(words: list[str], queue: int, told: int) -> int:
    # The watch costs a thread for each test, which thousands of unit tests do without.
    watch = ["-o", f"faulthandler_timeout={_HANGS_SECONDS}"]
    folder = str(host.PROJECT / "tests" / "cluster")
    return int(pytest.main([folder, *watch, *words], [_NextPart(queue), _Counting(told)]))


def _sum(telling: int) -> tuple[dict[str, int], list[str]]:
    """What all labs have counted, and the tests that failed in any."""
    counted, failed = Counter[str](), []
    with open(telling, encoding="utf-8") as lines:
        for told in map(json.loads, lines):
            if isinstance(told, str):
                failed.append(told)
            else:
                counted.update(told)
    return dict(counted), failed


def _print_lines(sources: list[int]) -> None:
    """Print what comes, line by line, each with the number of the lab that it comes from."""
    unfinished = dict.fromkeys(sources, b"")
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                *lines, unfinished[key.fd] = (unfinished[key.fd] + data).split(b"\n")
                for line in lines:
                    text = line.decode("utf-8", "replace")
                    print(f"{sources.index(key.fd) + 1}| {text}".rstrip(), flush=True)


class _Counting:
    """Counts the tests that pass, and tells all counts at the end, as a line of JSON; a test that fails, at once."""

    def __init__(self, told: int) -> None:
        self._told = told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After each phase of a test."""
        if report.when == "call" and report.passed:
            counts.add(counts.TESTS)
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message.splitlines() if crash else ["see above"]
            self._tell(f"{report.nodeid} ({report.when}): {why[0]:.200}")
            # pytest tells it at the end, which may be an hour away.
            print(f"\n{report.longreprtext}\n{report.capstdout}", flush=True)

    def pytest_sessionfinish(self) -> None:
        """When all is torn down."""
        self._tell(counts.done())

    def _tell(self, what: object) -> None:
        """A line this short is written at once, so those of two labs do not run together."""
        os.write(self._told, json.dumps(what).encode() + b"\n")


class _NextPart:
    """Has pytest run one part of the tests after the other, of those that no other lab has taken."""

    def __init__(self, queue: int) -> None:
        self._queue = queue

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        items = self._items(session)
        item = next(items, None)
        while item is not None:
            # What comes next decides which fixtures are taken down.
            following = next(items, None)
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        parts = [list(items) for _, items in itertools.groupby(session.items, key=part)]
        parts.sort(key=_order)
        assert len(parts) <= 256, "more parts than a byte can number"
        while True:
            number = os.read(self._queue, 1)
            if not number or number[0] >= len(parts):
                return
            yield from parts[number[0]]


def part(item: pytest.Item) -> tuple[Path, str]:
    """What a test has to stay together with: its file, or the part of it that a mark names."""
    mark = item.get_closest_marker("xdist_group")
    return item.path, str(mark.args[0]) if mark else ""


def _order(items: list[pytest.Item]) -> int:
    """Those that need another pair come last, so that the usual one is made once (tests/cluster/conftest.py)."""
    name = items[0].path.name
    place = _LONG.index(name) if name in _LONG else len(_LONG)
    parameters = getattr(getattr(items[0], "callspec", None), "params", {})
    return place + len(_LONG) + 1 if "whole_pair" in parameters else place
