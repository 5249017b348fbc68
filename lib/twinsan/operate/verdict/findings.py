# SPDX-License-Identifier: GPL-2.0-or-later
"""What is not well, from the facts: what the agents say, and what the cluster and DRBD say beside it."""

from __future__ import annotations

from twinsan.operate.verdict.obstacles import NODE_REMEDIES, split
from twinsan.operate.verdict.report import Finding, Obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.facts.cluster_shape import Cluster
    from twinsan.operate.facts.shape import Facts, Service

_CLEAR = "crm_resource --resource {resource} --clear"


def of(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings, those of the services first. A reason that two sources give is one finding."""
    found: dict[str, Finding] = {}
    for finding in _all(facts):
        found.setdefault(finding.what, finding)
    return tuple(found.values())


def _all(facts: Facts) -> Iterator[Finding]:
    if facts.cluster is not None:
        for service in facts.services:
            yield from _service(service, facts.cluster)
        if not facts.services:
            yield Finding(
                "cluster", None, "no drbd-vaai is configured, so nothing is served", "twinsan render SITE.toml"
            )
        yield from _cluster(facts.cluster)
    for resource in facts.replication or ():
        if resource.ailment:
            said = split(resource.ailment)
            yield Finding(resource.drbd, facts.node, said.because, said.type)
    if facts.votes is not None and facts.votes.third_vote_present is False:
        command = "on the third machine: systemctl status corosync-qnetd; here: journalctl -u corosync-qdevice"
        yield Finding("quorum", None, "the third vote is missing", command)


def _service(service: Service, cluster: Cluster) -> Iterator[Finding]:
    if service.promoted is None:
        yield Finding(service.drbd, None, f"no replica of {service.drbd} is promoted", "see: crm_mon -1")
    elif service.node is None:
        running = {each.resource for each in cluster.instances if each.node == service.promoted and not each.failed}
        for resource in (*service.luns, *service.portals):
            if resource not in running:
                command = service.disabled.get(resource, "see: crm_mon -1")
                yield Finding(resource, service.promoted, f"{resource} does not run", command)


def _cluster(cluster: Cluster) -> Iterator[Finding]:
    for failure in cluster.failures:
        if failure.over and failure.degraded:
            # It is well again. The cluster shows the last one until failure-timeout.
            continue
        said = split(failure.reason or f"{failure.operation} failed with {failure.code}")
        if failure.over:
            said = Obstacle(f"it has failed, and works again: {said.because}", said.type)
        yield Finding(failure.resource, failure.node, said.because, said.type)
    for node in cluster.nodes:
        if node.state != "online":
            command = NODE_REMEDIES.get(node.state, "").format(node=node.name)
            yield Finding("node", node.name, f"{node.name} is {node.state}", command)
    if cluster.quorum is False:
        yield Finding("quorum", None, "this part of the cluster has no quorum", "corosync-quorumtool -s")
    if cluster.maintenance:
        command = "crm_attribute --name maintenance-mode --delete"
        yield Finding("cluster", None, "maintenance mode: nothing is watched, and nothing takes over", command)
    yield from _fencing(cluster)
    yield from _constraints(cluster)


def _fencing(cluster: Cluster) -> Iterator[Finding]:
    if not cluster.fencing_enabled:
        yield Finding("fencing", None, "fencing is off", "crm_attribute --name stonith-enabled --delete")
    for device in cluster.fence_devices:
        if device.node is None or device.answers is False:
            state = "does not answer" if device.node else "is stopped"
            command = f"crm_resource --cleanup --resource {device.resource}"
            yield Finding(device.resource, device.node, f"fence device {device.resource} {state}", command)
    for event in (cluster.fencings or ())[:1]:
        if event.status == "failed":
            command = f"see: stonith_admin --history {event.node} --verbose"
            yield Finding("fencing", event.node, f"the last fencing of {event.node} failed", command)


def _constraints(cluster: Cluster) -> Iterator[Finding]:
    for each in cluster.constraints:
        if each.kind in ("move", "ban"):
            what = f"the constraint {each.id} is left from a {each.kind} by hand, and outweighs everything else"
            yield Finding(each.resource, None, what, _CLEAR.format(resource=each.resource))
        elif each.kind == "fence":
            what = f"{each.id} keeps all nodes but those that went on alone from promotion"
            yield Finding(each.resource, None, what, "it goes by itself when the replicas are connected and equal")
