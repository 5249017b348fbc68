# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found before a disk is replaced: the volumes, the disks that the site names for them, and both nodes."""

from __future__ import annotations

from dataclasses import dataclass

from twinsan.deadline import Deadline
from twinsan.drbd import events2
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.operate import remote
from twinsan.operate.setting_up import disk_checks, facts, nodes, replication
from twinsan.site import drbd, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.disk import Disk
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.site.draft import Change
    from twinsan.site.model import Resource, Site, Volume

NO_SUCH_RESOURCE = Reason(
    Misconfigured, "the site has no DRBD resource or volume {name}", "those that it has: {others}"
)

# In what state the disk of a volume is on this node: DRBD is down, it has no disk, that of the site, or another one.
DOWN, GONE, ATTACHED, ELSEWHERE = "down", "gone", "attached", "elsewhere"

# What create-md writes (drbd.h: UUID_JUST_CREATED). The lowest bit says Primary.
_JUST_CREATED = 4

_SECTOR = 512


@dataclass(frozen=True)
class Looked:
    """`volumes` are those that were named, `here` is the node whose disks are replaced. `has` and `there` are what both
    nodes told. `configured` are the disks by DRBD's file, for each node by the number of the volume; `files` the text
    of that file on each node, None where there is none. `sizes` are those of the volumes, in bytes, as the other node
    has them; 0 if it does not have one.
    """

    site: Site
    resource: Resource
    volumes: tuple[Volume, ...]
    here: Node
    other: Node
    has: Facts
    there: Facts
    configured: dict[str, dict[int, str]]
    files: dict[str, str | None]
    sizes: dict[int, int]
    overwrite: frozenset[str]

    @property
    def state(self) -> events2.Resource | None:
        """The state of the resource on this node; None if it is down."""
        return events2.parse(self.has.events, self.resource.name)

    @property
    def state_there(self) -> events2.Resource | None:
        """The state of the resource on the other node; None if it is down there."""
        return events2.parse(self.there.events, self.resource.name)

    @property
    def path_of_file(self) -> str:
        """Where DRBD's file of the resource is."""
        return f"{replication.FOLDER}/{self.resource.name}.res"

    @property
    def to_do(self) -> list[Volume]:
        """The volumes that do not have the disk of the site. Where all volumes of a resource were named that is down,
        one whose disk has its replica keeps it.
        """
        lacking = [volume for volume in self.volumes if self.condition(volume) != ATTACHED]
        return [volume for volume in lacking if len(self.volumes) == 1 or not self._has_replica(volume)]

    def _has_replica(self, volume: Volume) -> bool:
        """Whether the replica of a volume is on its disk, while DRBD is down."""
        named = f"{self.here.name}:{self.disk(volume).path}" in self.overwrite
        is_down = self.condition(volume) == DOWN and disk_checks.is_replica(self.disk(volume))
        return is_down and not named and not self.is_fresh(volume)

    def disk(self, volume: Volume) -> Disk:
        """Return the disk that the site names for a volume on this node."""
        return self.has.disk(volume.disks[self.here.name])

    def disk_there(self, volume: Volume) -> Disk:
        """Return the disk of the other node."""
        return self.there.disk(volume.disks[self.other.name])

    def name_of(self, volume: Volume) -> str:
        """Return the name of a volume for drbdadm."""
        return f"{self.resource.name}/{volume.number}"

    def condition(self, volume: Volume) -> str:
        """Return in what state the disk of a volume is on this node."""
        state = self.state
        here = next((each for each in state.volumes if each.number == volume.number), None) if state else None
        if here is None:
            return DOWN
        if here.disk in events2.GONE_DISKS:
            return GONE
        return ATTACHED if f"drbd{volume.minor}" in self.disk(volume).holders else ELSEWHERE

    def wanted(self, node: Node) -> str:
        """Return the text that DRBD's file of a node should have, with the secret that is in the present one."""
        version = "9" if any(each.drbd.startswith("9") for each in (self.has, self.there)) else "8.4"
        made = drbd.text(self.resource, self.site, version)
        return drbd.with_secret(made, settings.secret(self.files[node.name] or ""))

    def changes(self, node: Node) -> list[Change]:
        """Return what differs in DRBD's file of a node from the site."""
        return settings.differences(self.path_of_file, self.files[node.name] or "", self.wanted(node), settings.of_drbd)

    @property
    def is_configured(self) -> bool:
        """Whether DRBD's file of this node names the disks of the site for the volumes."""
        known = self.configured[self.here.name]
        return all(known.get(volume.number) == volume.disks[self.here.name] for volume in self.volumes)

    def is_fresh(self, volume: Volume) -> bool:
        """Whether a disk has meta data that an interrupted run has created, and no data yet."""
        path = volume.disks[self.here.name]
        if not disk_checks.is_replica(self.disk(volume)) or self.configured[self.here.name].get(volume.number) != path:
            return False
        try:
            return replication.generation(self.here, self.resource, volume) & ~1 == _JUST_CREATED
        except Failure:
            return False


def look(site: Site, name: str, overwrite: frozenset[str]) -> Looked:
    """Look at both nodes for the resource or the volume of this name, and change nothing. Raises Misconfigured if the
    site has none, and Failure if a node cannot be asked.
    """
    resource, volumes = _named(site, name)
    here, other = remote.pair(node.name for node in site.nodes)
    other.require_name()

    def ask(node: Node) -> tuple[Facts, dict[int, str], str | None]:
        disks = [volume.disks[node.name] for volume in volumes]
        told = facts.ask(node, disks, Deadline(facts.SECONDS))
        text = node.read_text(f"{replication.FOLDER}/{resource.name}.res", deadline=Deadline(nodes.SECONDS))
        return told, _configured(node, resource), text

    asked = dict(zip((here.name, other.name), remote.on_each((here, other), ask)))
    return Looked(
        site,
        resource,
        volumes,
        here,
        other,
        has=asked[here.name][0],
        there=asked[other.name][0],
        configured={each: known for each, (_, known, _) in asked.items()},
        files={each: text for each, (_, _, text) in asked.items()},
        sizes={volume.number: _size(other, volume) for volume in volumes},
        overwrite=overwrite,
    )


def _named(site: Site, name: str) -> tuple[Resource, tuple[Volume, ...]]:
    names = []
    for resource in site.resources:
        if name == resource.name:
            return resource, resource.volumes
        for volume in resource.volumes:
            if name == f"{resource.name}/{volume.number}":
                return resource, (volume,)
            names.append(f"{resource.name}/{volume.number}")
    raise NO_SUCH_RESOURCE(name=name, others=" ".join(names))


def _configured(node: Node, resource: Resource) -> dict[int, str]:
    """The disk of each volume by DRBD's file of a node, by the number of the volume; none if DRBD cannot tell."""
    found = {}
    for volume in resource.volumes:
        told = nodes.run(node, "drbdadm", "sh-ll-dev", f"{resource.name}/{volume.number}", check=False)
        if told.ok:
            found[volume.number] = told.stdout.strip()
    return found


def _size(node: Node, volume: Volume) -> int:
    """The size of a volume on a node, in bytes; 0 if it is not up there. sysfs has it for a Secondary too."""
    told = nodes.run(node, "cat", f"/sys/block/drbd{volume.minor}/size", check=False).stdout.strip()
    return int(told) * _SECTOR if told.isdecimal() else 0
