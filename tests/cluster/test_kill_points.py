# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill every agent at every system call that changes something: stop removes what is left, and start works again.

In a sample it is the first call of each action, the last, and every _SAMPLE-th in between.
`kill_driver` does it, inside the guests; two of them work at the same time, to save minutes. The DRBD resource and the
target are the test's own, so that the cluster's go on.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import counts
from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import hand

IQN = "iqn.2003-01.org.example:killed"
TARGET = {
    "iqn": IQN,
    "portals": "10.0.5.61:3260 [fd00::61]:3260",
    "allowed_initiators": "iqn.1998-01.com.example:test",
    "incoming_username": "esx",
    "incoming_password": "correct-horse-battery",
}
_START_AND_STOP: dict[str, list[str]] = {"start": [], "stop": ["start"]}

# Each server has one, and calls at a port where the other does not listen: without a peer nobody else has to be brought
# back after each kill. "Up, and alone" is degraded.
RESOURCE = """
resource killed {
  volume 0 { device /dev/drbd9; disk DISK; meta-disk internal; }
  volume 1 { device /dev/drbd10; disk SECOND; meta-disk internal; }
  net { protocol C; }
  on atlas { address 10.0.5.2:ATLAS; }
  on zeus { address 10.0.5.3:ZEUS; }
}
"""

_SAMPLE = 24

# The calls of each action. Fewer would mean that they are not seen any more.
LEAST = {
    ("lio-iscsi-target", "start"): 20,
    ("lio-iscsi-target", "stop"): 5,
    ("lio-lun", "start"): 24,
    ("lio-lun", "stop"): 8,
    ("portal-ip, IPv4", "start"): 6,
    ("portal-ip, IPv4", "stop"): 1,
    ("portal-ip, IPv6", "start"): 5,
    ("portal-ip, IPv6", "stop"): 2,
    ("drbd-vaai", "start"): 10,
    ("drbd-vaai", "promote"): 6,
    ("drbd-vaai", "demote"): 4,
    ("drbd-vaai", "stop"): 8,
}


@pytest.fixture
def disk(pair: Pair) -> Iterator[str]:
    """A loop device of atlas; on both servers the DRBD resource is on others, the second for its state volume."""
    disk = _loop(pair.atlas, "disk")
    for server in pair.servers:
        data, state = _loop(server, "data"), _loop(server, "state")
        ports = {each.name.upper(): "7799" if each is server else "7798" for each in pair.servers}
        resource = RESOURCE
        for name, value in {"DISK": data, "SECOND": state, **ports}.items():
            resource = resource.replace(name, value)
        server.copy({"/etc/drbd.d/killed.res": resource.encode()})
        server.succeed(
            "drbdadm create-md --force killed </dev/null && drbdadm up killed && drbdadm primary --force killed"
            " && mkfs.ext4 -q /dev/drbd10 && drbdadm secondary killed && drbdadm down killed"
        )
    yield disk
    for server in pair.servers:
        server.run(
            "drbdadm down killed; rm -f /etc/drbd.d/killed.res;"
            "for loop in $(losetup --noheadings --output NAME,BACK-FILE | awk '/killed-/ {print $1}'); do"
            " losetup --detach $loop; done; rm -rf /run/killed-* /run/drivers /run/kill-driver.stderr"
        )


def _loop(server: Machine, name: str) -> str:
    made = f"modprobe loop; truncate -s 16M /run/killed-{name}; losetup --find --show /run/killed-{name}"
    return server.succeed(made).strip()


def _plan(
    name: str, agent: str, parameters: dict[str, str], actions: dict[str, list[str]], running: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    return {
        "name": name,
        "agent": agent,
        "parameters": _environment(parameters),
        "actions": actions,
        "running": running,
        # It announces the address for some seconds after its end, and looks each time whether it is still there.
        "background": agent == "portal-ip",
    }


def _environment(parameters: dict[str, str]) -> dict[str, str]:
    return {"OCF_RESOURCE_INSTANCE": "killed", **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()}}


def _kill(server: Machine, plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = server.run(hand.driver(server, "kill_driver"), stdin=json.dumps(plans).encode(), timeout=1800)
    assert result.status == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_a_kill_at_any_change_is_survived(
    pair: Pair, disk: str, whole: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    lun = {"target_iqn": IQN, "lun": "1", "path": disk}
    drbd = {"drbd_resource": "killed", "state_device": "/dev/drbd10", "wfc_timeout": "0"}
    # They take as long as all else, so the servers share them.
    roles = {"start": [], "promote": ["start"], "stop": ["start", "promote"]}
    demotion = {"demote": ["start", "promote"]}
    addresses = {"IPv4": ("10.0.5.61", "24"), "IPv6": ("fd00::61", "64")}
    portals = [
        _plan(f"portal-ip, {kind}", "portal-ip", {"ip": ip, "nic": "vec0", "cidr_netmask": prefix}, _START_AND_STOP)
        for kind, (ip, prefix) in addresses.items()
    ]
    target = _plan("lio-iscsi-target", "lio-iscsi-target", TARGET, _START_AND_STOP)
    on_target = {
        **_plan("lio-lun", "lio-lun", lun, _START_AND_STOP),
        "under": [["lio-iscsi-target", _environment(TARGET)]],
    }
    work = {
        pair.atlas: [target, on_target, *portals, _plan("drbd-vaai", "drbd-vaai", drbd, demotion, (0, 190))],
        pair.zeus: [_plan("drbd-vaai", "drbd-vaai", drbd, roles, (0, 190))],
    }
    for plan in itertools.chain.from_iterable(work.values()):
        plan["every"] = 1 if whole else _SAMPLE
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = [pool.submit(_kill, server, plans) for server, plans in work.items()]
        found = [result for job in jobs for result in job.result()]
    rows = {(result["name"], action): row for result in found for action, row in result["actions"].items()}
    with capsys.disabled():
        print(f"\n{'agent':18} {'action':8}  calls points passed seconds")
        for (name, action), row in rows.items():
            numbers = " ".join(f"{row[what]:6}" for what in ("calls", "points", "passed"))
            print(f"{name:18} {action:8} {numbers} {row['seconds']:7.1f}")
        points, passed = (sum(row[what] for row in rows.values()) for what in ("points", "passed"))
        print(f"{'all':34} {points:6} {passed:6}")
    counts.add("kill points", points)
    assert [failure for result in found for failure in result["failures"]] == []
    assert {key: row["calls"] for key, row in rows.items() if row["calls"] < LEAST[key]} == {}
    assert rows.keys() == LEAST.keys()
