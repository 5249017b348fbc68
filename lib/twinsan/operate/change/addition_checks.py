# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at both nodes for new volumes of resources that serve, and judge what is in the way."""

from __future__ import annotations

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.operate import remote
from twinsan.operate.change import leftovers, node_files
from twinsan.operate.change.additions import Additions
from twinsan.operate.setting_up import disk_checks, facts, node_checks, nodes
from twinsan.operate.setting_up.nodes import Pair
from twinsan.site import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource as Replica
    from twinsan.operate.change.volumes import New
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.site.model import Resource, Site

NOT_WELL = Reason(
    Failure,
    "{resource} is not connected with all data on both nodes, and a new volume is made on both",
    "see: drbdadm status {resource}",
)
NO_FILE = Reason(
    Failure,
    "{path} of {node} is missing, which the resource was made from",
    "copy it from the other node: scp -p {other}:{path} {path}",
)
OTHER_FILE = Reason(
    Failure,
    "{path} of {node} has volume {number} otherwise than the site, or is written so that it cannot be added",
    "correct it there by hand: twinsan render SITE --output FOLDER writes the site's",
)
NO_UTF_8 = Reason(
    Failure,
    "{path} of {node} has characters that are no UTF-8, and could become others",
    "take them out there; in a secret, on both nodes, and then: drbdadm adjust {resource}",
)
DEVICE_TAKEN = Reason(
    Failure, "{device} of {node} is there already, for another disk", "give the LUN another device in the site file"
)


def look(site: Site, new: list[New], overwrite: frozenset[str]) -> Additions:
    """Look at both nodes, and change nothing. Raises Failure if one cannot be asked."""
    here, other = remote.pair(node.name for node in site.nodes)
    other.require_name()
    one, another = sorted((here, other), key=lambda node: [each.name for each in site.nodes].index(node.name))
    told = remote.on_each([one, another], lambda node: _ask(site, node))
    pair = Pair(site, "", (one, another), here, (told[0], told[1]), overwrite=overwrite)
    found = Additions(pair, new)
    for resource in found.resources:
        place, _ = node_files.find(resource, node_files.drbd_files())
        for node in pair.nodes:
            found.files[node.name, resource.name] = (place, node.read_text(place, deadline=Deadline(60)) or "")
        replica = nodes.replica(here, resource.name)
        _check_replica(found, resource, replica)
    _check(found)
    return found


def _ask(site: Site, node: Node) -> Facts:
    return facts.ask(node, [*disk_checks.paths(site, node.name), *site.fencing.devices], Deadline(facts.SECONDS))


def ask_again(found: Additions) -> None:
    """Check that the disks that may be written to are as they were: an answer may take hours. Raises Failure."""
    now = found.pair.on_both(lambda node: _ask(found.pair.site, node))
    for node, has in zip(found.pair.nodes, now):
        for each in found.new:
            before, path = found.disk(node, each), each.volume.disks[node.name]
            if not found.is_begun(node, each) and has.disk(path) != before:
                raise disk_checks.CHANGED(path=path, node=node.name)


def _check_replica(found: Additions, resource: Resource, replica: Replica | None) -> None:
    here = found.pair.here
    other = next(node for node in found.pair.nodes if node is not here)
    there = replica is not None and any(each.role == "Primary" for each in replica.connections)
    found.leaders[resource.name] = other if there else here
    if replica is not None and (there or replica.primary):
        found.primary.add(resource.name)
    if replica is None or not _is_well(replica, {each.volume.number for each in found.of(resource)}):
        found.findings.add(here.name, NOT_WELL, resource=resource.name)


def _is_well(replica: Replica, new: set[int]) -> bool:
    """Whether all but the new volumes are complete on both nodes."""
    if not replica.connections or replica.alone or replica.suspended:
        return False
    return all(
        volume.disk == "UpToDate" and all(each.disk == "UpToDate" for _, each in replica.replicas(volume))
        for volume in replica.volumes
        if volume.number not in new
    )


def _check(found: Additions) -> None:
    pair, site = found.pair, found.pair.site
    one, another = pair.facts
    if one.version != another.version:
        values = {"version": one.version, "other": another.node, "its_version": another.version}
        found.findings.add(one.node, node_checks.OTHER_VERSION, **values)
    begun = frozenset(
        (node.name, each.resource.name, each.volume.number)
        for each in found.new
        for node in pair.nodes
        if found.is_begun(node, each)
    )
    wanted = [(each.resource, each.volume) for each in found.new]
    disk_checks.check_new(site, wanted, pair.facts, pair.overwrite, begun, found.findings)
    for node in pair.nodes:
        for resource in found.resources:
            _check_file(found, node, resource)
        for each in found.new:
            has, device = pair.facts_of(node), each.volume.device
            if str(each.volume.minor) in has.minors and not disk_checks.is_attached(each.volume, has):
                found.findings.add(node.name, DEVICE_TAKEN, device=device)


def _check_file(found: Additions, node: Node, resource: Resource) -> None:
    """Check that DRBD's file of a node can be given the new volumes, and nothing else."""
    place, text = found.files[node.name, resource.name]
    other = next(each.name for each in found.pair.nodes if each is not node)
    values = {"path": place, "resource": resource.name, "other": other}
    if not text:
        found.findings.add(node.name, NO_FILE, **values)
        return
    if "\ufffd" in text:
        found.findings.add(node.name, NO_UTF_8, **values)
    changes = settings.differences(place, text, found.wanted(node, resource), settings.of_drbd)
    left = {volume.minor for volume in leftovers.of(resource, found.pair.site, text)}
    for each in found.of(resource):
        is_new = not found.is_in_file(node, each)
        has_it = found.in_file(each, text) if is_new else {}
        if has_it or (is_new and not found.in_file(each, found.wanted(node, resource))):
            found.findings.add(node.name, OTHER_FILE, number=each.volume.number, **values)
        elif each.volume.minor in left:
            found.findings.add(node.name, DEVICE_TAKEN, device=each.volume.device)
    if any(change.sign != "+" for change in changes):
        found.findings.add(node.name, OTHER_FILE, number=found.of(resource)[0].volume.number, **values)


def obstacles(found: Additions) -> list[str]:
    """What is in the way, each with its node and with what to type."""
    return [f"{each.node}: {each.what}; {each.remedy}" for each in found.findings.in_the_way]


def unmade(new: list[New], why: object) -> list[str]:
    """How to make volumes by hand."""
    return [each.by_hand(why) for each in new]
