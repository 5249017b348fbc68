# SPDX-License-Identifier: GPL-2.0-or-later
"""What each agent answers in every state, on real kernels. tests/unit runs the same tables on fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import counts
from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import hand
from tests.cluster.guest_world import TABLES, GuestWorld
from tests.states import state
from tests.states.state import State

# Of so many rows one is looked at by starts of the agent's executable, the others by forks of one that is loaded.
_EXECUTABLE = 8

# Of so many rows of an agent one is in `make test`. A state of DRBD takes two nodes and seconds to make.
_SAMPLE = {"drbd-vaai": 8}
_USUAL_SAMPLE = 4


def _rows() -> Iterator[object]:
    for agent, (rows, _) in TABLES.items():
        # Labs may share the tables.
        group = pytest.mark.xdist_group(agent)
        for number, row in enumerate(rows):
            executable = number % _EXECUTABLE == 1
            later = number % _SAMPLE.get(agent, _USUAL_SAMPLE) != 1
            name = f"{agent}: {row.name}{', by its executable' if executable else ''}"
            yield pytest.param(agent, row, executable, id=name, marks=[group, *[pytest.mark.soak] * later])


@pytest.fixture(scope="module")
def world(whole_pair: Pair) -> Iterator[GuestWorld]:
    """States are made on the server that does not serve; afterwards the guests hold what they held before."""
    server = whole_pair.zeus if whole_pair.wait_until_serving() is whole_pair.atlas else whole_pair.atlas
    peer = whole_pair.zeus if server is whole_pair.atlas else whole_pair.atlas
    made = GuestWorld(server, peer, whole_pair.esx)
    made.load()
    before = [_objects(each) for each in (server, peer)]
    made.prepare()
    yield made
    made.clear()
    assert [_objects(each) for each in (server, peer)] == before


@pytest.mark.parametrize(("agent", "row", "executable"), _rows())
def test_a_state(world: GuestWorld, agent: str, row: State, executable: bool) -> None:
    items = state.plan(row)
    counts.add("rows of states")
    assert state.judge(items, world.carry_out(agent, row, items, executable)) == []


def _objects(server: Machine) -> list[str]:
    """All that an agent could have made, but for modules, which may stay."""
    loaded = set(server.read("/proc/modules").split())
    return [line for line in hand.kernel_objects(server).splitlines() if line not in loaded]
