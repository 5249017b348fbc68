# SPDX-License-Identifier: GPL-2.0-or-later
"""What the shipped configuration makes of failures on a real cluster, and what its scheduler keeps of its plans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine, wait_until
from lab.pair import IQN, Pair

_AGENTS = "/usr/lib/ocf/resource.d/twinsan"
_GROUP = ("lio-lun", "portal-ip")
_PLANS = "/var/lib/pacemaker/pengine"
_TARGET = f"/sys/kernel/config/target/iscsi/{IQN}/tpgt_1"

# In the place of an agent: so many starts fail, before anything is done.
_FAILING = """\
#!/bin/sh
count=$(cat {folder}/{agent} 2>/dev/null || echo 0)
if [ "$1" = start ] && [ "$count" -gt 0 ]; then
  echo $((count - 1)) >{folder}/{agent}
  echo "ocf-exit-reason:this start fails because a test wants it to" >&2
  exit 1
fi
exec {agents}/{agent}.real "$@"
"""
_COUNTS = "/run/failing-starts"


@pytest.fixture
def failing(recovering: Pair, passive: Machine) -> Iterator[Machine]:
    """The node that does not serve, with agents whose starts fail as often as a file says."""
    for agent in _GROUP:
        script = _FAILING.format(folder=_COUNTS, agents=_AGENTS, agent=agent)
        passive.copy({f"{_COUNTS}/{agent}.sh": script.encode()})
        passive.succeed(
            f"cp {_AGENTS}/{agent} {_AGENTS}/{agent}.real && chmod +x {_COUNTS}/{agent}.sh"
            f" && mount --bind {_COUNTS}/{agent}.sh {_AGENTS}/{agent}"
        )
    yield passive
    for agent in _GROUP:
        passive.succeed(f"umount {_AGENTS}/{agent} && rm {_AGENTS}/{agent}.real")
    passive.succeed(f"rm -r {_COUNTS}; crm_resource --cleanup --node {passive}")


def test_each_start_fails_once_and_the_san_serves_where_it_was_to(pair: Pair, failing: Machine) -> None:
    """Two starts fail, of LUN and address, and each is tried again at once: the SAN serves within 40 s, on a guest
    whose programs start several times slower than a server's.
    """
    for agent in _GROUP:
        failing.succeed(f"echo 1 >{_COUNTS}/{agent}")
    failing.succeed(f"crm_resource --resource g_san --move --node {failing}")
    try:
        pair.wait_until_serving(on=failing, timeout=40)
    finally:
        failing.succeed("crm_resource --resource g_san --clear")
    assert [failing.read(f"{_COUNTS}/{agent}").strip() for agent in _GROUP] == ["0", "0"]


def test_the_last_node_serves_although_a_start_has_failed_twice(pair: Pair, active: Machine, failing: Machine) -> None:
    """With the other node in standby the only one left fails twice, pauses for 15 s, and serves within 60 s."""
    failing.succeed(f"echo 2 >{_COUNTS}/lio-lun")
    active.succeed(f"crm_attribute --node {active} --name standby --update on")
    try:
        pair.wait_until_serving(on=failing, timeout=60)
    finally:
        active.succeed(f"crm_attribute --node {active} --name standby --update off")
    assert failing.read(f"{_COUNTS}/lio-lun").strip() == "0"


@pytest.mark.soak
def test_an_attribute_that_somebody_changed_shows_within_two_minutes(pair: Pair, active: Machine) -> None:
    """Nothing is restarted for it, and the SAN serves all the while. It is one that the agent sets, and that means
    nothing to an initiator that is admitted by its name.
    """
    before = active.read(f"{_TARGET}/attrib/demo_mode_write_protect").strip()
    active.succeed(f"echo {1 - int(before)} >{_TARGET}/attrib/demo_mode_write_protect")
    try:
        active.wait_until("crm_mon -1 | grep -q demo_mode_write_protect", "crm_mon says so", 120)
        assert pair.serving() is active
    finally:
        active.succeed(f"echo {before} >{_TARGET}/attrib/demo_mode_write_protect")
    active.wait_until("! crm_mon -1 | grep -q demo_mode_write_protect", "crm_mon says no more", 270)


@pytest.mark.soak
def test_plans_are_saved_as_those_of_a_configuration_without_errors(recovering: Pair) -> None:
    """A scheduler that never saw the cluster without fence devices saves pe-input files, and no pe-error file; the SAN
    serves all the while, apart from a move.

    Pacemaker 3.0.0 never takes back an error of an earlier plan, and the first plan of a new cluster has one: it has no
    fence devices.
    """
    pair = recovering
    dc = pair.atlas.succeed("crm_mon -1").partition("Current DC: ")[2].split()[0]
    first, other = (pair.atlas, pair.zeus) if dc == "atlas" else (pair.zeus, pair.atlas)
    if pair.wait_until_serving() is first:
        pair.move(other)
        pair.wait_until_settled()
    first.succeed("systemctl restart pacemaker", timeout=180)
    pair.wait_until_settled()
    for server in pair.servers:
        server.succeed("touch /run/before-the-plans")
    pair.move(first)
    saved = {
        server: server.succeed(f"find {_PLANS} -newer /run/before-the-plans -name 'pe-*.bz2'").split()
        for server in pair.servers
    }
    wait_until(lambda: pair.serving() is first, "the SAN serves", 60)
    plans = [path for paths in saved.values() for path in paths]
    assert plans
    assert not [path for path in plans if "/pe-input-" not in path]
