# SPDX-License-Identifier: GPL-2.0-or-later
"""What an upgrade does to a pair that serves: of Pacemaker, and of twinsan itself."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import operations
from lab.host import now
from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, RESOURCE, Pair
from tests.cluster import hand
from tests.cluster.test_failover import Load

_SOURCE = "/root/twinsan"
_INSTALLATIONS = 3

_MONITORS = {
    hand.line("drbd-vaai", "monitor", drbd_resource=RESOURCE): 8,
    hand.line("lio-iscsi-target", "monitor", iqn=IQN, portals=PORTAL, allowed_initiators=INITIATOR): 0,
    hand.line("lio-lun", "monitor", target_iqn=IQN, lun="1", path="/dev/drbd0"): 0,
    hand.line("portal-ip", "monitor", ip=PORTAL, cidr_netmask="24"): 0,
}


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering)
    yield running
    running.judge()


@pytest.fixture
def started_again(recovering: Pair) -> Iterator[None]:
    """Afterwards the cluster has started everything itself, on both nodes. What it has only found running, it restarts
    once for the next change of a parameter, instead of reloading it (docs/decisions.md, "Failures, in the template").
    """
    yield
    for server in recovering.servers:
        recovering.standby(server)
        recovering.wait_until_idle()
        recovering.standby(server, False)
        recovering.recover()


@pytest.mark.soak
@pytest.mark.usefixtures("started_again")
def test_pacemaker_is_started_anew_in_maintenance_mode(pair: Pair, active: Machine, load: Load) -> None:
    """As in every rolling upgrade: the resources run on, and when maintenance ends none of them stops, nor changes its
    role. The initiator sees no error and no pause.
    """
    begin = now()
    active.succeed("crm_attribute --name maintenance-mode --update true")
    active.wait_until("crm_mon -1 | grep -q 'Resource management is DISABLED'", "maintenance has begun", 30)
    _on_each(pair, "systemctl stop pacemaker")
    load.wait_for_writes()
    _on_each(pair, "systemctl start pacemaker")
    pair.wait_until_online()
    pair.wait_until_idle()
    load.wait_for_writes()
    active.succeed("crm_attribute --name maintenance-mode --delete")
    pair.wait_until_settled()
    load.wait_for_writes()
    done = {f"{each.action} {each.resource}" for each in operations.read(pair.servers, begin)}
    # The fencing devices live in Pacemaker itself.
    changes = [each for each in done if not each.startswith(("monitor ", "probe ")) and " fence_" not in each]
    assert changes == []
    assert pair.serving() is active


def test_an_installation_over_a_running_pair(pair: Pair, active: Machine, load: Load, project: Path) -> None:
    """Monitors one after the other, while one version after the other is installed: none fails for it."""
    parts = ("agents", "bin", "cib-templates", "drbd", "lib", "man", "packaging")
    active.copy({f"{_SOURCE}/{part}": project / part for part in parts})
    end = "/run/test-install.end"
    begin = now()
    active.succeed(f"rm -f {end}")
    failed: list[str] = []

    def watch(monitor: str, code: int) -> None:
        script = f"n=0; while ! test -e {end}; do n=$((n+1)); {monitor}; test $? = {code} || exit 1; done; echo $n"
        ended = active.run(script, timeout=300)
        if ended.status != 0 or int(ended.stdout) < _INSTALLATIONS:
            failed.append(f"{ended.status} {ended.stdout} {ended.stderr}")

    threads = [threading.Thread(target=watch, args=monitor) for monitor in _MONITORS.items()]
    for thread in threads:
        thread.start()
    try:
        for number in range(_INSTALLATIONS):
            version = shlex.quote(f's/^__version__ = .*/__version__ = "9.{number}"/')
            active.succeed(f"sed -i {version} {_SOURCE}/lib/twinsan/__init__.py")
            active.succeed(f"python3 -IS {_SOURCE}/packaging/install.py")
            assert active.succeed("twinsan --version") == f"twinsan 9.{number}\n"
    finally:
        active.succeed(f"touch {end}")
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(active.succeed("ls -d /usr/lib/twinsan-*").split()) == 2
    done = {f"{each.action} {each.resource}" for each in operations.read(pair.servers, begin)}
    assert [each for each in done if not each.startswith("monitor ")] == []


def _on_each(pair: Pair, command: str) -> None:
    """Run a command on both servers at the same time; it must succeed on both."""
    failed: list[str] = []

    def run(server: Machine) -> None:
        ended = server.run(command, timeout=120)
        if ended.status != 0:
            failed.append(f"{server}: {ended.status} {ended.stderr}")

    threads = [threading.Thread(target=run, args=(server,)) for server in pair.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
