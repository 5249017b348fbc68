# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of the failovers."""

from __future__ import annotations

from pathlib import Path

from lab.bench import failover, picture
from lab.bench.failover import Failover, Series


def test_each_chain_has_a_bar(tmp_path: Path) -> None:
    rows = [
        Series(kind, agents, 1, [Failover(9, 9, 0, dict.fromkeys(failover.PHASES[kind], 1.5))]).row()
        for kind in (failover.SWITCHOVER, failover.POWER_CUT)
        for agents in ("twinsan", "agents that do nothing")
    ]
    picture.draw(rows, tmp_path / "failover")
    drawn = (tmp_path / "failover.svg").read_text()
    for text in (
        "A switchover: seconds",
        "A power cut of the server that serves",
        "twinsan, 1 LUN",
        "9.0 s",
        "fencing",
    ):
        assert f"<!-- {text}" in drawn
    assert (tmp_path / "failover.png").stat().st_size > 10_000
