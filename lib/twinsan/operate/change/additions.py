# SPDX-License-Identifier: GPL-2.0-or-later
"""New volumes of resources that serve: what both nodes have for them, and what will be done."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinsan.host.note import Note
from twinsan.operate.setting_up import disk_checks
from twinsan.operate.setting_up.findings import Findings
from twinsan.site import drbd, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.change.volumes import New
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.disk import Disk
    from twinsan.operate.setting_up.nodes import Pair
    from twinsan.site.model import Resource

_HEADING = "Makes in DRBD, on both nodes:"
_MAINTENANCE = (
    "  That interrupts nothing. For some seconds the cluster is in maintenance mode: it serves on, and if a node fails "
    "then, it acts when that has ended."
)
_MAYBE_COPIED = (
    "  Both disks are read first, for at most a minute each. If every byte is zero, nothing is copied. If not, DRBD "
    "copies {leader}'s to {other} in the background, and until that has ended {other} cannot take over {resource}."
)
_COPIED = (
    "  DRBD copies {leader}'s disk to {other} in the background; until that has ended {other} cannot take over "
    "{resource}."
)

# Whether the disks were found equal, as every byte was zero, for when the command is typed again.
EQUAL, UNEQUAL = "equal", "unequal"


@dataclass
class Additions:
    """What is known of `new` volumes. `files` are DRBD's files of the nodes, by node and resource: place and text.
    `leaders` are the nodes whose replicas count, by the resource: the Primary, if there is one. `primary` are the
    resources that have one. `equal` says of a volume whether its disks are known to be equal.
    """

    pair: Pair
    new: list[New]
    files: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    leaders: dict[str, Node] = field(default_factory=dict)
    primary: set[str] = field(default_factory=set)
    findings: Findings = field(default_factory=Findings)
    equal: dict[str, bool] = field(default_factory=dict)

    @property
    def resources(self) -> list[Resource]:
        """The resources that get volumes."""
        return list({each.resource.name: each.resource for each in self.new}.values())

    def of(self, resource: Resource) -> list[New]:
        """The new volumes of a resource."""
        return [each for each in self.new if each.resource.name == resource.name]

    @property
    def version(self) -> str:
        """The version of DRBD, for its file."""
        return "9" if any(has.drbd.startswith("9") for has in self.pair.facts) else "8.4"

    def wanted(self, node: Node, resource: Resource) -> str:
        """DRBD's file on a node as it is, with the new volumes. Nothing else of it is changed."""
        _, text = self.files[node.name, resource.name]
        for each in self.of(resource):
            if not self.is_in_file(node, each):
                text = drbd.with_volume(text, resource, each.volume, self.version)
        return text

    def disk(self, node: Node, each: New) -> Disk:
        """The disk of a volume, as it was before."""
        return self.pair.facts_of(node).disk(each.volume.disks[node.name])

    def other(self, resource: Resource) -> Node:
        """The node whose replica gets the data of the leader's."""
        return next(node for node in self.pair.nodes if node is not self.leaders[resource.name])

    def to_wipe(self) -> list[tuple[Node, str, int]]:
        """The disks that have something that may be overwritten: node, path and size."""
        return [
            (node, disk.path, disk.size)
            for each in self.new
            for node in self.pair.nodes
            if (disk := self.disk(node, each)).content
            and f"{node.name}:{disk.path}" in self.pair.overwrite
            and not disk_checks.is_attached(each.volume, self.pair.facts_of(node))
            and not self.is_begun(node, each)
        ]

    def is_begun(self, node: Node, each: New) -> bool:
        """Whether a replica is there that the command has made before, or that DRBD's file of the node has."""
        if not disk_checks.is_replica(self.disk(node, each)):
            return False
        return self.is_in_file(node, each) or bool(self.remembered(each))

    def is_in_file(self, node: Node, each: New) -> bool:
        """Whether DRBD's file of a node has a volume as the site does."""
        _, text = self.files.get((node.name, each.resource.name), ("", ""))
        return self.in_file(each, text) == self.in_file(each, drbd.text(each.resource, self.pair.site, self.version))

    @staticmethod
    def in_file(each: New, text: str) -> dict[str, str]:
        """What a file of DRBD says of a volume."""
        begin, part = f"resource {each.resource.name} / ", f" / volume {each.volume.number} / "
        found = settings.of_drbd(text).items()
        return {key: value for key, value in found if key.startswith(begin) and part in f" / {key} / "}

    def rows(self) -> list[str]:
        """What will be done, for people. Empty if something is in the way."""
        if not self.new or self.findings.in_the_way:
            return []
        rows = [_HEADING]
        for each in self.new:
            rows.append(f"  + {each.name}  {each.volume.device}  {each.purpose}")
            for node in self.pair.nodes:
                disk = self.disk(node, each)
                size = disk_checks.in_words(disk.size)
                rows.append(f"      {node.name}:{disk.path}  {size}, {self._said(node, each)}")
        rows.append(_MAINTENANCE)
        for resource in self.resources:
            values = {"leader": self.leaders[resource.name].name, "other": self.other(resource).name}
            known = [each for each in self.of(resource) if not self._is_empty(each)]
            rows.append((_COPIED if known else _MAYBE_COPIED).format(resource=resource.name, **values))
        return [*rows, *(f"  {each.node}: {each.what}" for each in self.findings), ""]

    def remembered(self, each: New) -> str:
        """What a command that was interrupted on this node has found of the disks of a volume: EQUAL or UNEQUAL; "" for
        nothing, or if they were other disks.
        """
        verdict, _, disks = (note(each).read() or "").partition(" ")
        return verdict if disks == self._disks(each) else ""

    def remember(self, each: New, verdict: str) -> None:
        """Note that a volume is begun, with what is known of its disks."""
        note(each).replace(f"{verdict} {self._disks(each)}")

    def _disks(self, each: New) -> str:
        found = [(node.name, self.disk(node, each)) for node in self.pair.nodes]
        return " ".join(f"{name}:{disk.path}:{disk.number}" for name, disk in found)

    def _is_empty(self, each: New) -> bool:
        if self.remembered(each):
            return self.remembered(each) == EQUAL
        return not any(self.disk(node, each).content for node in self.pair.nodes)

    def _said(self, node: Node, each: New) -> str:
        disk = self.disk(node, each)
        if disk_checks.is_attached(each.volume, self.pair.facts_of(node)):
            return "in DRBD already"
        if self.is_begun(node, each):
            return "with DRBD's meta data already"
        return f"OVERWRITTEN: it has {disk.content} on it" if disk.content else "empty"


def note(each: New) -> Note:
    """The note that a volume was begun by a command on this node, whether its disks are equal, and which they are."""
    return Note(f"new-volume.{each.resource.name}.{each.volume.number}")
