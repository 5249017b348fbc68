# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster of a pair: corosync's files, its start on both nodes, and what a package has left in it."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command
from twinsan.operate.setting_up import cluster_checks, nodes
from twinsan.operate.setting_up.look import COROSYNC_CONF
from twinsan.operate.setting_up.steps import Step
from twinsan.site import corosync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.nodes import Pair

NOT_STARTED = Reason(
    Failure, "{service} does not start on {node}: {complaint}", "see there: journalctl -b -u {service}; then again"
)
NOT_STOPPED = Reason(
    Failure,
    "the cluster that runs on {node} with another configuration does not stop: {complaint}",
    "see there: journalctl -b -u pacemaker -u corosync; then again",
)
NOT_ONLINE = Reason(
    DeadlinePassed,
    "both nodes are online in the cluster",
    "see on both: corosync-cfgtool -s; crm_mon -1; journalctl -b -u corosync -u pacemaker",
)

AUTHKEY = "/etc/corosync/authkey"
_KEPT = f"{COROSYNC_CONF}.before-twinsan"

# corosync-keygen(8): at least 1024 bits; its default is twice that.
_KEY_BYTES = 256

# A new cluster waits 20 s for a coordinator (dc-deadtime).
_SECONDS_TO_START = 120.0
_SECONDS_TO_MEET = 180.0


class Files(Step):
    """corosync.conf and the key, the same on both nodes. The key comes first: where the pair's corosync.conf is, the
    key is the pair's too, and none that another cluster has left.
    """

    what = f"Write {COROSYNC_CONF} and a key of its own"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        keys = self._pair.on_both(_key)
        return self._has_own(0) and self._has_own(1) and keys[0] is not None and keys[0] == keys[1]

    def do(self) -> str:
        keys = self._pair.on_both(_key)
        key = self._known_key(keys) or secrets.token_bytes(_KEY_BYTES)
        for node, has in zip(self._pair.nodes, keys):
            if has != key:
                node.put(AUTHKEY, key, deadline=Deadline(60), mode=0o400)
        self._write_configuration()
        return ""

    def _write_configuration(self) -> None:
        """A node that has one of this site keeps it, and the other one gets the same."""
        text = next(
            (has.corosync for has in self._pair.facts if cluster_checks.is_of(self._pair.site, has.corosync)),
            corosync.text(self._pair.site),
        )
        for number, node in enumerate(self._pair.nodes):
            if self._has_own(number):
                continue
            if self._pair.facts[number].corosync is not None:
                nodes.run(node, "cp", "-p", COROSYNC_CONF, _KEPT)
            node.put(COROSYNC_CONF, text or "", deadline=Deadline(60))

    def _has_own(self, number: int) -> bool:
        return cluster_checks.is_of(self._pair.site, self._pair.facts[number].corosync)

    def _known_key(self, keys: list[bytes | None]) -> bytes | None:
        """The key of a node that belongs to the pair's cluster already, at best one that serves."""
        ranked = sorted((0, 1), key=lambda number: not _serves(self._pair, number))
        return next((keys[number] for number in ranked if self._has_own(number) and keys[number]), None)


class Start(Step):
    """corosync and Pacemaker run on both nodes, now and after each boot, and each node sees the other."""

    what = "Start corosync and Pacemaker on both nodes"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return self._enabled() and all(self._online(node) for node in self._pair.nodes)

    def do(self) -> str:
        meet = all(self._online(node) for node in self._pair.nodes)
        self._pair.on_both(lambda node: self._start(node, restart=not meet))
        Deadline(_SECONDS_TO_MEET).wait_until(
            lambda: all(self._online(node) for node in self._pair.nodes), NOT_ONLINE.text(), interval=1.0
        )
        return ""

    def _services(self) -> list[str]:
        return ["corosync", "pacemaker", *(["corosync-qdevice"] if self._pair.site.witness else [])]

    def _enabled(self) -> bool:
        return all(has.service(name).enabled for has in self._pair.facts for name in self._services())

    def _start(self, node: Node, *, restart: bool) -> None:
        """Start what does not run yet. What runs with another configuration has to be restarted: all, unless it serves
        as a node of this pair.
        """
        for name in self._services():
            nodes.run(node, "systemctl", "enable", f"{name}.service")
        if not restart or _serves(self._pair, self._pair.nodes.index(node)):
            return
        names = ("corosync", *self._services()[2:], "pacemaker")
        # No restart: that of corosync starts Pacemaker, too, and the next one would stop it amid its start, where the
        # controller of 3.0.0 crashes (daemons/controld/controld_execd.c, do_lrm_control: it has no cluster yet).
        units = [f"{name}.service" for name in names]
        stopped = nodes.run(node, "systemctl", "stop", *units, seconds=_SECONDS_TO_START, check=False)
        if not stopped.ok:
            raise NOT_STOPPED(node=node.name, complaint=stopped.complaint)
        for name, unit in zip(names, units):
            result = nodes.run(node, "systemctl", "start", unit, seconds=_SECONDS_TO_START, check=False)
            if not result.ok:
                raise NOT_STARTED(service=name, node=node.name, complaint=result.complaint)

    def _online(self, node: Node) -> bool:
        return set(online(node)) >= {each.name for each in self._pair.nodes}


class Leftovers(Step):
    """The node that Debian's cluster of one node had before goes."""

    what = "Remove what a package's cluster of one node has left"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return not self._found()

    def do(self) -> str:
        for name in self._found():
            nodes.run(self._pair.here, "crm_node", "--force", "--remove", name)
        return ""

    def _found(self) -> list[str]:
        ours = {node.name for node in self._pair.nodes}
        known = members(self._pair.here)
        return [name for name in known if name == cluster_checks.DEFAULT_NODE and name not in ours]


def online(node: Node) -> list[str]:
    """The nodes that are online in the cluster as this node sees it; empty if no cluster runs there."""
    return [name for name, is_online in _nodes(node) if is_online]


def members(node: Node) -> list[str]:
    """All nodes that the cluster knows, as this node sees it."""
    return [name for name, _ in _nodes(node)]


def _nodes(node: Node) -> list[tuple[str, bool]]:
    try:
        printed = nodes.run(node, "crm_mon", "-1", "--output-as=xml", check=False).stdout
        found = ET.fromstring(printed)  # noqa: S314  the cluster's own
    except (ET.ParseError, command.CommandFailed):
        return []
    return [(each.get("name", ""), each.get("online") == "true") for each in found.iterfind("nodes/node")]


def _serves(pair: Pair, number: int) -> bool:
    """Whether a node runs resources as a node of this pair."""
    has = pair.facts[number]
    return has.cluster is not None and bool(has.cluster.resources) and cluster_checks.is_of(pair.site, has.corosync)


def _key(node: Node) -> bytes | None:
    return node.read(AUTHKEY, deadline=Deadline(60))
