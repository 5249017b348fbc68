# SPDX-License-Identifier: GPL-2.0-or-later
"""The portal address bears what a network does: a switch that restarts, a cable that is pulled, hosts that ask for it.

Replication and the cluster share the lab's wire with iSCSI. So the address gets a network device of its own on it
(macvlan), whose carrier can be taken away; what goes over the wire for the initiator ends with its own cable.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from lab.machine import Machine, wait_until
from lab.pair import PORTAL, Pair
from tests.cluster.test_failover import Load

_OTHER_NAME = "portal-device-by-its-other-name"
_PARAMETER = "crm_resource --resource p_portal --set-parameter nic --parameter-value"
_QUESTIONS = f"""
import socket, struct, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("vec0", 0))
own = bytes.fromhex(open("/sys/class/net/vec0/address").read().replace(":", ""))
arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, own, bytes(4), bytes(6), socket.inet_aton("{PORTAL}"))
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    wire.send(b"\\xff" * 6 + own + b"\\x08\\x06" + arp)
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def portals(whole_pair: Pair) -> Iterator[None]:
    """Both servers have a device for the address alone, which the cluster knows by its alternative name."""
    for server in whole_pair.servers:
        server.succeed(
            "modprobe macvlan && ip link add portal0 link vec0 type macvlan mode bridge && ip link set portal0 up"
            f" && ip link property add dev portal0 altname {_OTHER_NAME}"
        )
    active = whole_pair.wait_until_serving()
    active.succeed(f"{_PARAMETER} {_OTHER_NAME}")
    whole_pair.wait_until_settled()
    _look_anew(whole_pair)
    yield
    for server in whole_pair.servers:
        _carrier(server, there=True)
    whole_pair.wait_until_serving().succeed("crm_resource --resource p_portal --delete-parameter nic")
    whole_pair.wait_until_settled()
    _look_anew(whole_pair)
    for server in whole_pair.servers:
        server.succeed("ip link del portal0")


def _look_anew(pair: Pair) -> None:
    """Have the monitor of the node that does not serve take the new parameters, which Pacemaker gives it with its next
    start alone.
    """
    active = pair.wait_until_serving()
    passive = next(server for server in pair.servers if server is not active)
    active.succeed(f"crm_resource --refresh --resource p_portal --node {passive}")
    pair.wait_until_settled()


@pytest.fixture
def load(portals: None, recovering: Pair) -> Iterator[Load]:
    running = Load(recovering)
    yield running
    running.judge()


def _carrier(server: Machine, *, there: bool) -> None:
    server.succeed(f"ip link set portal0 protodown {'off' if there else 'on'}")


@contextlib.contextmanager
def _without_carrier(pair: Pair) -> Iterator[None]:
    """The switch is off: neither the servers' devices for the address nor the initiator have carrier."""
    try:
        pair.esx.unplug()
        for server in pair.servers:
            _carrier(server, there=False)
        yield
    finally:
        for server in pair.servers:
            _carrier(server, there=True)
        pair.esx.plug()


def _failures(server: Machine) -> str:
    """What failed of the address, and is not merely degraded."""
    return server.run("crm_mon -1 | grep 'p_portal_.*error'").stdout


@pytest.mark.parametrize("seconds", [12, pytest.param(60, marks=pytest.mark.soak)])
def test_initiators_are_back_when_the_switch_is(pair: Pair, active: Machine, load: Load, seconds: int) -> None:
    """A switch restarts, under both servers and the initiator: nothing moves, and writes go on within 5 s of it."""
    begin = time.monotonic()
    with _without_carrier(pair):
        active.wait_until("crm_mon -1 | grep 'p_portal.*no carrier'", "the monitor tells of it", 60)
        time.sleep(max(0.0, seconds - (time.monotonic() - begin)))
    back = time.monotonic()
    load.wait_for_writes()
    took = time.monotonic() - back
    assert pair.serving() is active
    assert _failures(active) == ""
    print(f"writes went on {took:.1f} s after the carrier, which was away for {back - begin:.0f} s")
    # The eight writes that are waited for take a second, and the looks at them up to two.
    assert took < 5 + 2


def test_a_pulled_cable_moves_the_san(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    """The address moves to the node that has carrier within 60 s, and the cable's return moves nothing."""
    active.wait_until(
        f'attrd_updater -QA -n twinsan-portal-{PORTAL}-{_OTHER_NAME} | grep -q \'host="{passive}" value="ready"\'',
        "the passive node has told that it is ready",
        30,
    )
    begin = time.monotonic()
    _carrier(active, there=False)
    pair.wait_until_serving(on=passive, timeout=60)
    load.wait_for_writes()
    print(f"the address moved within {time.monotonic() - begin:.1f} s")
    told = f"{active} could not take {PORTAL} over: network device portal0 has no carrier"
    passive.wait_until(f"crm_mon -1 | grep -q '{told}'", "the passive node's fault shows beforehand", 100, 2)
    _carrier(active, there=True)
    active.succeed("crm_resource --cleanup --resource p_portal")
    assert pair.serving() is passive


def test_questions_for_the_address_do_not_delay_a_move(pair: Pair, passive: Machine, load: Load) -> None:
    """Another host asks ten times a second who has the address (ARP, without a sender): the start succeeds at once."""
    pair.esx.copy({"/run/questions.py": _QUESTIONS.encode()})
    pair.esx.succeed("setsid python3 /run/questions.py 60 >/dev/null 2>&1 &")
    pair.move(passive)
    load.wait_for_writes()
    assert _failures(passive) == ""
    pair.esx.run("pkill -f /run/questions.py")
    wait_until(lambda: pair.serving() is passive, f"{passive} serves", 10)
