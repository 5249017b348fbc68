# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node tells of itself before it becomes part of a pair: the answer of ``twinsan inventory``, as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from twinsan.errors import Failure, Reason
from twinsan.operate.setting_up.disk import Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twinsan.deadline import Deadline
    from twinsan.operate.remote import Node

OTHER_VERSION = Reason(
    Failure,
    "twinsan on {node} is another version: it cannot tell what init asks for ({complaint})",
    "install the same on both nodes: make install",
)

# Tables of files and partitions are read, and disks at many places.
SECONDS = 120.0


@dataclass(frozen=True)
class Address:
    """An IP address of a node, with its network device."""

    device: str
    address: str
    prefix: int


@dataclass(frozen=True)
class Service:
    """A unit of systemd: whether it is there, starts at boot, and runs."""

    name: str
    installed: bool
    enabled: bool
    active: bool


@dataclass(frozen=True)
class Cluster:
    """The cluster that runs on a node: the names of its nodes and of its resources."""

    nodes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A disk or partition as a list shows it, for who has to choose."""

    path: str
    size: int
    kind: str
    content: str
    model: str


@dataclass(frozen=True)
class Facts:
    """What a node is and has. `cluster` is None if Pacemaker does not run, or does not answer. `events` is the state of
    its DRBD resources as drbdsetup prints it, `minors` the disks of its DRBD devices, `targets` the iSCSI targets of
    its kernel, `listening` the TCP ports that are in use.
    """

    node: str
    version: str
    system: tuple[str, ...]
    system_name: str
    kernel: str
    time: float
    root: bool
    programs: tuple[str, ...]
    modules: tuple[str, ...]
    drbd: str
    services: tuple[Service, ...]
    addresses: tuple[Address, ...]
    listening: tuple[int, ...]
    free_mb: dict[str, int]
    corosync: str | None
    cluster: Cluster | None
    events: str
    minors: dict[str, str]
    targets: tuple[str, ...]
    bmc: str
    candidates: tuple[Candidate, ...]
    disks: tuple[Disk, ...]

    def service(self, name: str) -> Service:
        """Return a service by its name; one that is not installed if it is none that was looked at."""
        return next((each for each in self.services if each.name == name), Service(name, False, False, False))

    def disk(self, path: str) -> Disk:
        """Return a disk that was looked at."""
        return next(each for each in self.disks if each.path == path)

    def json(self) -> str:
        """Return all as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1)


def parse(text: str) -> Facts:
    """Return what `Facts.json` made. Raises ValueError or TypeError for other texts."""
    values: dict[str, Any] = json.loads(text)
    for name, kind in (("services", Service), ("addresses", Address), ("candidates", Candidate), ("disks", Disk)):
        values[name] = tuple(kind(**_with_tuples(each)) for each in values[name])
    if values["cluster"] is not None:
        values["cluster"] = Cluster(**_with_tuples(values["cluster"]))
    return Facts(**_with_tuples(values))


def ask(node: Node, disks: list[str], deadline: Deadline, *, candidates: bool = False) -> Facts:
    """Ask a node, for these disks as well. With `candidates`, for a list of all disks too. Raises Failure."""
    words = [*(["--candidates"] if candidates else []), *disks]
    result = node.run("twinsan", "inventory", *words, deadline=deadline.within(SECONDS), check=False)
    try:
        return parse(result.stdout)
    except (ValueError, TypeError, KeyError):
        raise OTHER_VERSION(node=node.name, complaint=result.complaint[:200] or "no answer") from None


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists in place of tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
