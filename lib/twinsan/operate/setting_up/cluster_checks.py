# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster that a node may be part of already: that of the site, the one that a package makes, or another one."""

from __future__ import annotations

import re

from twinsan.errors import Failure, Reason
from twinsan.operate.setting_up.look import COROSYNC_CONF
from twinsan.site import cib, corosync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.site.model import Site

OTHER_CLUSTER = Reason(
    Failure,
    "{node} belongs to another cluster: its " + COROSYNC_CONF + " has the nodes {nodes}",
    "if that cluster is gone for ever: ssh root@{node} mv " + COROSYNC_CONF + " " + COROSYNC_CONF + ".old",
)
OTHER_RESOURCES = Reason(
    Failure,
    "a cluster runs on {node} and has resources: {resources}",
    "if they are not needed any more: ssh root@{node} cibadmin --erase --force",
)
NOT_ALL = Reason(
    Failure,
    "the cluster of {node} has resources, and lacks {resources} of the site: init changes no cluster that has any",
    "see what would change: twinsan render {site} --diff; then type: twinsan apply {site}",
)
SILENT = Reason(
    Failure,
    "Pacemaker runs on {node} and does not tell what it serves",
    "see: ssh root@{node} crm_mon -1; if nothing is served there: ssh root@{node} systemctl stop pacemaker",
)
OTHER_NODES = Reason(
    Failure,
    "the cluster of {node} knows other nodes: {nodes}",
    "remove each that is gone for ever: ssh root@{node} crm_node --force --remove NAME",
)
OTHER_VALUES = Reason(
    Failure,
    COROSYNC_CONF + " of {node} is not what the site makes; it stays as it is",
    "to take over the values of the site: twinsan render {site} --only corosync.conf",
)

# What the package of Debian makes of a host: a cluster of this node alone.
DEFAULT_NODE = "node1"
_LOCAL = ("127.0.0.1", "::1", "localhost")


def check(site: Site, site_file: str, facts: tuple[Facts, Facts], found: Findings) -> None:
    """Add what other cluster is in the way."""
    for has in facts:
        nodes = nodes_of(has.corosync or "")
        if not may_be_replaced(has.corosync) and not is_of(site, has.corosync):
            listed = " ".join(name or addresses[0] for name, addresses in nodes.items()) or "that no node list names"
            found.add(has.node, OTHER_CLUSTER, nodes=listed)
        elif is_of(site, has.corosync) and plain(has.corosync or "") != plain(corosync.text(site)):
            found.remark(has.node, OTHER_VALUES, site=site_file)
        if has.cluster is None:
            if has.service("pacemaker").active:
                found.add(has.node, SILENT)
            continue
        ours = {node.name for node in site.nodes}
        others = [name for name in has.cluster.nodes if name not in {*ours, DEFAULT_NODE, ""}]
        if others and may_be_replaced(has.corosync):
            # A cluster of a node under its own name, as a package may make it.
            others = [name for name in others if name != has.node]
        if others:
            found.add(has.node, OTHER_NODES, nodes=" ".join(others))
        if has.cluster.resources and not is_of(site, has.corosync):
            found.add(has.node, OTHER_RESOURCES, resources=" ".join(has.cluster.resources))
        elif has.cluster.resources and (missing := primitives(site) - set(has.cluster.resources)):
            found.add(has.node, NOT_ALL, resources=" ".join(sorted(missing)), site=site_file)


def primitives(site: Site) -> set[str]:
    """The names that the resources of a site have in the cluster."""
    return {each.get("id", "") for each in cib.tree(site).iter("primitive")}


def nodes_of(text: str) -> dict[str, tuple[str, ...]]:
    """The nodes of a corosync.conf, with the addresses of each."""
    found = {}
    for number, block in enumerate(re.findall(r"\bnode\s*\{([^{}]*)\}", plain(text))):
        values = dict(re.findall(r"^\s*([a-z0-9_]+)\s*:\s*(\S+)", block, re.MULTILINE))
        addresses = tuple(value for key, value in sorted(values.items()) if key.startswith("ring"))
        found[values.get("name", f"#{number}")] = addresses or ("?",)
    return found


def is_of(site: Site, text: str | None) -> bool:
    """Whether a corosync.conf has the nodes and the links of a site."""
    return text is not None and nodes_of(text) == {node.name: node.links for node in site.nodes}


def may_be_replaced(text: str | None) -> bool:
    """Whether a corosync.conf is missing, or one as a package brings it: of one node that no other reaches."""
    if text is None:
        return True
    nodes = nodes_of(text)
    # Without a list of nodes, all are members that it reaches in the network of an interface.
    reached = re.findall(r"^bindnetaddr\s*:\s*(\S+)", plain(text), re.MULTILINE) if not nodes else []
    reached += [address for addresses in nodes.values() for address in addresses]
    return len(nodes) <= 1 and all(address in _LOCAL for address in reached)


def plain(text: str) -> str:
    """A configuration without comments, empty lines and indentation."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))
