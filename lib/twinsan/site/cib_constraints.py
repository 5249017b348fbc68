# SPDX-License-Identifier: GPL-2.0-or-later
"""The constraints of the cluster's configuration: what comes after what, and what is where."""

from __future__ import annotations

from twinsan.site import model
from twinsan.site.elements import add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.site.model import Resource, Site

# More than any promotion score of drbd-vaai.
_PROMOTED_WHERE_TARGET = "100000"


def add_fencing(constraints: _Element, site: Site) -> None:
    """Keep the fence device of each node on the other one."""
    if site.fencing.by != model.IPMI:
        return
    for node in site.nodes:
        device = f"fence_{node.name}"
        identity = f"{device}-not-on-{node.name}"
        add(constraints, "rsc_location", id=identity, rsc=device, node=node.name, score="-INFINITY")


def add_all(constraints: _Element, resource: Resource, site: Site) -> None:
    """Add the constraints of what serves a DRBD resource."""
    if resource.grouped:
        _add_of_group(constraints, resource)
    else:
        _add_of_sets(constraints, resource)
    if resource.preferred:
        holder = resource.called("g_san") if resource.grouped else resource.portals[0].name
        identity = resource.called("san") + f"-prefers-{resource.preferred}"
        score = str(resource.preference(site.stickiness))
        add(constraints, "rsc_location", id=identity, rsc=holder, node=resource.preferred, score=score)


def _add_of_group(constraints: _Element, resource: Resource) -> None:
    """The template's own: LUN and address as a group, after the target and the promotion."""
    group, target, replicas = (resource.called(name) for name in ("g_san", "c_target", "ms_drbd"))
    called = resource.called
    add(constraints, "rsc_order", id=called("target-before-san"), first=target, then=group, kind="Mandatory")
    add(constraints, "rsc_colocation", id=called("san-where-target"), rsc=group, with_rsc=target, score="INFINITY")
    _add_promoted_where_target(constraints, resource)
    add(
        constraints,
        "rsc_order",
        id=called("promote-before-san"),
        first=replicas,
        first_action="promote",
        then=group,
        then_action="start",
        kind="Mandatory",
    )
    add(
        constraints,
        "rsc_colocation",
        id=called("san-where-promoted"),
        rsc=group,
        with_rsc=replicas,
        with_rsc_role="Promoted",
        score="INFINITY",
    )


def _add_of_sets(constraints: _Element, resource: Resource) -> None:
    """The promotion and the target on one side, the addresses on the other; between them the LUNs, in no order."""
    target, replicas = resource.called("c_target"), resource.called("ms_drbd")
    luns, portals = [lun.name for lun in resource.luns], [portal.name for portal in resource.portals]
    _add_promoted_where_target(constraints, resource)
    order = add(constraints, "rsc_order", id=resource.called("luns-after-promotion"), kind="Mandatory")
    _add_set(order, 1, [replicas], action="promote")
    _add_set(order, 2, luns, action="start", sequential="false")
    _add_set(order, 3, portals, action="start", **_unordered(portals))
    order = add(constraints, "rsc_order", id=resource.called("luns-after-target"), kind="Mandatory")
    _add_set(order, 1, [target], action="start")
    _add_set(order, 2, luns, action="start", sequential="false")
    # In a colocation, each set is where the one after it is.
    place = add(constraints, "rsc_colocation", id=resource.called("luns-where-promoted"), score="INFINITY")
    _add_set(place, 1, portals, **_unordered(portals))
    _add_set(place, 2, luns, sequential="false")
    _add_set(place, 3, [replicas], role="Promoted")
    place = add(constraints, "rsc_colocation", id=resource.called("luns-where-target"), score="INFINITY")
    _add_set(place, 1, luns, sequential="false")
    _add_set(place, 2, [target])


def _add_promoted_where_target(constraints: _Element, resource: Resource) -> None:
    add(
        constraints,
        "rsc_colocation",
        id=resource.called("promoted-where-target"),
        rsc=resource.called("ms_drbd"),
        rsc_role="Promoted",
        with_rsc=resource.called("c_target"),
        score=_PROMOTED_WHERE_TARGET,
    )


def _unordered(names: list[str]) -> dict[str, str]:
    return {"sequential": "false"} if len(names) > 1 else {}


def _add_set(constraint: _Element, number: int, names: list[str], **attributes: str) -> None:
    inner = add(constraint, "resource_set", id=f"{constraint.get('id')}-{number}", **attributes)
    for name in names:
        add(inner, "resource_ref", id=name)
