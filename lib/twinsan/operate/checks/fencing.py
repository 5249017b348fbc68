# SPDX-License-Identifier: GPL-2.0-or-later
"""Fencing: whether each node can be fenced by the other one, and what happens if both want to fence."""

from __future__ import annotations

import re

from twinsan.cluster.values import INFINITY, is_true, score, seconds
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Configuration, Resource
    from twinsan.operate.checks.finding import Finding

OFF = Fault(
    "fencing-off",
    ERROR,
    "fencing is switched off ({where}=false)",
    why="a server that is only cut off goes on serving while the other one takes over: the data is split, or destroyed",
    mend="add a fence device for each node, then: crm_attribute --name stonith-enabled --update true",
)
NO_DEVICE = Fault(
    "fence-device-missing",
    ERROR,
    "no fence device can fence {where}",
    why="when {where} is lost, nothing is taken over, because the cluster cannot be sure that it is off",
    mend="add one for its BMC, as in cib-templates/san.xml",
)
AT_HOME = Fault(
    "fence-device-at-home",
    WARNING,
    "the device {where} may run on {victim}, the node that it fences",
    why="the node that needs the device is the other one: only there its monitor proves that the BMC can be reached",
    mend="crm configure location {where}-not-on-{victim} {where} -inf: {victim}",
)
KEPT_AWAY = Fault(
    "fence-device-kept-away",
    ERROR,
    "the device {where}, which fences {victim}, may not run on {other}",
    why="{other} has no use of it when {victim} is lost, and takes nothing over",
    mend="let it be kept from {victim} alone: crm configure edit",
)
SAME_BMC = Fault(
    "same-bmc",
    ERROR,
    "the devices {where} reach the same {address}",
    why="one of the two nodes would fence itself, and the lost one would stay on",
    mend="correct the address of one: crm configure edit",
)
NOT_REAL = Fault(
    "fence-device-for-tests",
    ERROR,
    "the device {where} is {agent}, which is for tests",
    why="it says that a node is off without switching it off: the data is destroyed",
    mend="take a device that switches the power, as in cib-templates/san.xml",
)
NO_DELAY = Fault(
    "fencing-race",
    WARNING,
    "no delay tells the nodes apart when they fence each other",
    why="if all links between them are cut, both fence at the same time, and both may be off",
    mend="crm_attribute --name priority-fencing-delay --update 3s, and give the replicas a priority of 10",
)
SAME_DELAY = Fault(
    "fencing-delays-equal",
    WARNING,
    "{where} have the same delay of {delay:g} s",
    why="both nodes wait for the same time and then fence each other; and each fencing takes so much longer",
    mend="give the delay to the device of one node only, or to none and set priority-fencing-delay: crm configure edit",
)
DELAY_TOO_SHORT = Fault(
    "fencing-delay-short",
    WARNING,
    "priority-fencing-delay of {delay:g} s is less than twice the longest pcmk_delay of {longest:g} s",
    why="the random or fixed delay of a device may use it up, and the node that serves is fenced",
    mend="take the pcmk_delay parameters away: crm configure edit",
)
DELAY_UNNEEDED = Fault(
    "fencing-delay-unneeded",
    NOTE,
    "priority-fencing-delay is {delay:g} s in a cluster with a third vote",
    why="only the node with that vote fences; each takeover from a dead server waits so much longer for nothing",
    mend="crm_attribute --name priority-fencing-delay --update 0s",
)
NO_PASSWORD = Fault(
    "fence-password-missing",
    ERROR,
    "the device {where} has no password",
    why="it cannot log in to the BMC and does not start: nobody takes over from a node that died",
    mend="crm resource secret {where} set password",
)
NO_MONITOR = Fault(
    "fence-monitor-missing",
    WARNING,
    "the device {where} has no monitor",
    why="a BMC that cannot be reached any more is noticed when it is needed",
    mend="crm configure monitor {where} 60s:60s",
)
LATE = Fault(
    "fencing-late",
    WARNING,
    "a fencing may take {total:g} s ({where})",
    why="ESXi gives up a disk after 140 s (APD), and the detection and the chain take their time as well",
    mend="lower the time-out or the delay: crm configure edit",
)
STAYS_OFF = Fault(
    "fenced-stays-off",
    NOTE,
    "stonith-action is {value}: a fenced node stays off",
    why="until somebody switches it on there is one server and one copy of the data",
    mend="crm_attribute --name stonith-action --update reboot",
)
WATCHDOG_SHORT = Fault(
    "watchdog-short",
    ERROR,
    "stonith-watchdog-timeout is {value:g} s and the watchdog waits {watchdog:g} s",
    why="the lost node may still run when the other one takes it for off: it has to be twice the time of the watchdog",
    mend="crm_attribute --name stonith-watchdog-timeout --update {right:g}s",
)
NO_QUORUM_IGNORED = Fault(
    "quorum-ignored",
    ERROR,
    "no-quorum-policy is ignore",
    why="a part of the cluster without quorum goes on as if it were alone, and fences the rest",
    mend="in corosync.conf set two_node: 1, then: crm_attribute --name no-quorum-policy --delete",
)
QUORUM_SUICIDE = Fault(
    "quorum-suicide",
    WARNING,
    "no-quorum-policy is {value}",
    why="a server that is alone resets itself: a pair that loses one server loses the other",
    mend="crm_attribute --name no-quorum-policy --delete",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

# VMware's time until a datastore with no path is given up.
APD_SECONDS = 140.0
_DEFAULT_FENCING_SECONDS = 60.0

# They report success and switch nothing, or need the victim's help.
_FOR_TESTS = ("fence_dummy", "null", "external/null", "ssh", "external/ssh", "fence_check")

# How a device tells which machine it is about.
_ADDRESSES = ("ip", "ipaddr", "hostname", "ipport", "plug", "port", "systems_uri", "devices", "path")
_DEVICES_OF_ALL = ("fence_sbd", "external/sbd", "fence_watchdog", "fence_scsi", "fence_mpath")


def find(configuration: Configuration, *, third_vote: bool | None = None, watchdog: float = 0.0) -> Iterator[Finding]:
    """Yield what is wrong with fencing. `third_vote` says whether there is one, None if that is not known; `watchdog`
    is the time of SBD's watchdog in seconds, 0 if that is not known.
    """
    if not is_true(configuration.option("stonith-enabled", "true")):
        yield OFF.at("stonith-enabled")
        return
    devices = [each for each in configuration.resources if each.stonith]
    for device in devices:
        yield from _of_device(device, configuration)
    if len(devices) > 1:
        yield from _same_bmc(devices)
    yield from _of_nodes(devices, configuration)
    yield from _of_delays(devices, configuration, third_vote)
    yield from _of_options(configuration, watchdog)


def victims(device: Resource, nodes: list[str]) -> list[str]:
    """The nodes that a device fences; all, if it says nothing."""
    listed = re.split(r"[\s,;]+", device.parameters.get("pcmk_host_list", "").strip())
    listed += [each.partition(":")[0] for each in re.split(r"[\s;]+", device.parameters.get("pcmk_host_map", ""))]
    named = [node for node in listed if node]
    return named or list(nodes)


def _of_device(device: Resource, configuration: Configuration) -> Iterator[Finding]:
    agent = device.agent.partition(":")[2]
    if agent in _FOR_TESTS:
        yield NOT_REAL.at(device.id, agent=agent)
    # A template has none before somebody sets it.
    if configuration.live and device.parameters.get("password") == "":
        yield NO_PASSWORD.at(device.id)
    if not device.monitors():
        yield NO_MONITOR.at(device.id)
    nodes = configuration.nodes()
    named = victims(device, nodes)
    if len(named) != 1 or agent in _DEVICES_OF_ALL:
        return
    victim = named[0]
    banned = set(_banned(device, configuration))
    if victim not in banned:
        yield AT_HOME.at(device.id, victim=victim)
    for other in nodes:
        if other != victim and other in banned:
            yield KEPT_AWAY.at(device.id, victim=victim, other=other)


def _banned(device: Resource, configuration: Configuration) -> Iterator[str]:
    """The nodes that a device may not run on."""
    for constraint in configuration.constraints("rsc_location"):
        if constraint.get("rsc") not in (device.id, device.outer):
            continue
        if score(constraint.get("score", "0")) <= -INFINITY and constraint.get("node"):
            yield constraint.get("node", "")
        for rule in constraint.findall("rule"):
            for expression in rule.findall("expression[@attribute='#uname']"):
                if score(rule.get("score", "0")) <= -INFINITY:
                    same = expression.get("operation") == "eq"
                    nodes = configuration.nodes()
                    yield from (node for node in nodes if (node == expression.get("value")) == same)


def _same_bmc(devices: list[Resource]) -> Iterator[Finding]:
    seen: dict[tuple[str, ...], Resource] = {}
    for device in devices:
        key = tuple(device.parameters.get(name, "") for name in _ADDRESSES)
        address = next((value for value in key if value), "")
        agent = device.agent.partition(":")[2]
        if not address or agent in _DEVICES_OF_ALL:
            continue
        other = seen.setdefault((agent, *key), device)
        if other is not device and set(victims(other, [])) != set(victims(device, [])):
            yield SAME_BMC.at(f"{other.id}, {device.id}", address=address)


def _of_nodes(devices: list[Resource], configuration: Configuration) -> Iterator[Finding]:
    if seconds(configuration.option("stonith-watchdog-timeout")):
        return
    nodes = configuration.nodes()
    fenced = {node for device in devices for node in victims(device, nodes)}
    if not nodes and not devices:
        yield NO_DEVICE.at("any node")
    for node in nodes:
        if node not in fenced:
            yield NO_DEVICE.at(node)


def _of_delays(devices: list[Resource], configuration: Configuration, third_vote: bool | None) -> Iterator[Finding]:
    delay = seconds(configuration.option("priority-fencing-delay")) or 0.0
    delays = {each.id: max(_delays(each), default=0.0) for each in devices}
    fixed = {each.id: seconds(each.parameters.get("pcmk_delay_base", "")) or 0.0 for each in devices}
    random = any("pcmk_delay_max" in each.parameters for each in devices)
    if third_vote is None:
        third_vote = configuration.option("no-quorum-policy") == "freeze" or not devices
    if third_vote and delay:
        yield DELAY_UNNEEDED.at("priority-fencing-delay", delay=delay)
    if third_vote or not devices:
        return
    if not delay and not any(delays.values()):
        yield NO_DELAY.at("priority-fencing-delay")
    elif not delay and not random and len(fixed) > 1 and len(set(fixed.values())) == 1:
        yield SAME_DELAY.at(", ".join(fixed), delay=max(fixed.values()))
    elif delay and delay <= 2 * max(delays.values(), default=0.0):
        yield DELAY_TOO_SHORT.at("priority-fencing-delay", delay=delay, longest=max(delays.values()))


def _delays(device: Resource) -> Iterator[float]:
    for name in ("pcmk_delay_base", "pcmk_delay_max"):
        for word in re.split(r"[\s;]+", device.parameters.get(name, "")):
            yield seconds(word.rpartition(":")[2]) or 0.0


def _of_options(configuration: Configuration, watchdog: float) -> Iterator[Finding]:
    policy = configuration.option("no-quorum-policy", "stop")
    if policy == "ignore":
        yield NO_QUORUM_IGNORED.at("no-quorum-policy")
    if policy in ("suicide", "fence"):
        yield QUORUM_SUICIDE.at("no-quorum-policy", value=policy)
    action = configuration.option("stonith-action", "reboot")
    if action in ("off", "poweroff"):
        yield STAYS_OFF.at("stonith-action", value=action)
    given = seconds(configuration.option("stonith-timeout"))
    timeout = _DEFAULT_FENCING_SECONDS if given is None else given
    delay = seconds(configuration.option("priority-fencing-delay")) or 0.0
    total, where = timeout + delay, "stonith-timeout"
    for device in configuration.resources:
        own = seconds(device.parameters.get("pcmk_reboot_timeout", "")) if device.stonith else None
        longest = max(_delays(device), default=0.0) + delay + (own or timeout)
        if device.stonith and longest > total:
            total, where = longest, device.id
    if total > APD_SECONDS:
        yield LATE.at(where, total=total)
    wait = seconds(configuration.option("stonith-watchdog-timeout")) or 0.0
    if wait and wait < 2 * watchdog:
        yield WATCHDOG_SHORT.at("stonith-watchdog-timeout", value=wait, watchdog=watchdog, right=2 * watchdog)
