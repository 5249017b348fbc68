# SPDX-License-Identifier: GPL-2.0-or-later
"""The price of every action of twinsan's agents and of their counterparts, run one by one without the cluster.

Both make the same chain on the same disk and take it down again, in turns: DRBD, target, LUN, address, with the
parameters of the template. A run of its own, under strace, counts programs and processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab import progress
from lab.bench import action_table, figures, metering, monitoring, ocf
from lab.bench.action_table import EACH_MINUTE, STEADY, UNPROMOTED, Prices, Readings
from lab.bench.metering import Step
from lab.bench.ocf import Agent, Cluster
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import INITIATOR, RESOURCE, STATE_DEVICE, Pair

# Neither the name nor the address that initiators know: none comes meanwhile.
_IQN = "iqn.2003-01.org.example:bench"
_IP = "10.0.5.60"

# How often each side makes its chain and takes it down, and how often each action in it that changes nothing is run:
# a cycle of theirs takes a minute, most of it in targetcli.
_CYCLES, _LOOKS = 4, 2

# Both volumes; before that, a promotion would call the fence handlers.
_IN_SYNC = (
    "/proc/drbd",
    r"(?ms)^ *0: cs:Connected \S+ ds:UpToDate/UpToDate.*^ *1: cs:Connected \S+ ds:UpToDate/UpToDate",
)


@dataclass(frozen=True)
class Side:
    """The four agents of one side, in the order of their start. `aged` are the notes of twinsan's monitors which are
    old once a minute, by the agent's place.
    """

    name: str
    agents: tuple[Agent, ...]
    aged: dict[int, tuple[str, ...]] = field(default_factory=dict)


_TARGET = {"iqn": _IQN, "portals": f"{_IP}:3260", "allowed_initiators": INITIATOR}
_LUN = {"target_iqn": _IQN, "lun": "1", "path": "/dev/drbd0"}
_ADDRESS = {"ip": _IP, "cidr_netmask": "24"}
_LIO = {"implementation": "lio-t"}

OURS = Side(
    "twinsan",
    (
        Agent(
            "twinsan:drbd-vaai", "bench_drbd", {"drbd_resource": RESOURCE, "state_device": STATE_DEVICE}, "promotable"
        ),
        Agent("twinsan:lio-iscsi-target", "bench_target", _TARGET, "clone"),
        Agent("twinsan:lio-lun", "bench_lun", _LUN),
        Agent("twinsan:portal-ip", "bench_portal", _ADDRESS),
    ),
    {
        1: ("/run/twinsan/compared.bench_target",),
        2: ("/run/twinsan/compared.bench_lun",),
        3: (f"/run/twinsan/connections-{_IP}",),
    },
)
THEIRS = Side(
    "ClusterLabs and LINBIT",
    (
        Agent("linbit:drbd", "bench_drbd0", {"drbd_resource": RESOURCE}, "promotable", notified=True),
        Agent("heartbeat:iSCSITarget", "bench_target0", {**_TARGET, **_LIO}),
        Agent("heartbeat:iSCSILogicalUnit", "bench_lun0", {**_LUN, **_LIO}),
        Agent("heartbeat:IPaddr2", "bench_ip0", _ADDRESS),
    ),
)


def measure(made: Pair, *, quick: bool) -> figures.Section:
    """Measure on a server that is not the coordinator. All that is served must be stopped, as chain.stop_all does it,
    and is stopped afterwards.
    """
    if made.serving() is not None:
        raise LabError("the prices of actions are measured where nothing is served: stop it before")
    sides = (OURS, THEIRS)
    prices = {side.name: Prices([agent.name for agent in side.agents], {}, {}) for side in sides}
    with monitoring.maintenance(made), _workshop(made) as (server, cluster):
        for side in sides:
            with progress.step(f"Programs and processes of each action: {side.name}"):
                _cycle(server, steps(side, cluster, traced=True), prices[side.name].counted)
        for number in range(1, 1 if quick else _CYCLES + 1):
            with progress.step(f"Price of each action, {number} of {_CYCLES}"):
                for side in sides:
                    _cycle(server, steps(side, cluster, looks=_LOOKS), prices[side.name].measured)
    if quick:
        # The times are those of strace.
        for each in prices.values():
            each.measured = each.counted
    return action_table.section(*(prices[side.name] for side in sides))


@contextmanager
def _workshop(made: Pair) -> Iterator[tuple[Machine, Cluster]]:
    """A server to measure on, with the replica on its peer up. Afterwards both are as before."""
    coordinator = made.atlas.succeed("crmadmin --dc_lookup")
    server = made.atlas if made.zeus.name in coordinator else made.zeus
    peer = made.peer_of(server)
    for each in (server, peer):
        metering.install(each)
    cluster = ocf.cluster(server, peer)
    try:
        # It tells the limits of its disks as well, as the node that does not serve.
        metering.run(peer, [OURS.agents[0].step("start", ocf.cluster(peer, server))])
        # What iSCSITarget sets itself, but keeps only where targetcli never ran before: else its first portal is in
        # the way of the one that it is given.
        server.succeed(
            "rm -rf /run/bench.home && mkdir /run/bench.home && modprobe -a target_core_mod iscsi_target_mod &&"
            " HOME=/run/bench.home targetcli /iscsi set global auto_add_default_portal=false"
        )
        yield server, cluster
    finally:
        _clean(server, peer, cluster)


def _clean(server: Machine, peer: Machine, cluster: Cluster) -> None:
    """Remove what a cycle that was interrupted has left, and what the agents told the cluster."""
    drbd, *others = OURS.agents
    metering.run(server, [agent.step("stop", cluster) for agent in reversed(others)])
    # A storage object of theirs, which has another name.
    left = "/sys/kernel/config/target/core/iblock_*/bench_*"
    server.succeed(f'for each in {left}; do [ ! -d "$each" ] || rmdir "$each" "${{each%/*}}" || exit; done')
    metering.run(server, [drbd.step("stop", cluster)])
    metering.run(peer, [drbd.step("stop", ocf.cluster(peer, server))])
    for node in (server, peer):
        server.succeed(f"attrd_updater --delete --pattern 'bench_|{_IP}' --node {node}")
    server.succeed(f"rm -rf /run/bench.* /run/twinsan/*bench_* /run/twinsan/*{_IP}*")


def _cycle(server: Machine, cycle: Iterable[tuple[int, str, Step]], found: Readings) -> None:
    """Run the actions of a cycle, and add what each took to `found`."""
    named = list(cycle)
    for (place, action, _), reading in zip(named, metering.run(server, [step for _, _, step in named])):
        if action:
            found.setdefault((place, action), []).append(reading)


def steps(side: Side, cluster: Cluster, *, looks: int = 1, traced: bool = False) -> Iterator[tuple[int, str, Step]]:
    """The actions of a side, with the agent's place and the name under which each is measured; "" for one that is not:
    the first monitor after a start does more than any later one. `looks` is how often what changes nothing is run.
    """
    drbd, *others = side.agents
    for place, agent in [*enumerate(side.agents)] * looks:
        for action in ("meta-data", "validate-all"):
            yield place, action, agent.step(action, cluster, traced=traced)
    yield 0, "start", drbd.step("start", cluster, traced=traced)
    yield 0, "", drbd.step("monitor", cluster, role="Unpromoted", until=_IN_SYNC)
    for _ in range(looks):
        yield 0, UNPROMOTED, drbd.step("monitor", cluster, role="Unpromoted", traced=traced)
    yield 0, "promote", drbd.step("promote", cluster, traced=traced)
    for place, agent in enumerate(others, start=1):
        yield place, "start", agent.step("start", cluster, traced=traced)
    # The first looks of all, before any that is measured. What DRBD's handlers did is reviewed by the second one.
    for place, agent in [(0, drbd), *enumerate(side.agents)]:
        yield place, "", _monitor(agent, cluster, traced=False)
    for place, agent in [*enumerate(side.agents)] * looks:
        yield place, STEADY, _monitor(agent, cluster, traced=traced)
        if place in side.aged:
            yield place, EACH_MINUTE, _monitor(agent, cluster, traced=traced, aged=side.aged[place])
    for place, agent in reversed(list(enumerate(others, start=1))):
        yield place, "stop", agent.step("stop", cluster, traced=traced)
    for action in ("demote", "stop"):
        yield 0, action, drbd.step(action, cluster, traced=traced)


def _monitor(agent: Agent, cluster: Cluster, *, traced: bool, aged: tuple[str, ...] = ()) -> Step:
    promoted = agent.kind == "promotable"
    # 190 and 191 are what twinsan says of a fault: there is none.
    return agent.step(
        "monitor",
        cluster,
        role="Promoted" if promoted else "",
        expected=(8,) if promoted else (0,),
        aged=aged,
        traced=traced,
    )
