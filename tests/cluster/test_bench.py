# SPDX-License-Identifier: GPL-2.0-or-later
"""All that the benchmark measures can be measured. Its figures are not judged: they are taken beside other tests."""

from __future__ import annotations

import pytest

from lab.bench import run
from lab.bench.chain import Stage
from lab.pair import Pair
from tests.cluster.conftest import BENCHMARK

pytestmark = [pytest.mark.procedure, pytest.mark.parametrize("whole_pair", [BENCHMARK], indirect=True)]


@pytest.fixture(scope="module")
def stage(whole_pair: Pair) -> Stage:
    """The pair, and what the parts before have left it serving."""
    return Stage(whole_pair)


# The pair is named for what is kept of it when a test fails.
@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("part", run.PARTS)
def test_it_is_measured(stage: Stage, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "QUICK", True)
    sections = list(run.measured(stage, [part]))
    assert sections
    assert all(section.rows and section.lines for section in sections)
