# SPDX-License-Identifier: GPL-2.0-or-later
"""What is served: which resources of the cluster belong together, and where they run."""

from __future__ import annotations

import os

from twinsan.disk import node_differences
from twinsan.drbd import state_volume
from twinsan.errors import Failure
from twinsan.host import block_tree, rundir
from twinsan.lio.lun import Lun
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.shape import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.operate.facts import storage_shape as shape
    from twinsan.operate.facts.cluster_shape import Cluster, Instance
    from twinsan.operate.facts.configuration import Configuration, Primitive
    from twinsan.operate.facts.storage_shape import Replication


def find(cib: Configuration, cluster: Cluster | None, replication: Iterable[Replication]) -> list[Service]:
    """Return the services that the cluster is configured for. Where they run is known from `cluster`, and which LUN is
    on which DRBD resource from `replication`, as far as these could be seen.
    """
    minors = {each.drbd: {volume.minor for volume in each.volumes} for each in replication}
    replicas = cib.of_agent("drbd-vaai")
    return [_service(replica, cib, cluster, minors, alone=len(replicas) == 1) for replica in replicas]


def named(luns: Iterable[shape.Lun], cib: Configuration) -> tuple[shape.Lun, ...]:
    """Return the LUNs with the names that the cluster has for them, in the order of target and number."""
    names = {(_iqn(each, "target_iqn"), each.parameters.get("lun", "")): each.id for each in cib.of_agent("lio-lun")}
    found = [replace(each, resource=names.get((each.target or "", str(each.lun)))) for each in luns]
    return tuple(sorted(found, key=lambda each: (each.target or "", each.lun or 0)))


def _service(
    replica: Primitive, cib: Configuration, cluster: Cluster | None, minors: dict[str, set[int]], *, alone: bool
) -> Service:
    drbd = replica.parameters.get("drbd_resource", "")
    clone = replica.within[-1] if replica.within else replica.id
    luns = [
        lun
        for lun in cib.of_agent("lio-lun")
        if alone or _is_on(lun, minors.get(drbd, set())) or _follows(cib, lun, clone)
    ]
    iqns = {_iqn(lun, "target_iqn") for lun in luns}
    targets = [each for each in cib.of_agent("lio-iscsi-target") if _iqn(each, "iqn") in iqns]
    listening = {_address(word) for each in targets for word in each.parameters.get("portals", "").split()}
    portals = [each for each in cib.of_agent("portal-ip") if each.parameters.get("ip", "").lower() in listening]
    moving = [*luns, *portals]
    instances = cluster.instances if cluster is not None else ()
    promoted = next((each.node for each in instances if (each.resource, each.role) == (replica.id, "Promoted")), None)
    there = [_running(each, promoted, instances) for each in moving]
    serving = promoted is not None and bool(luns) and None not in there
    begun = [each.since for each in there[len(luns) :] or there if each is not None and each.since is not None]
    return Service(
        drbd=drbd,
        replica=replica.id,
        clone=clone,
        state_device=replica.parameters.get("state_device", ""),
        targets=tuple(each.id for each in targets),
        luns=tuple(each.id for each in luns),
        portals=tuple(each.id for each in portals),
        addresses=tuple(each.parameters.get("ip", "") for each in portals),
        names=tuple(dict.fromkeys(name for each in (replica, *targets, *moving) for name in each.names)),
        disabled={each.id: each.enabling_command for each in (replica, *targets, *moving) if each.enabling_command},
        reservations_optional=tuple(each.id for each in luns if each.parameters.get("require_reservations") == "no"),
        state_mounted=_state_mounted(drbd, replica.parameters.get("state_device", ""), promoted),
        promoted=promoted,
        node=promoted if serving else None,
        since=max(begun, default=None) if serving else None,
        refusals=_refusals(luns),
    )


def _running(primitive: Primitive, node: str | None, instances: Iterable[Instance]) -> Instance | None:
    """The instance of a primitive that runs on a node and works."""
    for each in instances:
        if each.resource == primitive.id and each.node == node and each.role == "Started" and node is not None:
            return each
    return None


def _state_mounted(drbd: str, device: str, promoted: str | None) -> bool | None:
    if not device or promoted is None or _short(promoted) != _short(os.uname().nodename):
        return None
    try:
        return bool(state_volume.mounted_device(f"{rundir.DIRECTORY}/state.{drbd}"))
    except OSError:
        return None


def _short(name: str) -> str:
    """A name without its domain, which the cluster's name of a node or the host's may have."""
    return name.partition(".")[0].lower()


def _is_on(lun: Primitive, minors: set[int]) -> bool:
    """Whether the device of a LUN is made of one of these DRBD devices."""
    return not minors.isdisjoint(block_tree.drbd_minors(lun.parameters.get("path", "")))


def _follows(cib: Configuration, lun: Primitive, clone: str) -> bool:
    """Whether a colocation binds a LUN to a clone: the only clue on a node where DRBD cannot be seen."""
    for each in cib.root.findall("configuration/constraints/rsc_colocation"):
        names = {each.get("rsc"), *(ref.get("id") for ref in each.findall("resource_set/resource_ref"))}
        others = {each.get("with-rsc"), *names}
        if clone in others and not names.isdisjoint(lun.names):
            return True
    return False


def _refusals(luns: Iterable[Primitive]) -> dict[str, str]:
    """What other nodes would refuse, from the notes of this node, which has them if it serves."""
    found: dict[str, str] = {}
    for lun in luns:
        number = lun.parameters.get("lun", "")
        try:
            planned = Lun(
                _iqn(lun, "target_iqn"),
                int(number) if number.isdecimal() else 0,
                lun.parameters.get("path", ""),
                resource=lun.id,
            )
            refused = node_differences.refusals(planned, lun.parameters.get("accepted_differences", "").split())
        except (Failure, OSError, ValueError):
            # Not readable for this user.
            continue
        found = {**{node: f"{lun.id}: {why}" for node, why in refused.items()}, **found}
    return found


def _iqn(primitive: Primitive, parameter: str) -> str:
    return primitive.parameters.get(parameter, "").lower()


def _address(portal: str) -> str:
    """The address of a portal such as 10.0.5.50:3260, 10.0.5.50 or [2001:db8::50]:3260."""
    if portal.startswith("["):
        return portal[1:].partition("]")[0].lower()
    return portal.lower() if portal.count(":") > 1 else portal.partition(":")[0]
