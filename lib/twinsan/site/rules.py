# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules between the values of a site: what two parts may not share, and what one needs of the other.

A value that was wrong by itself is empty in the model, and breaks no rule.
"""

from __future__ import annotations

from twinsan.errors import Misconfigured, Reason
from twinsan.lio import naa
from twinsan.site import address_rules, declarations, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.site.mistakes import Mistakes
    from twinsan.site.model import Resource, Site
    from twinsan.site.places import Path

NOT_TWO = Reason(
    Misconfigured, "a pair has two nodes and this site has {number}", "describe two: [nodes.atlas] [nodes.zeus]"
)
CLASH = Reason(
    Misconfigured,
    "beside a node {other}, something else in the cluster's configuration would have the name {identity}",
    "give one of the two another name",
)
NO_BMC = Reason(Misconfigured, "node {node} has no BMC, and fencing by ipmi needs one", 'write: bmc = "10.0.6.2"')
BMC_UNUSED = Reason(Misconfigured, "fencing by {by} uses no BMC", "leave bmc out, or fence by ipmi")
TWO_DISKS = Reason(Misconfigured, "of two SBD disks neither may fail", "give one, or three")
SBD_ON_SAN = Reason(Misconfigured, "{device} is served by the pair itself", "take a disk of a third machine for SBD")
NO_WITNESS = Reason(
    Misconfigured,
    "two nodes that fence by their watchdogs need a third vote: without it each would reset itself when the other dies",
    'write: witness = {{ host = "10.0.6.14" }}',
)
NO_RESOURCE = Reason(Misconfigured, "the site serves nothing", "describe a DRBD resource: [resources.data0]")
TOO_MANY_LUNS = Reason(
    Misconfigured, "a target of LIO has at most {most} LUNs and this one has {number}", "put some into another resource"
)
USED_TWICE = Reason(Misconfigured, "{value} is used already by {other}", "{remedy}")
CAPITALS = Reason(Misconfigured, "an iSCSI name has no capital letters", "write: {right}")
TOGETHER = Reason(Misconfigured, "{text}", "see: man ocf_twinsan_{agent}")
NO_PREFERRED = Reason(Misconfigured, "failback needs a node to go back to", 'write: preferred = "{node}"')
TIE = Reason(
    Misconfigured,
    "if each node serves as much as the other and they lose contact, both would fence at once, and both be off",
    "give one resource a higher priority: priority = 10",
)
TOO_STICKY = Reason(
    Misconfigured,
    "with a stickiness of {stickiness}, the {luns} LUNs and {portals} addresses of {resource} together outweigh its "
    "promotion score: a node whose data is not complete would keep them",
    "give at most {most}, or leave it out; with fewer LUNs in a resource it may be more",
)
LATE = Reason(Misconfigured, "consensus_ms has to be less than token_ms ({token})", "leave both out")

_MOST_LUNS = 256

# What follows the name of a fence device, and a hyphen, in the names of its parts; no node's name has an underscore.
_PARTS = frozenset(
    "parameters meta start stop monitor ip lanplus cipher username password migration-threshold failure-timeout".split()
)

# The parameters with the names of initiators.
_INITIATORS = "allowed_initiators"


def check(site: Site, found: Mistakes) -> None:
    """Add to `found` each rule that a site breaks."""
    if len(site.nodes) != 2:
        found.add(("nodes",), NOT_TWO, number=len(site.nodes))
    _check_names(site, found)
    _check_fencing(site, found)
    address_rules.check(site, found)
    if not site.resources:
        found.add(("resources",), NO_RESOURCE)
    for resource in site.resources:
        _check_resource(resource, site, found)
    _check_unique(site, found)
    if len(site.resources) > 1 and not site.witness and _can_tie(resource.priority + 1 for resource in site.resources):
        found.add((*site.resources[-1].path, "priority"), TIE)
    _check_stickiness(site, found)
    if site.policy.consensus_ms >= site.policy.token_ms:
        found.add(("policy", "consensus_ms"), LATE, token=site.policy.token_ms)


def _check_stickiness(site: Site, found: Mistakes) -> None:
    largest = min(site.resources, key=lambda each: each.most_stickiness, default=None)
    if largest is not None and site.stickiness > largest.most_stickiness:
        found.add(
            ("policy", "stickiness"),
            TOO_STICKY,
            stickiness=site.stickiness,
            luns=len(largest.luns),
            portals=len(largest.portals),
            resource=largest.name,
            most=largest.most_stickiness,
        )


def _check_names(site: Site, found: Mistakes) -> None:
    """Add a node whose fence device would have the name of a part of another node's, or that is the other one."""
    for node in site.nodes:
        for other in site.nodes:
            rest = node.name[len(other.name) + 1 :]
            part = rest in _PARTS or rest == f"not-on-{other.name}"
            same = node is not other and node.name.lower() == other.name.lower()
            if same or (node.name.startswith(f"{other.name}-") and part):
                found.add(node.path, CLASH, other=other.name, identity=f"fence_{node.name}")


def _check_fencing(site: Site, found: Mistakes) -> None:
    fencing = site.fencing
    for node in site.nodes:
        if fencing.by == model.IPMI and not node.bmc:
            found.add((*node.path, "bmc"), NO_BMC, node=node.name)
        elif fencing.by != model.IPMI and node.bmc:
            found.add((*node.path, "bmc"), BMC_UNUSED, by=fencing.by)
    if fencing.by == model.WATCHDOG and not site.witness:
        found.add(("fencing", "by"), NO_WITNESS)
    if len(fencing.devices) == 2:
        found.add(("fencing", "devices"), TWO_DISKS)
    served = {volume.device for resource in site.resources for volume in resource.volumes}
    for number, device in enumerate(fencing.devices):
        if device in served:
            found.add(("fencing", "devices", number), SBD_ON_SAN, device=device)


def _check_resource(resource: Resource, site: Site, found: Mistakes) -> None:
    if len(resource.luns) > _MOST_LUNS:
        found.add(resource.luns[_MOST_LUNS].path, TOO_MANY_LUNS, most=_MOST_LUNS, number=len(resource.luns))
    if resource.failback and not resource.preferred:
        found.add((*resource.path, "failback"), NO_PREFERRED, node=site.nodes[0].name if site.nodes else "atlas")
    target = (*resource.path, "target")
    for name in ("iqn", _INITIATORS):
        _check_case(resource.target.get(name, ""), (*target, name), found)
    _check_together("lio-iscsi-target", {**resource.target, "portals": "10.0.5.50"}, target, found)
    for lun in resource.luns:
        _check_case(lun.parameters.get(_INITIATORS, ""), (*lun.path, _INITIATORS), found)
        own = {"target_iqn": "iqn.2003-01.org.example:san", "lun": str(lun.number), "path": "/dev/drbd0"}
        _check_together("lio-lun", {**lun.parameters, **own}, lun.path, found)
    for portal in resource.portals:
        if portal.address:
            _check_together("portal-ip", portal.parameters, portal.path, found)
    _check_together("drbd-vaai", {**resource.replica, "drbd_resource": resource.name}, resource.path, found)


def _check_case(text: str, path: Path, found: Mistakes) -> None:
    if text != text.lower():
        found.add(path, CAPITALS, right=text.lower())


def _check_together(agent: str, values: dict[str, str], path: Path, found: Mistakes) -> None:
    """Ask an agent for its rules between parameters. A secret that the cluster keeps is left out: it has no value."""
    declared = declarations.parameters(agent)
    known = {name: value for name, value in values.items() if not declared[name].secret}
    missing = any(parameter.required and name not in known for name, parameter in declared.items())
    hides = len(known) != len(values)
    text = "" if missing or hides else declarations.fault_of_all(agent, known)
    if text:
        found.add(path, TOGETHER, text=text, agent=agent)


def _check_unique(site: Site, found: Mistakes) -> None:
    """Add what two parts of the site have, and only one may."""
    for remedy, used in (
        (
            'the names in the cluster would be the same: give it another suffix, as in suffix = "_data1"',
            _suffixes(site),
        ),
        ("give it a port of its own", _ports(site)),
        ("give it a device of its own", _devices(site)),
        ("give it a volume number of its own: volume = 5", _volumes(site)),
        ("give it a disk of its own", _disks(site)),
        ("give it a name of its own", _iqns(site)),
        ("give it a number of its own", _lun_numbers(site)),
        ("give it a serial of its own, or none: twinsan makes one", _serials(site)),
        ("give it a port number of its own: relative_port = 2", _relative_ports(site)),
    ):
        first: dict[object, str] = {}
        for key, value, path in used:
            shown = ".".join(str(part) for part in path[:3])
            if key in first:
                found.add(path, USED_TWICE, value=value, other=first[key], remedy=remedy)
            first.setdefault(key, shown)


def _suffixes(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        yield each.suffix, f'the suffix "{each.suffix}"', (*each.path, "suffix")


def _ports(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        yield each.port, f"port {each.port} of DRBD", (*each.path, "port")


def _devices(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        yield from (
            (volume.device, volume.device, (*volume.path, "device")) for volume in each.volumes if volume.device
        )


def _volumes(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        for volume in each.volumes:
            if volume.device:
                yield (each.name, volume.number), f"volume {volume.number}", (*volume.path, "volume")


def _disks(site: Site) -> Iterator[tuple[object, str, Path]]:
    for number, device in enumerate(site.fencing.devices):
        for node in site.nodes:
            yield (node.name, device), device, ("fencing", "devices", number)
    for each in site.resources:
        for volume in each.volumes:
            for name, disk in volume.disks.items():
                if disk:
                    yield (name, disk), f"{disk} of {name}", (*volume.path, "disk")


def _iqns(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        if each.iqn:
            yield each.iqn.lower(), each.iqn, (*each.path, "target", "iqn")


def _lun_numbers(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        yield from (((each.name, lun.number), f"LUN {lun.number}", (*lun.path, "lun")) for lun in each.luns)


def _serials(site: Site) -> Iterator[tuple[object, str, Path]]:
    """The serials by which hosts tell disks apart: given, or made of the target's name and the number."""
    for each in site.resources:
        for lun in each.luns:
            given = lun.parameters.get("scsi_sn", "")
            serial = given or naa.serial(each.iqn.lower(), lun.number)
            if given or each.iqn:
                yield naa.name(serial) if given else serial, f"serial {serial}", (*lun.path, "scsi_sn")


def _relative_ports(site: Site) -> Iterator[tuple[object, str, Path]]:
    for each in site.resources:
        number = each.target.get("relative_port", "1")
        yield number, f"relative port {number}", (*each.path, "target", "relative_port")


def _can_tie(weights: Iterable[int]) -> bool:
    """Whether the resources can be divided among the nodes so that both have the same priority."""
    sums, total = {0}, 0
    for weight in weights:
        sums |= {each + weight for each in sums}
        total += weight
    return total % 2 == 0 and total // 2 in sums
