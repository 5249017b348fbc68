# SPDX-License-Identifier: GPL-2.0-or-later
"""HACKING.md says of every test on a cluster whether `make test` runs it, or `make soak`, or each a part of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab import tests

_ROOT = Path(__file__).resolve().parents[3]
_FOLDER = _ROOT / "tests" / "cluster"


def _table() -> dict[str, list[str]]:
    """The rows of the table that begin with a file of tests/cluster: what is in their other columns."""
    lines = (_ROOT / "HACKING.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `test_")]
    return {first.strip("`"): others for first, *others in rows}


def _files(which: str) -> set[str]:
    """The files that have tests of this kind, as the lab selects them."""
    command = [sys.executable, "-m", "pytest", str(_FOLDER), "--collect-only", "-qq", "-m", which]
    collected = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    return {line.partition(":")[0].rpartition("/")[2] for line in collected.splitlines() if line.startswith("tests/")}


@pytest.mark.runs_programs
def test_the_table_says_what_runs_where() -> None:
    table = _table()
    files = {path.name for path in _FOLDER.glob("test_*.py")}
    assert not files - set(table), "no row"
    found = {which: _files(which) for which in (tests.TEST, tests.SOAK)}
    assert set.union(*found.values()) == files, "nobody runs its tests"
    for column, (which, names) in enumerate(found.items(), start=1):
        assert {name for name in files if table[name][column] not in ("", "-")} == names, which
