# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents of ClusterLabs and LINBIT in the place of twinsan's, as LINBIT's guide wires them ("Highly Available iSCSI
Storage with DRBD and Pacemaker"): a group of portblock, IPaddr2, iSCSITarget, iSCSILogicalUnit and portblock where
linbit:drbd is promoted. The guide is known from public configurations that copy its names and values.

What is not as in the guide is in DIFFERENCES, for the report; in each doubt it is what is better for these agents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lxml import etree

from lab import luns, progress
from lab.bench.chain import Chain
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, RESOURCE, Pair

NAME = "ClusterLabs and LINBIT"

DIFFERENCES = (
    "Pacemaker 3 has no ms resource and no role Master: a promotable clone and the role Promoted.",
    "Start, stop and monitor of the group may take 60 s, those that run targetcli 180 s, where the guide has 20 and"
    " 40 s: starting programs takes a user-mode kernel so long, and a stop that is late is a fenced node.",
    "portals, allowed_initiators and the numbers of the LUNs are those of twinsan's template.",
    "targetcli's auto_add_default_portal=false is set on both nodes beforehand: the agent's own attempt is kept only if"
    " its targetcli is the first that ever ran on the node.",
    "iptables is the legacy one: the user-mode kernel has no nf_tables for IP.",
    "The handlers of DRBD are twinsan's, which serve linbit:drbd as well. With those of drbd-utils 9.22, in the one"
    " power cut that was tried, nobody served, linbit:drbd failed to stop on the survivor, and that was fenced.",
    "resource-stickiness is 200: nothing moves back when the constraint of a move is cleared.",
    "The cluster's properties are those of twinsan's template: a failed start is tried again, and is no ban.",
    "As in the guide, no resource has a priority: fencing is not delayed, and in a partition each may shoot the other.",
)

# The guide's names.
_GROUP, _CLONE, _REPLICA = "g_iscsi_drbd0", "ms_drbd_r0", "p_drbd_r0"
_BLOCK, _UNBLOCK = "p_iscsi_portblock_on_drbd0", "p_iscsi_portblock_off_drbd0"

# The guide's serial number is aaaaaaa0, that of its one LUN.
_FIRST_SERIAL = 0xAAAAAAA0

# See DIFFERENCES. linbit:drbd has the time-outs that its own meta-data advises, but for the monitors' 20 s.
_SECONDS, _SECONDS_OF_TARGETCLI = 60, 180
_REPLICA_SECONDS = {"start": 240, "promote": 90, "demote": 90, "notify": 90, "stop": 100}

# Why the guide's handlers fail is read from the script and not proven: since Pacemaker 2.1.7 the attributes in_ccm and
# crmd of a node are times; crm-fence-peer.9.sh of drbd-utils 9.22 compares them with words, takes the peer for one that
# has yet to be fenced, and would wait for its time-out of 90 s, which is also that of the promotion. What was seen,
# once and on a loaded host: the fail count of linbit:drbd's stop on the survivor, its fencing, and no start of the
# group. The journal of the survivor, which would tell the rest, went with its power.
_RESOURCE_FILE = f"/etc/drbd.d/{RESOURCE}.res"
_HANDLERS = {
    "/usr/sbin/twinsan fence-peer": "/usr/lib/drbd/crm-fence-peer.9.sh --role=Promoted",
    "/usr/sbin/twinsan unfence-peer": "/usr/lib/drbd/crm-unfence-peer.9.sh --role=Promoted",
}

# portblock 4.16 has no parameter `firewall` yet. It takes the program iptables, which is nft's on Debian 13: "Operation
# not supported" in a kernel without that family, and each start fails. A file names the modules, because a node that
# was fenced has to have them again.
_MODULES_FILE = "/etc/modules-load.d/bench-incumbents.conf"
_FILTER = (
    f"printf '%s\\n' ip_tables iptable_filter xt_multiport xt_tcpudp >{_MODULES_FILE}",
    "modprobe -a ip_tables iptable_filter xt_multiport xt_tcpudp",
    "update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy",
    "iptables --wait --numeric --list INPUT >/dev/null",
)

# iSCSITarget makes the same setting before it makes the target. But configshell 2.0 saves settings only in the process
# that makes the history file (tried with its module alone), so where any other targetcli ran before, it is lost. Then
# the next process makes the portal 0.0.0.0:3260, and that of the address cannot be made beside it: "Could not create
# NetworkPortal in configFS". Such starts were also seen on a node where targetcli was thought never to have run; that
# is not explained. The target is left enabled without its portal, and the agent's monitor takes it for running.
_PREFERENCES = "/root/.targetcli"
_SETTINGS = (
    f"rm -rf {_PREFERENCES}",
    "targetcli /iscsi set global auto_add_default_portal=false >/dev/null",
    "targetcli /iscsi get global auto_add_default_portal | grep -qi 'auto_add_default_portal=false'",
)

# Both nodes log it, so it is known of a node that has been fenced since: its journal is gone.
_FAILED = re.compile(
    r"^(\d+\.\d+) \S+ pacemaker-attrd\[\d+\]: +\w+: Setting fail-count-(\S+)#([a-z-]+)_\d+\[(\S+)\] in \S+ \S+ -> "
    r"(\d+|INFINITY)"
)


def prepare(made: Pair, *, guide_handlers: bool = False) -> None:
    """Make both nodes ready for the chain; nothing may be served meanwhile. With `guide_handlers`, DRBD calls the
    handlers of drbd-utils instead of twinsan's.
    """
    with progress.step(f"Preparing both nodes for {NAME}"):
        for server in made.servers:
            for command in (*_FILTER, *_SETTINGS):
                server.succeed(command)
            if guide_handlers:
                _replace_in_resource(server, _HANDLERS)
            # For a node that loses its power.
            server.succeed("sync")


def restore(made: Pair) -> None:
    """Take back what `prepare` did; the chain must be stopped. Raises LabError where its stop has left something that
    others would meet.
    """
    for server in made.servers:
        left = leftovers(server)
        if left:
            raise LabError(f"{NAME} left on {server}: {'; '.join(left)}")
        _replace_in_resource(server, {theirs: ours for ours, theirs in _HANDLERS.items()})
        server.succeed(f"rm -rf {_MODULES_FILE} {_PREFERENCES} && update-alternatives --quiet --auto iptables && sync")


def leftovers(server: Machine) -> list[str]:
    """What the chain has left on a node where it is stopped: rules of portblock, targets, backstores, the address."""
    found = server.succeed(
        "iptables --wait --list-rules | grep -e --dports;"
        " ls -d /sys/kernel/config/target/iscsi/iqn.* /sys/kernel/config/target/core/iblock_*/p_* 2>/dev/null;"
        f" ip -oneline address show | grep -w {PORTAL}; true"
    )
    return found.splitlines()


def troubles(servers: Iterable[Machine], since: float) -> list[str]:
    """The actions that the cluster saw fail since that time, each once, from the journals of servers that are on. If a
    stop is among them, the cluster fences its node.
    """
    found: dict[str, None] = {}
    for server in (each for each in servers if each.is_on):
        for line in server.journal().splitlines():
            match = _FAILED.match(line)
            if match and float(match[1]) >= since:
                found[f"{match[3]} of {match[2]} failed on {match[4]} (failures: {match[5]})"] = None
    return list(found)


def chain(count: int = 1) -> Chain:
    """The guide's configuration, with `count` LUNs one after the other in its group."""
    return Chain(NAME, count, configuration(count), _GROUP, _UNBLOCK, _REPLICA)


def configuration(count: int) -> str:
    """The CIB's resources and constraints as XML."""
    cib = etree.Element("cib")
    parts = etree.SubElement(cib, "configuration")
    resources, constraints = etree.SubElement(parts, "resources"), etree.SubElement(parts, "constraints")
    resources.append(_replicas())
    group = etree.SubElement(resources, "group", id=_GROUP)
    _add_meta(group, {})
    group.extend(_members(count))
    order = {"first": _CLONE, "first-action": "promote", "then": _GROUP, "then-action": "start", "kind": "Mandatory"}
    place = {"rsc": _GROUP, "with-rsc": _CLONE, "with-rsc-role": "Promoted", "score": "INFINITY"}
    etree.SubElement(constraints, "rsc_order", {"id": "o_drbd_before_iscsi", **order})
    etree.SubElement(constraints, "rsc_colocation", {"id": "c_iscsi_on_drbd", **place})
    return etree.tostring(cib, encoding="unicode")


def _replicas() -> etree._Element:
    clone = etree.Element("clone", id=_CLONE)
    limits = {"promoted-max": "1", "promoted-node-max": "1", "clone-max": "2", "clone-node-max": "1"}
    _add_meta(clone, {"promotable": "true", **limits, "notify": "true"})
    replica = _primitive(_REPLICA, "linbit:drbd", {"drbd_resource": RESOURCE})
    for action, seconds in _REPLICA_SECONDS.items():
        _add_operation(replica, action, 0, seconds)
    for role, interval in (("Promoted", 29), ("Unpromoted", 31)):
        _add_operation(replica, "monitor", interval, _SECONDS, role)
    clone.append(replica)
    return clone


def _members(count: int) -> Iterator[etree._Element]:
    """The group's members, in their order: the port is closed before the address is there, and opened last."""
    port = {"ip": PORTAL, "portno": "3260", "protocol": "tcp"}
    lio = {"implementation": "lio-t"}
    target = {"iqn": IQN, "portals": f"{PORTAL}:3260", "allowed_initiators": INITIATOR, **lio}
    yield _member(_BLOCK, "heartbeat:portblock", {**port, "action": "block"}, 20, _SECONDS)
    yield _member("p_iscsi_ip0", "heartbeat:IPaddr2", {"ip": PORTAL, "cidr_netmask": "24"}, 10, _SECONDS)
    yield _member("p_iscsi_target_drbd0", "heartbeat:iSCSITarget", target, 20, _SECONDS_OF_TARGETCLI)
    for number in range(1, count + 1):
        lun = {"lun": str(number), "path": luns.device(number), "scsi_sn": f"{_FIRST_SERIAL + number - 1:08x}"}
        parameters = {"target_iqn": IQN, **lun, **lio}
        name = f"p_iscsi_lun_drbd{number - 1}"
        yield _member(name, "heartbeat:iSCSILogicalUnit", parameters, 20, _SECONDS_OF_TARGETCLI)
    yield _member(_UNBLOCK, "heartbeat:portblock", {**port, "action": "unblock"}, 20, _SECONDS)


def _member(name: str, agent: str, parameters: dict[str, str], interval: int, seconds: int) -> etree._Element:
    made = _primitive(name, agent, parameters)
    for action, every in (("start", 0), ("stop", 0), ("monitor", interval)):
        _add_operation(made, action, every, seconds)
    return made


def _primitive(name: str, agent: str, parameters: dict[str, str]) -> etree._Element:
    provider, kind = agent.split(":")
    made = etree.Element("primitive", {"id": name, "class": "ocf", "provider": provider, "type": kind})
    _add_pairs(etree.SubElement(made, "instance_attributes", id=f"{name}-parameters"), name, parameters)
    etree.SubElement(made, "operations")
    return made


def _add_operation(primitive: etree._Element, action: str, interval: int, seconds: int, role: str = "") -> None:
    identity = "-".join([str(primitive.get("id")), action, *([role] if role else [])])
    values = {"id": identity, "name": action, "interval": f"{interval}s", "timeout": f"{seconds}s"}
    etree.SubElement(primitive[-1], "op", {**values, **({"role": role} if role else {})})


def _add_meta(element: etree._Element, values: dict[str, str]) -> None:
    """Meta attributes, with a stickiness; see DIFFERENCES."""
    name = str(element.get("id"))
    meta = etree.SubElement(element, "meta_attributes", id=f"{name}-meta")
    _add_pairs(meta, name, {**values, "resource-stickiness": "200"})


def _add_pairs(parent: etree._Element, name: str, values: dict[str, str]) -> None:
    for key, value in values.items():
        etree.SubElement(parent, "nvpair", id=f"{name}-{key}", name=key, value=value)


def _replace_in_resource(server: Machine, changes: dict[str, str]) -> None:
    """Replace texts in DRBD's resource file, which may have other volumes by now. DRBD reads handlers when it calls."""
    text = before = server.read(_RESOURCE_FILE)
    for old, new in changes.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    if text != before:
        server.copy({_RESOURCE_FILE: text.encode()})
