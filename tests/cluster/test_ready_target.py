# SPDX-License-Identifier: GPL-2.0-or-later
"""What would keep the other node from having the target shows there, while the first one serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import operations
from lab.host import now
from lab.machine import Machine
from lab.pair import IQN, PORTAL, Pair
from tests.cluster import hand

_TARGET = f"{hand.CONFIGFS}/iscsi/{IQN}/tpgt_1"


@pytest.fixture
def occupied(recovering: Pair, passive: Machine) -> Iterator[None]:
    """A program has the port of the portal, on every address of the node that does not serve, which has no target."""
    recovering.standby(passive)
    passive.wait_until(f"! test -e {_TARGET}", "the target is stopped", 60)
    # With SO_REUSEADDR (1, 2): connections of a time when this node served may be in TIME_WAIT.
    listen = (
        "import socket, time; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('0.0.0.0', 3260)); s.listen();"
        " time.sleep(900)"
    )
    passive.succeed(f'setsid python3 -c "{listen}" >/dev/null 2>&1 </dev/null & echo $! >/run/occupant')
    passive.wait_until("ss -Hltn | grep -q 0.0.0.0:3260", "the program listens", 20)
    yield
    passive.succeed("test ! -e /run/occupant || kill $(cat /run/occupant); rm -f /run/occupant")
    recovering.standby(passive, False)


@pytest.mark.soak
def test_a_program_that_has_the_port_on_the_other_node(
    recovering: Pair, active: Machine, passive: Machine, occupied: None
) -> None:
    """It shows within 60 s, and as often as the cluster tries again; the replica there and the SAN here go on. When the
    program is gone, the target stands by within the template's failure-timeout of 150 s.
    """
    recovering.standby(passive, False)
    begin = now()
    words = f"portal {PORTAL}:3260 is in use by python3"
    active.wait_until(f"crm_mon -1 | grep 'p_target start on {passive} returned' | grep -q '{words}'", "it shows", 60)
    recovering.wait_until_in_sync()
    active.succeed("crm_mon -1 | grep -q 'p_portal.*Started'")
    passive.succeed("kill $(cat /run/occupant); rm /run/occupant")
    passive.wait_until(f"test -e {_TARGET}", "the target stands by", 180)
    done = {
        f"{each.action} {each.resource}"
        for each in operations.read(recovering.servers, begin)
        if each.resource in ("p_lun1", "p_portal") and each.action != "monitor"
    }
    assert done == set()


def test_a_target_that_stands_by_accepts_no_logins_and_takes_changes(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """A failover finds the initiators admitted and the parameters set as on the node that served."""
    admitted = active.succeed("crm_resource --resource p_target --get-parameter allowed_initiators").strip()
    added = "iqn.1998-01.com.example:later"
    parameter = "crm_resource --resource p_target --set-parameter allowed_initiators --parameter-value"
    try:
        active.succeed(f"{parameter} '{admitted} {added}'")
        for server in (active, passive):
            server.wait_until(f"test -e {_TARGET}/acls/{added}/cmdsn_depth", f"{server} admits it", 60)
        assert [server.read(f"{_TARGET}/enable").strip() for server in (active, passive)] == ["1", "0"]
        recovering.move(passive)
        assert [server.read(f"{_TARGET}/enable").strip() for server in (active, passive)] == ["0", "1"]
        passive.succeed(f"test -e {_TARGET}/acls/{added}/lun_1")
    finally:
        active.succeed(f"{parameter} '{admitted}'")
        passive.wait_until(f"! test -e {_TARGET}/acls/{added}", "it is not admitted any more", 60)
