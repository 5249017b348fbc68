# SPDX-License-Identifier: GPL-2.0-or-later
"""What each node needs by itself: programs, modules, addresses, ports, room, and a clock that agrees."""

from __future__ import annotations

from twinsan.errors import Failure, Reason
from twinsan.operate.setting_up import look, software

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.site.model import Node, Site

NOT_ROOT = Reason(Failure, "ssh to {node} does not lead to root", "let root log in there with a key: root@{node}")
OTHER_VERSION = Reason(
    Failure, "{node} has twinsan {version} and {other} has {its_version}", "install the same on both: make install"
)
NO_PROGRAMS = Reason(Failure, "{node} ({system}) lacks {programs}", "{command}")
NO_MODULE = Reason(Failure, "the kernel {kernel} of {node} has no module {module}", "{remedy}, and boot that kernel")
OTHER_DRBD = Reason(
    Failure, "DRBD of {node} is {version}, of {other} {its_version}: one of 8.4, one of 9", "install the same on both"
)
NO_FILE_SYSTEM = Reason(
    Failure,
    "the nodes have no file system in common for the state volume (btrfs or XFS)",
    "on both: {command}",
)
NO_ADDRESS = Reason(
    Failure,
    "{node} has no address {address}, which the site file gives it",
    "it has {addresses}; correct [nodes.{node}], or: ip address add {address}/{prefix} dev DEVICE",
)
PORTAL_IN_USE = Reason(
    Failure,
    "{node} has the portal address {address} already",
    "the cluster gives it to the node that serves, so take it from the network's configuration there",
)
PORT_IN_USE = Reason(
    Failure,
    "somebody listens on port {port} of {node}, which is for {what}",
    "see who: ss -ltnp 'sport = :{port}'; end it, or give {key} another port",
)
TARGETS = Reason(
    Failure,
    "the kernel of {node} has targets that no cluster has made: {targets}",
    "if nobody uses them: targetcli clearconfig confirm=True",
)
CLOCKS = Reason(
    Failure,
    "the clocks of the nodes are {seconds} s apart",
    "let both follow one: systemctl enable --now chronyd (Debian: apt install chrony)",
)
NO_ROOM = Reason(Failure, "{folder} of {node} has {free} MiB of room", "make room for {needed} MiB there")
FIREWALL = Reason(
    Failure,
    "{firewall} runs on {node}: it has to let corosync (UDP 5405), DRBD (TCP {ports}) and iSCSI (TCP 3260) pass",
    "firewalld: firewall-cmd --permanent --add-service=high-availability --add-service=iscsi-target {added} && "
    "firewall-cmd --reload",
)

_SECONDS_APART = 2.0
# In MiB; /run is a part of the memory.
_ROOM_MB = {"/etc": 20, "/var/lib": 100, "/run": 10}


def check(site: Site, facts: tuple[Facts, Facts], seconds_apart: float, found: Findings) -> None:
    """Add what is in the way on each node. `facts` are in the order of the site's nodes, `seconds_apart` is how far the
    clocks are apart at least.
    """
    for node, has in zip(site.nodes, facts):
        _check_software(site, node, has, found)
        _check_addresses(site, node, has, found)
        _check_ports(site, node, has, found)
        for folder, free in has.free_mb.items():
            needed = _ROOM_MB.get(folder, 0)
            if free < needed:
                found.add(node.name, NO_ROOM, folder=folder, free=free, needed=needed)
    _check_together(site, facts, found)
    if seconds_apart > _SECONDS_APART:
        found.add("both", CLOCKS, seconds=round(seconds_apart))


def file_system(facts: tuple[Facts, Facts]) -> str:
    """Return the file system for the state volume that both nodes can have; "" if there is none."""
    return software.file_system(tuple(each.programs for each in facts), tuple(each.modules for each in facts))


def _check_software(site: Site, node: Node, has: Facts, found: Findings) -> None:
    if not has.root:
        found.add(node.name, NOT_ROOT)
    missing = [name for name in software.needed(site) if name not in has.programs]
    if missing:
        command = software.packages(missing, has.system)
        found.add(node.name, NO_PROGRAMS, system=has.system_name, programs=" ".join(missing), command=command)
    for module in software.needed_modules():
        if module not in has.modules:
            remedy = software.module_package(module, has.system)
            found.add(node.name, NO_MODULE, kernel=has.kernel, module=module, remedy=remedy)


def _check_addresses(site: Site, node: Node, has: Facts, found: Findings) -> None:
    present = {each.address: each for each in has.addresses}
    listed = " ".join(present) or "none"
    for address in dict.fromkeys((*node.links, node.replication)):
        if address and address not in present:
            prefix = 128 if ":" in address else 24
            found.add(node.name, NO_ADDRESS, address=address, addresses=listed, prefix=prefix)
    served = has.cluster is not None and bool(has.cluster.resources)
    for portal in (portal for resource in site.resources for portal in resource.portals):
        if portal.address in present and not served:
            found.add(node.name, PORTAL_IN_USE, address=portal.address)


def _check_ports(site: Site, node: Node, has: Facts, found: Findings) -> None:
    """Nobody may have the ports of what is not there yet. A cluster that runs may have made the rest."""
    if has.cluster is not None and has.cluster.resources:
        return
    if has.targets:
        found.add(node.name, TARGETS, targets=" ".join(has.targets))
    for resource in site.resources:
        if resource.port in has.listening and f"name:{resource.name} " not in has.events:
            found.add(node.name, PORT_IN_USE, port=resource.port, what="DRBD", key=f"resources.{resource.name}")
        for portal in resource.portals:
            if int(portal.port) in has.listening and not has.targets:
                found.add(node.name, PORT_IN_USE, port=portal.port, what="iSCSI", key="the portal")


def _check_together(site: Site, facts: tuple[Facts, Facts], found: Findings) -> None:
    one, other = facts
    if one.version != other.version:
        found.add(one.node, OTHER_VERSION, version=one.version, other=other.node, its_version=other.version)
    if one.drbd and other.drbd and (one.drbd.partition(".")[0] != other.drbd.partition(".")[0]):
        found.add(one.node, OTHER_DRBD, version=one.drbd, other=other.node, its_version=other.drbd)
    if any(resource.state for resource in site.resources) and not file_system(facts):
        names = ["mkfs.xfs" if "rhel" in one.system else "mkfs.btrfs"]
        found.add("both", NO_FILE_SYSTEM, command=software.packages(names, one.system))
    ports = sorted({resource.port for resource in site.resources})
    added = " ".join(f"--add-port={port}/tcp" for port in ports)
    for each in facts:
        for firewall in look.FIREWALLS:
            if each.service(firewall).active:
                listed = ", ".join(map(str, ports))
                found.remark(each.node, FIREWALL, firewall=firewall, ports=listed, added=added)
