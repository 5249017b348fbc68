# SPDX-License-Identifier: GPL-2.0-or-later
"""HACKING.md says of every test on a cluster whether `make test` runs it, `make soak` or `make procedures`, or each a
part of it.
"""

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


# Prints the name of each test with what selects it, by pytest's own words for `-m`.
_COLLECT = """
import sys
import pytest
from _pytest.mark import MarkMatcher
from _pytest.mark.expression import Expression

class Selected:
    def pytest_collection_modifyitems(self, items):
        for item in items:
            matcher = MarkMatcher.from_markers(item.iter_markers())
            for which in sys.argv[2:]:
                if Expression.compile(which).evaluate(matcher):
                    print(f"{which}: {item.path.name}")

sys.exit(pytest.main([sys.argv[1], "--collect-only", "-qq", "-m", ""], plugins=[Selected()]))
"""


def _files(*kinds: str) -> dict[str, set[str]]:
    """The files that have tests of each kind, as the lab selects them."""
    command = [sys.executable, "-c", _COLLECT, str(_FOLDER), *kinds]
    collected = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {which: {line.rpartition(" ")[2] for line in collected if line.startswith(f"{which}: ")} for which in kinds}


@pytest.mark.runs_programs
def test_the_table_says_what_runs_where() -> None:
    table = _table()
    files = {path.name for path in _FOLDER.glob("test_*.py")}
    assert not files - set(table), "no row"
    found = _files(*tests.WHICH.values())
    assert set.union(*found.values()) == files, "nobody runs its tests"
    for column, (which, names) in enumerate(found.items(), start=1):
        assert {name for name in files if table[name][column] not in ("", "-")} == names, which
