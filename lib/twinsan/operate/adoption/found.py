# SPDX-License-Identifier: GPL-2.0-or-later
"""What serves today, whatever serves it; and what is to be said about it.

A value that is missing is "" or empty. One that is wrong is kept as it is: the site file has it then, and
`twinsan render` says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# The vendor of each disk of LIO, if nobody has set another.
VENDOR = "LIO-ORG"

ATS, XCOPY, WRITE_SAME, UNMAP = "ats", "xcopy", "write_same", "unmap"


class Notes:
    """What is to be said, in the order in which it was found."""

    def __init__(self) -> None:
        # What stays: what it is, its value, and where it comes from.
        self.kept: list[tuple[str, str, str]] = []
        # What changes, and why that does no harm.
        self.changed: list[tuple[str, str]] = []
        # What cannot be kept: its place, what it is, and what to do.
        self.lost: list[tuple[str, str, str]] = []
        # What twinsan does not touch, and why.
        self.left: list[tuple[str, str]] = []

    def keep(self, what: str, value: str, source: str) -> None:
        """Note what stays as it is."""
        self.kept.append((what, value, source))

    def change(self, what: str, why: str) -> None:
        """Note what changes, once."""
        if (what, why) not in self.changed:
            self.changed.append((what, why))

    def lose(self, place: str, what: str, remedy: str) -> None:
        """Note what cannot be kept, once."""
        if (place, what, remedy) not in self.lost:
            self.lost.append((place, what, remedy))

    def leave(self, resource: str, why: str) -> None:
        """Note what is left alone."""
        self.left.append((resource, why))


@dataclass
class Disk:
    """A disk as hosts know it: LUN `number` of a target, served from `path`. `place` is where that was found. `product`
    is "" if it is unknown, `rotates` None. `for_sure` says whether the kernel has confirmed it.
    """

    number: str
    path: str
    place: str
    serial: str = ""
    vendor: str = VENDOR
    product: str = ""
    primitives: tuple[str, ...] = (ATS, XCOPY, WRITE_SAME)
    rotates: bool | None = None
    initiators: tuple[str, ...] = ()
    for_sure: bool = False


@dataclass
class Address:
    """A portal address, and the resource that brings it up."""

    ip: str
    port: str = "3260"
    prefix: int | None = None
    nic: str = ""
    place: str = ""


@dataclass
class Secret:
    """A file on both nodes, for the site file to name, and the commands that put a secret into it."""

    path: str
    commands: tuple[str, ...]
    on: str = "on both nodes"


@dataclass
class Target:
    """A target, found at `place`. `values` are the parameters of lio-iscsi-target that it needs."""

    iqn: str
    place: str
    initiators: tuple[str, ...] = ()
    values: dict[str, object] = field(default_factory=dict)
    disks: list[Disk] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)


@dataclass
class Volume:
    """A volume of a DRBD resource, with its disk on each node. `internal` says whether its meta-data is there, too."""

    number: int
    minor: int
    device: str
    disks: dict[str, str]
    internal: bool = True


@dataclass
class Replica:
    """A DRBD resource: its addresses by node, and the options that its file sets, as SECTION.NAME."""

    name: str
    volumes: list[Volume] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    port: int = 0
    paths: int = 1
    options: dict[str, str] = field(default_factory=dict)
    file: str = ""


@dataclass
class Node:
    """A server: its links for corosync, and its BMC."""

    name: str
    links: list[str] = field(default_factory=list)
    bmc: str = ""


@dataclass
class Fencing:
    """How nodes are fenced: `by` as a site file has it, or another agent's name. `values` are those of the table."""

    by: str = ""
    values: dict[str, object] = field(default_factory=dict)
    secrets: list[Secret] = field(default_factory=list)


@dataclass
class Served:
    """A target with the DRBD resource below it. `resource` is that resource's name, "" if it is unknown."""

    target: Target
    resource: str
    replica: Replica | None
    suffix: str = ""


@dataclass
class Found:
    """All that was found. `source` says where."""

    source: str
    name: str = ""
    nodes: list[Node] = field(default_factory=list)
    fencing: Fencing = field(default_factory=Fencing)
    witness: str = ""
    policy: dict[str, int] = field(default_factory=dict)
    # Networks that are known, as ADDRESS/PREFIX of something in them.
    interfaces: list[str] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
