# SPDX-License-Identifier: GPL-2.0-or-later
"""The resources of the cluster's configuration: fence devices, replicas, targets, LUNs and portal addresses."""

from __future__ import annotations

from twinsan.site import declarations, model
from twinsan.site.elements import add, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.site.model import Lun, Policy, Portal, Resource, Site

# A fence device that failed is tried again after a minute; its actions are those of a BMC or a disk.
_OF_FENCING = {"migration-threshold": "1", "failure-timeout": "60s"}
_PLAIN_CLONE = {"clone-max": "2", "clone-node-max": "1", "interleave": "true", "notify": "false"}
_REPLICAS = {"promotable": "true", "promoted-max": "1", **_PLAIN_CLONE}

# Which the promoted instance has one more of; see reasons.
_PRIORITY = "10"

# `twinsan check` warns of a longer one.
_MOST_SECONDS_BETWEEN_MONITORS = 60


def add_fencing(resources: _Element, site: Site) -> None:
    """Add the fence devices: one for each node, or one for both; none where a watchdog does it."""
    if site.fencing.by == model.SBD:
        hosts = " ".join(node.name for node in site.nodes)
        values = {"pcmk_host_list": hosts, "devices": ",".join(site.fencing.devices)}
        # It may run on either node, and stays where it is when the SAN moves.
        meta = {"resource-stickiness": str(site.stickiness), **_OF_FENCING}
        _add_device(resources, "fence_sbd", "fence_sbd", "Has either node reset itself, by the SBD disk", values, meta)
    if site.fencing.by != model.IPMI:
        return
    for node in site.nodes:
        values = {"pcmk_host_list": node.name, "ip": node.bmc, "lanplus": "1", **_credentials(site)}
        description = f"Powers {node.name} off, from {site.peer(node).name}"
        _add_device(resources, f"fence_{node.name}", "fence_ipmilan", description, values, _OF_FENCING)


def add_all(resources: _Element, resource: Resource, site: Site) -> None:
    """Add what serves a DRBD resource."""
    _add_replicas(resources, resource, site.policy)
    _add_targets(resources, resource, site.policy)
    meta = {"resource-stickiness": str(site.stickiness), **_limits(site.policy)}
    holder, own = resources, meta
    if resource.grouped:
        group = resource.called("g_san")
        description = "What initiators see; starts in this order, stops in the mirror of it"
        holder, own = add(resources, "group", id=group, description=description), {}
        pairs(holder, "meta_attributes", f"{group}-meta", group, meta)
    for lun in resource.luns:
        _add_lun(holder, lun, resource, own, _seconds_between_monitors(site))
    for portal in resource.portals:
        first = portal is resource.portals[0]
        more = {"priority": str(resource.priority)} if resource.priority and first else {}
        _add_portal(holder, portal, {**more, **own})


def _credentials(site: Site) -> dict[str, str]:
    """What fence_ipmilan logs in with. Without a password the device does not start; it stands here to be set."""
    given = site.fencing.parameters
    values = {name: given[name] for name in ("cipher", "power_wait", "username")}
    if "password_script" in given:
        return {**values, "password_script": given["password_script"]}
    return {**values, "password": given.get("password", "")}


def _add_device(
    resources: _Element, name: str, kind: str, description: str, values: dict[str, str], meta: dict[str, str]
) -> None:
    device = add(resources, "primitive", id=name, class_="stonith", type=kind, description=description)
    pairs(device, "instance_attributes", f"{name}-parameters", name, values)
    pairs(device, "meta_attributes", f"{name}-meta", name, meta)
    operations = add(device, "operations")
    for verb, interval in (("start", "0s"), ("stop", "0s"), ("monitor", "60s")):
        add(operations, "op", id=f"{name}-{verb}", name=verb, interval=interval, timeout="60s")


def _add_replicas(resources: _Element, resource: Resource, policy: Policy) -> None:
    name = resource.called("ms_drbd")
    clone = add(resources, "clone", id=name, description="Both replicas, one of them writable")
    pairs(clone, "meta_attributes", f"{name}-meta", name, _REPLICAS)
    values = {"drbd_resource": resource.name}
    if resource.state:
        values["state_device"] = resource.state.device
    what = "A replica of the disk" if len(resource.luns) == 1 else "A replica of the disks"
    meta = {"priority": _PRIORITY, **_limits(policy)}
    _add_agent(clone, resource.called("p_drbd"), "drbd-vaai", what, {**values, **resource.replica}, meta)


def _add_targets(resources: _Element, resource: Resource, policy: Policy) -> None:
    name = resource.called("c_target")
    clone = add(resources, "clone", id=name, description="The target stands ready on both nodes; a LUN opens it")
    pairs(clone, "meta_attributes", f"{name}-meta", name, _PLAIN_CLONE)
    given = dict(resource.target)
    portals = " ".join(f"{_bracketed(portal.address)}:{portal.port}" for portal in resource.portals)
    values = {"iqn": given.pop("iqn"), "portals": portals, **given}
    _add_agent(clone, resource.called("p_target"), "lio-iscsi-target", "The iSCSI target", values, _limits(policy))


def _seconds_between_monitors(site: Site) -> int:
    """The seconds between two monitors of a LUN: a node that serves 60 LUNs or fewer starts at most one in a second. In
    tens, so that one more LUN seldom changes the operations of the others.
    """
    tens = -(-sum(len(each.luns) for each in site.resources) // 10)
    return min(10 * tens, _MOST_SECONDS_BETWEEN_MONITORS)


def _add_lun(holder: _Element, lun: Lun, resource: Resource, meta: dict[str, str], seconds: int) -> None:
    values = {"target_iqn": resource.iqn, "lun": str(lun.number), "path": lun.volume.device, **lun.parameters}
    what = f"{'The' if len(resource.luns) == 1 else 'A'} disk, as LUN {lun.number}"
    _add_agent(holder, lun.name, "lio-lun", what, values, meta, seconds)


def _add_portal(holder: _Element, portal: Portal, meta: dict[str, str]) -> None:
    what = "The address that initiators log in to: last to come, first to leave"
    _add_agent(holder, portal.name, "portal-ip", what, portal.parameters, meta)


def _add_agent(
    holder: _Element,
    name: str,
    agent: str,
    description: str,
    values: dict[str, str],
    meta: dict[str, str],
    least_interval: int = 0,
) -> None:
    """Add a resource of one of our agents, with the operations that it advises. `least_interval`, in seconds, is for
    its monitors.
    """
    primitive = add(holder, "primitive", id=name, class_="ocf", provider="twinsan", type=agent, description=description)
    pairs(primitive, "instance_attributes", f"{name}-parameters", name, values)
    pairs(primitive, "meta_attributes", f"{name}-meta", name, meta)
    operations = add(primitive, "operations")
    for advised in declarations.operations(agent):
        role = {"role": advised.role} if advised.role else {}
        identity = "-".join([name, advised.name, *(each.lower() for each in role.values())])
        interval = max(advised.interval, least_interval) if advised.interval else 0
        times = {"interval": f"{interval}s", "timeout": f"{advised.timeout}s"}
        add(operations, "op", id=identity, name=advised.name, **role, **times)


def _limits(policy: Policy) -> dict[str, str]:
    return {
        "migration-threshold": str(policy.migration_threshold),
        "failure-timeout": f"{policy.failure_timeout}s",
    }


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
