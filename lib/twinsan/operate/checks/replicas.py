# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD: what its files say of each resource that the cluster promotes, and whether both nodes have the same."""

from __future__ import annotations

import re

from twinsan.operate.checks import replication
from twinsan.operate.checks.finding import ERROR, WARNING, Fault
from twinsan.operate.checks.stack import LUNS, REPLICAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding

NOT_DEFINED = Fault(
    "drbd-resource-missing",
    ERROR,
    "DRBD knows no resource {resource}, which {where} manages",
    why="the replica cannot start there, and that node takes nothing over",
    mend="copy its file from the other node, or correct drbd_resource; then: drbdadm dump {resource}",
)
NOT_ON_HOST = Fault(
    "drbd-host-missing",
    ERROR,
    "{where} has no section 'on {host}', which is what uname -n prints",
    why="DRBD does not know its own node, and brings nothing up",
    mend="give the section the name of the node, the same as in the cluster: crm_node --list",
)
DEVICE_NOT_OF_RESOURCE = Fault(
    "device-not-replicated",
    ERROR,
    "{lun} serves {device}, which is no volume of the DRBD resource {where}",
    why="what hosts write there is not on the other node, or its promotion is not that of {where}",
    mend="correct the parameter path: crm configure edit {lun}",
)
DIFFERENT = Fault(
    "drbd-files-differ",
    WARNING,
    "{where} is not the same on both nodes",
    why="the nodes may refuse to connect, or behave differently in a failover",
    mend="copy it to the other node, then on both: drbdadm adjust all",
)
READABLE = Fault(
    "drbd-file-readable",
    WARNING,
    "{where} has mode {mode} and a secret in it",
    why="who knows the secret can take a node's place",
    mend="chmod 600 {where}",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))


def find(configuration: Configuration, facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with DRBD on the nodes of `facts`."""
    replicas = [each for each in configuration.resources if each.agent in REPLICAS]
    named = {each.parameters.get("drbd_resource", ""): each for each in replicas}
    same = len({repr(each["resources"]) for each in facts.values()}) == 1
    for node, seen in facts.items():
        for name, replica in named.items():
            resource = seen["resources"].get(name)
            if resource is None:
                yield NOT_DEFINED.at(replica.id, node=node, resource=name)
                continue
            if seen["host"] not in resource["hosts"]:
                yield NOT_ON_HOST.at(name, node=node, host=seen["host"])
            if not same or node == next(iter(facts)):
                ours = replica.agent == REPLICAS[0]
                yield from replication.of_resource(name, resource, seen, "" if same else node, ours=ours)
        yield from _of_files(node, seen)
    yield from _of_both(facts)
    yield from _of_devices(configuration, facts, named)


def _of_files(node: str, seen: dict[str, Any]) -> Iterator[Finding]:
    secret = any("net.shared-secret" in each["options"] for each in seen["resources"].values())
    for path, file in seen["files"].items():
        if path.endswith(".res") and secret and int(file["mode"], 8) & 0o044:
            yield READABLE.at(path, node=node, mode=file["mode"])


def _of_both(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    if len(facts) != 2:
        return
    one, two = (each["files"] for each in facts.values())
    for path in one:
        if path.endswith(".res") and path in two and one[path]["digest"] != two[path]["digest"]:
            yield DIFFERENT.at(path)


def _of_devices(
    configuration: Configuration, facts: dict[str, dict[str, Any]], named: dict[str, Any]
) -> Iterator[Finding]:
    """Compare the paths of LUNs with the volumes, where there is one resource and nothing between."""
    if len(named) != 1 or not facts:
        return
    name = next(iter(named))
    resource = next(iter(facts.values()))["resources"].get(name)
    if resource is None:
        return
    devices = {
        value.split()[0] for volume in resource["volumes"].values() for value in volume.get("device", {}).values()
    }
    for lun in configuration.resources:
        path = lun.parameters.get("path", "")
        is_drbd = lun.agent in LUNS and re.fullmatch(r"/dev/drbd\d+", path)
        if is_drbd and devices and path not in devices:
            yield DEVICE_NOT_OF_RESOURCE.at(name, lun=lun.id, device=path)
