# SPDX-License-Identifier: GPL-2.0-or-later
"""Clones and roles: whether a replica can be promoted at all, on one node only, and on either. A simulation of what is
wrong here would only repeat it.
"""

from __future__ import annotations

from twinsan.cluster.values import is_true
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault
from twinsan.operate.checks.stack import REPLICAS, TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Configuration, Resource
    from twinsan.operate.checks.finding import Finding
    from twinsan.operate.checks.stack import Stack

NOTHING_SERVED = Fault(
    "nothing-served",
    WARNING,
    "no LUN is served here",
    why="there is neither an ocf:twinsan:lio-lun nor an ocf:heartbeat:iSCSILogicalUnit to look at",
    mend="name another file, or load a configuration: crm configure load xml update cib.xml",
)
NO_CLONE = Fault(
    "replica-not-cloned",
    ERROR,
    "the replica {where} is in no clone",
    why="it runs on one node only, so the other one has no replica to take over with",
    mend="crm configure clone ms_{where} {where} meta promotable=true promoted-max=1 clone-max=2",
)
NOT_PROMOTABLE = Fault(
    "replica-not-promotable",
    ERROR,
    "the clone {where} is not promotable",
    why="no replica is ever promoted, and nothing can be served",
    mend="crm_resource --resource {where} --meta --set-parameter promotable --parameter-value true",
)
TWO_PRIMARIES = Fault(
    "two-primaries",
    ERROR,
    "{where} lets {value} replicas be promoted at a time",
    why="two kernels that serve one disk share neither its locks nor its reservations: the data is destroyed",
    mend="crm_resource --resource {where} --meta --set-parameter promoted-max --parameter-value 1",
)
ONE_REPLICA = Fault(
    "one-replica",
    ERROR,
    "{where} has clone-max={value}",
    why="only one node has a replica, so the other one cannot take over",
    mend="crm_resource --resource {where} --meta --set-parameter clone-max --parameter-value 2",
)
NO_NOTIFICATIONS = Fault(
    "notifications-missing",
    ERROR,
    "{where} has no notify=true",
    why="ocf:linbit:drbd refuses to start without notifications",
    mend="crm_resource --resource {where} --meta --set-parameter notify --parameter-value true",
)
NOTIFICATIONS = Fault(
    "notifications-unneeded",
    NOTE,
    "{where} has notify=true",
    why="the agents of twinsan need no notifications: each is one more agent to start in a failover",
    mend="crm_resource --resource {where} --meta --set-parameter notify --parameter-value false",
)
NOT_INTERLEAVED = Fault(
    "not-interleaved",
    WARNING,
    "{where} has no interleave=true and is ordered after the clone {first}",
    why="what happens to one node's instance restarts that of the other node",
    mend="crm_resource --resource {where} --meta --set-parameter interleave --parameter-value true",
)
NO_TARGET = Fault(
    "target-missing",
    ERROR,
    "{where} belongs to the target {iqn}, which no resource makes",
    why="a LUN without its target cannot start",
    mend="correct the parameter target_iqn: crm configure edit {where}",
)
NO_ADDRESS = Fault(
    "address-missing",
    ERROR,
    "nothing gives {where} an address",
    why="hosts that know an address of one node lose the disk when it moves to the other one",
    mend="add an ocf:twinsan:portal-ip for the portal address of its target: man ocf_twinsan_portal-ip",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))


def find(configuration: Configuration, stacks: list[Stack]) -> Iterator[Finding]:
    """Yield what is wrong with clones and roles."""
    if not stacks:
        yield NOTHING_SERVED.at("resources")
    for stack in stacks:
        if stack.replica:
            yield from _of_replica(stack.replica, configuration)
        for lun in stack.luns:
            iqn = lun.parameters.get("target_iqn", "").lower()
            if not any(target.parameters.get("iqn", "").lower() == iqn for target in stack.targets):
                yield NO_TARGET.at(lun.id, iqn=iqn or "without a name")
        if stack.targets and not stack.addresses:
            yield NO_ADDRESS.at(stack.targets[0].id)
    clones = {each.clone: each for each in configuration.resources if each.clone}
    for constraint in configuration.constraints("rsc_order"):
        then, first = constraint.get("then", ""), constraint.get("first", "")
        if then in clones and first in clones and not is_true(clones[then].meta.get("interleave", "")):
            yield NOT_INTERLEAVED.at(then, first=first)


def _of_replica(replica: Resource, configuration: Configuration) -> Iterator[Finding]:
    if not replica.clone:
        yield NO_CLONE.at(replica.id)
        return
    meta, tag = replica.meta, configuration.tag(replica.clone)
    if tag == "clone" and not is_true(meta.get("promotable", "")):
        yield NOT_PROMOTABLE.at(replica.clone)
    most = meta.get("promoted-max", meta.get("master-max", "1"))
    if most.isdecimal() and int(most) > 1:
        yield TWO_PRIMARIES.at(replica.clone, value=most)
    instances = meta.get("clone-max", "2")
    if instances.isdecimal() and int(instances) < 2:
        yield ONE_REPLICA.at(replica.clone, value=instances)
    notified = is_true(meta.get("notify", ""))
    if replica.agent == REPLICAS[1] and not notified:
        yield NO_NOTIFICATIONS.at(replica.clone)
    for each in configuration.resources:
        if each.clone and each.agent in (REPLICAS[0], TARGETS[0]) and is_true(each.meta.get("notify", "")):
            yield NOTIFICATIONS.at(each.clone)
