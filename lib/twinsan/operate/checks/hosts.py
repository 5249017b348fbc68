# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes as hosts: their names, what starts at boot or runs beside the cluster, their clocks, versions with known
faults.
"""

from __future__ import annotations

import re

from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding

NAME_DIFFERS = Fault(
    "node-name-differs",
    ERROR,
    "the cluster calls the node {where}, and uname -n prints {host}",
    why="DRBD's handlers know the node by its host name, and find no node of that name to keep from promotion",
    mend="give both the same name: hostnamectl set-hostname {where}, or name: {host} in corosync.conf",
)
TARGET_SERVICE = Fault(
    "target-service-enabled",
    ERROR,
    "{where} starts at boot",
    why="it makes the targets of its own file at boot, and removes those of the cluster when it stops",
    mend="systemctl disable --now {where}",
)
SAVED_TARGET = Fault(
    "saved-target",
    WARNING,
    "{where} has a target of {value}, which the cluster serves",
    why="whoever restores that file (targetctl restore) makes it on the wrong node, and holds the device open",
    mend="take it out of the file, or: mv {where} {where}.old",
)
DRBD_SERVICE = Fault(
    "drbd-service-enabled",
    WARNING,
    "drbd.service starts at boot",
    why="it brings DRBD up and down beside the cluster, and waits for the other node at boot",
    mend="systemctl disable drbd",
)
REACTOR = Fault(
    "second-manager",
    ERROR,
    "{where} starts at boot",
    why="drbd-reactor promotes and demotes as well: it and the cluster take the disk from each other",
    mend="systemctl disable --now {where}",
)
OTHER_TARGET = Fault(
    "other-target-runs",
    WARNING,
    "the daemon {where} runs",
    why="another iSCSI target has port 3260, or an idle targetcli has LIO's lock",
    mend="stop it and keep it from starting: systemctl disable --now {where}",
)
NOT_AT_BOOT = Fault(
    "cluster-not-enabled",
    NOTE,
    "{where} does not start at boot",
    why="a server that was fenced comes back without its replica until somebody starts the cluster there",
    mend="systemctl enable {where}",
)
NO_QDEVICE = Fault(
    "qdevice-not-enabled",
    WARNING,
    "corosync-qdevice.service does not start at boot, and corosync.conf has a third vote",
    why="the node boots without the vote: it waits for the other one, and alone it serves nothing",
    mend="systemctl enable --now corosync-qdevice",
)
SBD_OFF = Fault(
    "sbd-not-enabled",
    ERROR,
    "sbd.service does not start at boot, and the cluster fences by it",
    why="the node does not reset itself, while the other one takes it for off: the data is destroyed",
    mend="systemctl enable sbd, then restart the cluster on this node",
)
SOFT_WATCHDOG = Fault(
    "watchdog-of-kernel",
    WARNING,
    "SBD uses softdog, a watchdog of the kernel alone",
    why="it does not reset a node whose kernel hangs",
    mend="load the driver of the hardware's watchdog, and name it as SBD_WATCHDOG_DEV: wdctl",
)
CLOCKS_DIFFER = Fault(
    "clocks-differ",
    WARNING,
    "the clocks of the nodes differ by {value:.1f} s",
    why="of two records of reservations the later one counts, and logs of a failover cannot be compared",
    mend="let both keep their clocks right: systemctl enable --now chronyd (Debian: chrony)",
)
NOT_SYNCHRONISED = Fault(
    "clock-not-synchronised",
    NOTE,
    "nothing keeps the clock of {where} right",
    why="of two records of reservations the later one counts, and logs of a failover cannot be compared",
    mend="systemctl enable --now chronyd (Debian: chrony)",
)
VERSIONS_DIFFER = Fault(
    "twinsan-versions-differ",
    WARNING,
    "the nodes have different versions of twinsan: {value}",
    why="an agent of one version may not understand what the other one has recorded",
    mend="make install on the node with the older one; nothing is interrupted",
)
NO_AGENTS = Fault(
    "agents-missing",
    ERROR,
    "the agents of twinsan are not in {where}",
    why="nothing can start on that node",
    mend="make install",
)
NO_HANDLER = Fault(
    "handler-missing",
    ERROR,
    "{where} cannot be executed",
    why="DRBD calls it when the other node is lost; without it I/O stays frozen",
    mend="make install",
)
KERNEL_OLD = Fault(
    "kernel-old",
    WARNING,
    "the kernel is {value}",
    why="twinsan is made for 5.14 and newer; before, LIO lacks attributes that it sets",
    mend="install a newer kernel",
)
KERNELS_DIFFER = Fault(
    "kernels-differ",
    NOTE,
    "the nodes have different kernels: {value}",
    why="a LUN may have other attributes after a failover; crm_mon shows those that matter",
    mend="update the older one when it does not serve",
)
DRBD_FAULTY = Fault(
    "drbd-version-faulty",
    WARNING,
    "DRBD is {value}: {fault}",
    why="known from {source}",
    mend="update the module: {newer} or newer",
)
HANDLER_SLOW = Fault(
    "drbd-utils-old",
    ERROR,
    "crm-fence-peer.9.sh is of drbd-utils {value}, and Pacemaker is {pacemaker}",
    why="it cannot read the status of this Pacemaker (drbd-utils before 9.28), and takes every living peer for one "
    "that will be fenced: I/O is frozen for its time-out of 90 s",
    mend='update drbd-utils, or take the handler of twinsan: fence-peer "/usr/sbin/twinsan fence-peer"',
)
DRBD_DIFFERS = Fault(
    "drbd-versions-differ",
    WARNING,
    "the nodes have different versions of DRBD: {value}",
    why="8.4 and 9 connect to each other, but not every option works in between; meant for the time of an update only",
    mend="finish the update on the other node",
)
DENIED = Fault(
    "selinux-denied",
    WARNING,
    "SELinux has denied something to DRBD's handlers or to an agent",
    why="a handler that is denied what it needs leaves I/O frozen when the other node is lost: {value}",
    mend="see all: ausearch -m avc -ts boot; allow what is needed: audit2allow -M twinsan, semodule -i twinsan.pp",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_UNWANTED = (
    (TARGET_SERVICE, ("target.service", "rtslib-fb-targetctl.service")),
    (DRBD_SERVICE, ("drbd.service",)),
    (REACTOR, ("drbd-reactor.service",)),
)
_WANTED = ("corosync.service", "pacemaker.service")
_OTHER_TARGETS = ("tgtd", "ietd", "iscsi-scstd", "targetclid")
_MOST_DIFFERENCE = 1.0
_OLDEST_KERNEL = (5, 14)

# Pacemaker that has times in the status of a node where there were words, and the drbd-utils that read them.
_HAS_TIMES, _READS_TIMES = (2, 1, 7), (9, 28, 0)

# Versions of DRBD with a fault that a pair meets: from, to (without), what, where it is told, what has it no more.
_DRBD_FAULTS = (
    (
        (9, 0, 0),
        (9, 0, 14),
        "discards and zeros are lost or mixed up on the way to the peer",
        "its changelog",
        "9.0.14",
    ),
    ((9, 1, 13), (9, 1, 14), "the kernel panics when a thin pool below it is full", "LINBIT/drbd issue 60", "9.1.14"),
    ((9, 1, 18), (9, 1, 19), "taking a resource down can hang", "LINBIT/drbd issue 109", "9.1.19"),
    ((9, 2, 9), (9, 2, 10), "I/O stalls for a minute when the peer is back", "LINBIT/drbd issue 89", "9.2.10"),
)


def find(configuration: Configuration, facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with the hosts."""
    served = {each.parameters.get("iqn", "") for each in configuration.resources if "iqn" in each.parameters}
    devices = {each.parameters.get("path", "") for each in configuration.resources if "path" in each.parameters}
    ours = any(each.agent.startswith("ocf:twinsan:") for each in configuration.resources)
    by_sbd = configuration.option("stonith-watchdog-timeout") or any(
        each.agent == "stonith:fence_sbd" for each in configuration.resources
    )
    for node, seen in facts.items():
        if seen["node"] and seen["node"] != seen["host"]:
            yield NAME_DIFFERS.at(seen["node"], node=node, host=seen["host"])
        yield from _services(node, seen, bool(by_sbd))
        yield from _saved(node, seen, served, devices)
        if ours and not seen["agents"]:
            yield NO_AGENTS.at("/usr/lib/ocf/resource.d/twinsan", node=node)
        if _calls_us(seen) and not seen["handler"]:
            yield NO_HANDLER.at("/usr/sbin/twinsan", node=node)
        yield from _versions(node, seen)
        pacemaker = numbers(configuration.option("dc-version"))
        if seen["drbd_utils"] and numbers(seen["drbd_utils"]) < _READS_TIMES and pacemaker >= _HAS_TIMES:
            told = configuration.option("dc-version")
            yield HANDLER_SLOW.at("drbd-utils", node=node, value=seen["drbd_utils"], pacemaker=told)
        if seen["selinux"]["denied"]:
            yield DENIED.at("SELinux", node=node, value=seen["selinux"]["denied"])
        if seen["clock"]["synchronised"] is False:
            yield NOT_SYNCHRONISED.at(node, node=node)
    if len(facts) == 2:
        yield from _of_both(facts)


def _services(node: str, seen: dict[str, Any], by_sbd: bool) -> Iterator[Finding]:
    on, running = seen["enabled"], seen["running"] or []
    for fault, units in _UNWANTED:
        yield from (fault.at(unit, node=node) for unit in units if unit in on)
    yield from (OTHER_TARGET.at(daemon, node=node) for daemon in _OTHER_TARGETS if daemon in running)
    if seen["corosync"]:
        yield from (NOT_AT_BOOT.at(unit, node=node) for unit in _WANTED if unit not in on)
    if "quorum.device.model" in seen["corosync"] and "corosync-qdevice.service" not in on:
        yield NO_QDEVICE.at("corosync-qdevice.service", node=node)
    if by_sbd and not seen["sbd"]["enabled"]:
        yield SBD_OFF.at("sbd.service", node=node)
    elif by_sbd and seen["sbd"]["soft"]:
        yield SOFT_WATCHDOG.at("softdog", node=node)


def _saved(node: str, seen: dict[str, Any], served: set[str], devices: set[str]) -> Iterator[Finding]:
    for path, saved in seen["saved_target"].items():
        shared = [each for each in saved["targets"] if each in served]
        shared += [each for each in saved["devices"] if each in devices or each.startswith("/dev/drbd")]
        if shared:
            yield SAVED_TARGET.at(path, node=node, value=", ".join(shared))


def _calls_us(seen: dict[str, Any]) -> bool:
    options = [value for each in seen["resources"].values() for value in each["options"].values()]
    return any(value.startswith("/usr/sbin/twinsan ") for value in options)


def _versions(node: str, seen: dict[str, Any]) -> Iterator[Finding]:
    kernel = numbers(seen["kernel"])
    if kernel and kernel[:2] < _OLDEST_KERNEL:
        yield KERNEL_OLD.at("kernel", node=node, value=seen["kernel"])
    drbd = numbers(seen["drbd"])
    for first, behind, fault, source, newer in _DRBD_FAULTS:
        if drbd and first <= drbd < behind:
            yield DRBD_FAULTY.at("drbd", node=node, value=seen["drbd"], fault=fault, source=source, newer=newer)


def _of_both(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    one, two = facts.values()
    apart = max(abs(seen["clock"]["apart"]) for seen in facts.values())
    if apart > _MOST_DIFFERENCE:
        yield CLOCKS_DIFFER.at("clock", value=apart)
    for fault, key in ((VERSIONS_DIFFER, "twinsan"), (KERNELS_DIFFER, "kernel"), (DRBD_DIFFERS, "drbd")):
        if one[key] and two[key] and one[key] != two[key]:
            told = ", ".join(f"{node} {seen[key]}" for node, seen in facts.items())
            yield fault.at(key, value=told)


def numbers(version: str) -> tuple[int, ...]:
    """The first numbers of a version, for a comparison; empty for none."""
    match = re.match(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?", version, re.ASCII)
    return tuple(int(each or 0) for each in match.groups()) if match else ()
