# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command or a fault has left in the configuration, and what is only written in an old way."""

from __future__ import annotations

from twinsan.cluster.values import is_true
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding

MOVE = Fault(
    "move-constraint",
    WARNING,
    "a move has left the constraint {where} on {resource}",
    why="it outweighs everything else: the cluster tries that node again and again, even if it cannot serve",
    mend="crm resource clear {resource}",
)
FENCED = Fault(
    "fence-constraint",
    WARNING,
    "the constraint {where} lets only {nodes} be promoted",
    why="DRBD's handler made it when a replica fell behind; while it is there, the other node does not take over",
    mend="look at the replication: drbdadm status; when it is complete again: twinsan unfence-peer {resource}",
)
MAINTENANCE = Fault(
    "maintenance",
    WARNING,
    "the cluster is in maintenance mode",
    why="nothing is monitored and nothing is taken over",
    mend="crm_attribute --name maintenance-mode --delete",
)
NODE_MAINTENANCE = Fault(
    "node-maintenance",
    WARNING,
    "{where} is in maintenance mode",
    why="nothing is monitored there and nothing is taken over",
    mend="crm_attribute --node {where} --name maintenance --delete",
)
STANDBY = Fault(
    "standby",
    WARNING,
    "{where} is in standby",
    why="it takes nothing over",
    mend="crm_attribute --node {where} --name standby --delete",
)
STOPPED_ALL = Fault(
    "all-stopped",
    ERROR,
    "stop-all-resources is on",
    why="nothing is served",
    mend="crm_attribute --name stop-all-resources --delete",
)
TARGET_ROLE = Fault(
    "target-role",
    WARNING,
    "{where} has target-role={role}",
    why="it is kept from what it would do: {effect}",
    mend="crm_resource --resource {where} --meta --delete-parameter target-role",
)
UNMANAGED = Fault(
    "unmanaged",
    WARNING,
    "{where} is not managed",
    why="the cluster neither starts, stops nor moves it",
    mend="crm_resource --resource {where} --meta --delete-parameter {option}",
)
OLD_ROLES = Fault(
    "old-roles",
    NOTE,
    "{where} has the role {role}",
    why="Pacemaker 2.1 calls it {new}; 3.0 warns of the old name, and a later version will not know it",
    mend="when all nodes have Pacemaker 2.1: crm configure edit",
)
OLD_CLONE = Fault(
    "old-clone",
    NOTE,
    "{where} is a 'master' and no promotable clone",
    why="Pacemaker 3.0 has no such element any more",
    mend="when all nodes have Pacemaker 2.1: crm configure upgrade force, then make it a clone: crm configure edit",
)
SEVERAL_RULES = Fault(
    "several-rules",
    WARNING,
    "the location {where} has several rules",
    why="Pacemaker 3.0 ignores such a constraint",
    mend="make a constraint of each rule: crm configure edit",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_EFFECTS = {
    "stopped": "nothing of it starts",
    "slave": "no replica is promoted",
    "unpromoted": "no replica is promoted",
}
_NEW = {"master": "Promoted", "slave": "Unpromoted"}


def find(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is left over."""
    yield from _of_constraints(configuration)
    yield from _of_modes(configuration)
    for element in configuration.element.iterfind("resources//master"):
        yield OLD_CLONE.at(element.get("id", ""))
    old = [
        (str(each.get("id", "")), str(value))
        for each in configuration.element.iter("rsc_colocation", "rsc_location", "rule", "resource_set", "op")
        for name, value in each.attrib.items()
        if str(name).endswith("role") and str(value).lower() in _NEW
    ]
    if old:
        yield OLD_ROLES.at(", ".join(each for each, _ in old), role=old[0][1], new=_NEW[old[0][1].lower()])


def _of_constraints(configuration: Configuration) -> Iterator[Finding]:
    for constraint in configuration.constraints("rsc_location"):
        identity = constraint.get("id", "")
        if identity.startswith(("cli-prefer-", "cli-ban-", "cli-standby-")):
            yield MOVE.at(identity, resource=constraint.get("rsc", ""))
        elif identity.startswith("drbd-fence-by-handler-"):
            nodes = [each.get("value", "") for each in constraint.iterfind("rule/expression[@operation='ne']")]
            name = identity[len("drbd-fence-by-handler-") :].rpartition(f"-{constraint.get('rsc', '')}")[0]
            yield FENCED.at(identity, nodes=" ".join(nodes) or "no node", resource=name or "RESOURCE")
        elif len(constraint.findall("rule")) > 1:
            yield SEVERAL_RULES.at(identity)


def _of_modes(configuration: Configuration) -> Iterator[Finding]:
    if is_true(configuration.option("maintenance-mode")):
        yield MAINTENANCE.at("maintenance-mode")
    if is_true(configuration.option("stop-all-resources")):
        yield STOPPED_ALL.at("stop-all-resources")
    for node in configuration.nodes():
        attributes = configuration.node_attributes(node)
        if is_true(attributes.get("standby", "")):
            yield STANDBY.at(node, node=node)
        if is_true(attributes.get("maintenance", "")):
            yield NODE_MAINTENANCE.at(node, node=node)
    seen = set()
    for element in configuration.element.iterfind("resources//meta_attributes/nvpair"):
        holder = element.getparent().getparent()  # type: ignore[union-attr]
        where = "" if holder is None else holder.get("id", "")
        name, value = element.get("name", ""), element.get("value", "")
        if (where, name) in seen:
            continue
        seen.add((where, name))
        if name == "target-role" and value.lower() in _EFFECTS:
            yield TARGET_ROLE.at(where, role=value, effect=_EFFECTS[value.lower()])
        elif (name == "is-managed" and value and not is_true(value)) or (name == "maintenance" and is_true(value)):
            yield UNMANAGED.at(where, option=name)
