# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster tests, shared by several labs side by side: each takes the next file of tests as long as there is one.

Labs wait more than they compute, for time-outs and for each other's machines, so two of them take little more than half
the time of one. They know nothing of each other: each is a world of its own (see `namespace`).
"""

from __future__ import annotations

import itertools
import os
import selectors
import sys
from collections.abc import Iterator

import pytest

from lab import namespace, pair

# Those that take minutes begin first, so that no lab is left alone with one at the end.
_LONG = ("test_states.py", "test_wire.py", "test_kill_points.py", "test_reservations.py", "test_tools.py")

# What a lab needs, with some to spare for the caches of its disks.
_MEMORY_MB = 4608
_MOST_LABS = 2


def run(suite: str, words: list[str]) -> int:
    """Run tests/cluster with further words for pytest; returns 0 where all passed."""
    os.environ["SUITE"] = suite
    labs = max(1, min(_MOST_LABS, os.cpu_count() or 1, pair.available_memory_mb() // _MEMORY_MB))
    if labs == 1 or words:
        return namespace.enter(lambda: _pytest(words))
    # Whoever reads a byte takes the file of that number; at the end there is nothing more to read.
    queue, filling = os.pipe()
    os.write(filling, bytes(range(256)))
    os.close(filling)
    started = [_start(queue) for _ in range(labs)]
    try:
        _print_lines([reading for _, reading in started])
    except KeyboardInterrupt:
        # The labs end with us.
        return 130
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in started]
    return max(map(abs, statuses))


def _start(queue: int) -> tuple[int, int]:
    """A lab of its own in a process of its own; returns that and where its output can be read."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(writing, stream)
        # A line for each test: dots of two labs would run together. At the end, where the time went.
        os._exit(namespace.enter(lambda: _pytest(["-vv", "--durations=15"], queue)))
    os.close(writing)
    return child, reading


def _pytest(words: list[str], queue: int | None = None) -> int:
    plugins = [] if queue is None else [_NextFile(queue)]
    return int(pytest.main([str(pair.PROJECT / "tests" / "cluster"), *words], plugins))


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


class _NextFile:
    """Has pytest run the tests of one file after the other, of those that no other lab has taken."""

    def __init__(self, queue: int) -> None:
        self._queue = queue

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
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
        files = [list(items) for _, items in itertools.groupby(session.items, key=lambda item: item.path)]
        files.sort(key=lambda items: items[0].path.name not in _LONG)
        while True:
            number = os.read(self._queue, 1)
            if not number or number[0] >= len(files):
                return
            yield from files[number[0]]
