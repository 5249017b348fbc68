# SPDX-License-Identifier: GPL-2.0-or-later
"""How labs share the tests, and what is printed of what they counted."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import counts, tests


def _item(name: str, group: str = "", site: str = "") -> pytest.Item:
    mark = SimpleNamespace(args=(group,)) if group else None
    marks = {"xdist_group": mark}
    callspec = SimpleNamespace(params={"whole_pair": site} if site else {"whole": True})
    return SimpleNamespace(path=Path(name), get_closest_marker=marks.get, callspec=callspec)  # type: ignore[return-value]


def _run(queue: int, *items: pytest.Item) -> list[pytest.Item]:
    session = SimpleNamespace(items=list(items))
    return list(tests._NextPart(queue)._items(session))  # type: ignore[arg-type]


def _queue(*numbers: int) -> int:
    reading, writing = os.pipe()
    os.write(writing, bytes(numbers))
    os.close(writing)
    return reading


def test_each_part_is_run_once_and_long_ones_first() -> None:
    short, long = _item("test_short.py"), _item("test_wire.py")
    parts = [_item("test_parts.py", group) for group in ("one", "one", "two")]
    assert _run(_queue(0), short, *parts, long) == [long]
    assert _run(_queue(1, 2, 3, 4), short, *parts, long) == [short, *parts]


def test_what_needs_a_pair_of_its_own_comes_last() -> None:
    own, short = _item("test_own.py", site="data0.toml"), _item("test_short.py")
    assert _run(_queue(0, 1), own, short) == [short, own]


def _report(failed: str = "") -> pytest.TestReport:
    crash = SimpleNamespace(reprcrash=SimpleNamespace(message=failed)) if failed else None
    told = {"passed": not failed, "failed": bool(failed), "longreprtext": f"E   {failed}", "capstdout": "printed\n"}
    return SimpleNamespace(nodeid="test_a.py::test_b", when="call", longrepr=crash, **told)  # type: ignore[return-value]


def test_what_all_labs_told_is_summed_and_lined_up(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"tests passed": 2, "switchovers": 20}\n{"tests passed": 3, "power cuts": 5}\n')
    tests._Counting(writing).pytest_runtest_logreport(_report("AssertionError: 4 of 5\nassert 4 == 5"))
    os.close(writing)
    counted, failed = tests._sum(reading)
    assert counts.table(counted).splitlines() == [
        "tests passed       5",
        "switchovers       20",
        "power cuts         5",
    ]
    assert failed == ["test_a.py::test_b (call): AssertionError: 4 of 5"]
    assert capsys.readouterr().out == "\nE   AssertionError: 4 of 5\nassert 4 == 5\nprinted\n\n", "at once"


def test_a_test_that_passes_is_counted_and_not_told() -> None:
    reading, writing = os.pipe()
    before = counts.done().get(counts.TESTS, 0)
    tests._Counting(writing).pytest_runtest_logreport(_report())
    os.close(writing)
    assert (counts.done()[counts.TESTS] - before, tests._sum(reading)) == (1, ({}, []))
