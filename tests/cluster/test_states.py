# SPDX-License-Identifier: GPL-2.0-or-later
"""What each agent answers in every state, on real kernels. tests/unit runs the same tables on fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import hand
from tests.cluster.guest_world import TABLES, GuestWorld
from tests.states import state
from tests.states.state import State

_ROWS = [pytest.param(agent, row, id=f"{agent}: {row.name}") for agent, (rows, _) in TABLES.items() for row in rows]


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


@pytest.mark.parametrize(("agent", "row"), _ROWS)
def test_a_state(world: GuestWorld, agent: str, row: State) -> None:
    items = state.plan(row)
    assert state.judge(items, world.carry_out(agent, row, items)) == []


def _objects(server: Machine) -> list[str]:
    """All that an agent could have made, but for modules, which may stay."""
    loaded = set(server.read("/proc/modules").split())
    return [line for line in hand.kernel_objects(server).splitlines() if line not in loaded]
