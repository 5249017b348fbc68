# SPDX-License-Identifier: GPL-2.0-or-later
"""A portal address that comes up: a failover, with why and how long, or none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.alert import cluster_status
from tests.unit.alert.cluster_status import action, result, variables
from tests.unit.alert.test_agent import World, world
from twinsan.alert import memory

__all__ = ["world"]

NOW = float(int(time.time()))
STARTED = action("start", resource="p_portal", at=NOW)
STOPPED = {"atlas": [result("p_portal", "stop", at=NOW - 8, lasted=1000)]}


def moved(world: World, **status: object) -> str:
    """The line of a start on zeus, after a stop on atlas."""
    world.cib = cluster_status.cib(STOPPED, **status)  # type: ignore[arg-type]
    (line,) = world.handle(STARTED)
    assert line.startswith("failover: zeus serves 10.0.5.50 (p_portal), 7 s after atlas stopped: ")
    return line


def test_a_node_in_standby(world: World) -> None:
    line = moved(world, attributes={"atlas": {"standby": "on"}})
    assert line.endswith("atlas is in standby; when it shall serve again: crm_standby --node atlas --delete")


def test_a_constraint_that_somebody_left(world: World) -> None:
    constraint = '<rsc_location id="cli-prefer-g_san" rsc="g_san" node="zeus" score="INFINITY"/>'
    assert "crm_resource --clear --resource g_san" in moved(world, constraints=constraint)


@pytest.mark.parametrize(
    ("name", "node", "told"),
    [("ban", "atlas", True), ("ban", "zeus", False), ("prefer", "zeus", True), ("prefer", "atlas", False)],
)
def test_a_constraint_that_asks_for_the_opposite_is_no_cause(world: World, name: str, node: str, told: bool) -> None:
    constraint = f'<rsc_location id="cli-{name}-g_san" rsc="g_san" node="{node}" score="INFINITY"/>'
    assert ("crm_resource --clear" in moved(world, constraints=constraint)) == told


def test_a_node_that_shuts_down(world: World) -> None:
    assert "atlas shuts down" in moved(world, attributes={"atlas": {"shutdown": "1700000000"}})


def test_a_failure_on_the_other_node(world: World) -> None:
    failed = result("p_lun1", "monitor", 1, reason="no device; plug it in", at=NOW - 20, interval=10000)
    world.cib = cluster_status.cib({"atlas": [*STOPPED["atlas"], failed]})
    assert "p_lun1 failed there (no device)" in world.handle(STARTED)[0]
    world.memory.forget("started", "p_portal")
    old = result("p_lun1", "monitor", 1, reason="no device", at=NOW - 2000, interval=10000)
    world.cib = cluster_status.cib({"atlas": [*STOPPED["atlas"], old]})
    assert "the cluster chose so" in world.handle(STARTED)[0]


def test_a_node_that_was_lost(world: World) -> None:
    world.handle(variables("node", "atlas", desc="lost", at=NOW - 12))
    # It may be back before the address is up.
    world.handle(variables("node", "atlas", desc="member", at=NOW - 1))
    (line,) = world.handle(STARTED)
    assert "12 s after atlas stopped: the cluster has lost atlas" in line
    (kept,) = world.memory.failovers()
    assert kept.items() >= {"time": NOW, "resource": "p_portal", "from": "atlas", "seconds": 12.0, "lost": True}.items()


def test_a_restart_is_no_failover(world: World) -> None:
    """Also where the standby was lost before."""
    world.handle(STARTED)
    os.utime(world.memory.path("started", "p_portal"), (NOW - 500, NOW - 500))
    world.handle(variables("node", "atlas", desc="lost", at=NOW - 400))
    world.memory.write("stopped", "p_portal")
    os.utime(world.memory.path("stopped", "p_portal"), (NOW - 3, NOW - 3))
    assert world.handle(STARTED)[0].startswith("restarted: zeus serves 10.0.5.50 (p_portal) again, 3 s after")
    assert world.memory.failovers() == []


def test_a_first_start_is_no_failover(world: World) -> None:
    assert world.handle(STARTED) == ["serves: zeus serves 10.0.5.50 (p_portal); see: crm_mon -1"]
    assert Path(world.memory.path("portal", "p_portal")).exists()


def test_what_is_no_portal_address_is_known_next_time(world: World) -> None:
    assert world.handle(action("start", resource="p_lun1")) == []
    assert Path(world.memory.path("other", "p_lun1")).exists()
    # A cluster that does not answer teaches nothing.
    world.cib = "<cib/>"
    world.handle(action("start", resource="p_lun2"))
    assert not Path(world.memory.path("other", "p_lun2")).exists()


def test_the_failovers_that_are_kept_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not their number and their sum."""
    monkeypatch.setattr(memory, "_MOST_BYTES", 2000)
    for number in range(100):
        world.memory.add_failover({"time": number, "resource": f"p_portal{number % 2}", "seconds": 1.5})
    kept = world.memory.failovers()
    assert [each["time"] for each in kept] == list(range(100 - len(kept), 100))
    assert len(kept) < 100
    assert (kept[-1]["number"], kept[-1]["sum"]) == (50, 75.0)


@pytest.mark.parametrize("text", ["\x00", "[]", "{", '"x"\n{"time": 1}'])
def test_a_damaged_file_is_survived(world: World, text: str, tmp_path: Path) -> None:
    (tmp_path / "twinsan").mkdir()
    (tmp_path / "twinsan" / "failovers").write_text(text)
    (tmp_path / "twinsan" / "lost.atlas").write_text(text)
    assert all(isinstance(each, dict) for each in world.memory.failovers())
    world.handle(STARTED)
