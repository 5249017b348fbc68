# SPDX-License-Identifier: GPL-2.0-or-later
"""What would keep the target from being made on the other node is told beforehand, and for as long as it is so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import operations
from lab.machine import Machine
from lab.pair import PORTAL, Pair, now

# Longer than failure-timeout of the template, by which crm_mon hides what has not been told anew.
_SECONDS = 200


@pytest.fixture
def occupied(passive: Machine) -> Iterator[None]:
    """A program has the port of the portal, on every address of the node that does not serve."""
    # With SO_REUSEADDR (1, 2): connections of a time when this node served may be in TIME_WAIT.
    listen = (
        "import socket, time; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('0.0.0.0', 3260)); s.listen();"
        " time.sleep(900)"
    )
    passive.succeed(f'setsid python3 -c "{listen}" >/dev/null 2>&1 </dev/null & echo $! >/run/occupant')
    passive.wait_until("ss -Hltn | grep -q 0.0.0.0:3260", "the program listens", 20)
    yield
    passive.succeed("kill $(cat /run/occupant); rm /run/occupant")


@pytest.mark.soak
def test_a_program_that_has_the_port_on_the_other_node(
    recovering: Pair, active: Machine, passive: Machine, occupied: None
) -> None:
    """It is told within 130 s and in every look for 200 s from then on, and nothing is disturbed by it."""
    begin = now()
    words = f"{passive} could not take the target over: portal {PORTAL}:3260 is in use by python3"
    active.wait_until(f"crm_mon -1 | grep -q '{words}'", "crm_mon tells of it", 130)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        active.succeed(f"crm_mon -1 | grep -q '{words}'")
    done = {f"{each.action} {each.resource}" for each in operations.read(recovering.servers, begin)}
    assert [each for each in done if not each.startswith("monitor ")] == []
