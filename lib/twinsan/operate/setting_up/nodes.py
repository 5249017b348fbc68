# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair that is being set up: the site, its two nodes as places where programs run, and what was found on them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from twinsan.deadline import Deadline
from twinsan.drbd import events2
from twinsan.operate import remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from twinsan.drbd.events2 import Resource
    from twinsan.host.command import Result
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.site.model import Site

    Found = TypeVar("Found")

# The time for a program that only asks or changes something at once.
SECONDS = 60.0


@dataclass
class Pair:
    """`nodes` and `facts` are in the order of the site; `here` is the node that this runs on. `ours` are the nodes and
    DRBD resources whose file is there as the site makes it. `overwrite` are the words that name disks.
    """

    site: Site
    site_file: str
    nodes: tuple[Node, Node]
    here: Node
    facts: tuple[Facts, Facts]
    ours: frozenset[tuple[str, str]] = frozenset()
    overwrite: frozenset[str] = frozenset()

    def node(self, name: str) -> Node:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def facts_of(self, node: Node) -> Facts:
        """Return what a node told of itself before anything was changed."""
        return self.facts[self.nodes.index(node)]

    def on_both(self, work: Callable[[Node], Found]) -> list[Found]:
        """Do `work` for both nodes at the same time."""
        return remote.on_each(self.nodes, work)

    @property
    def served(self) -> bool:
        """Whether a cluster with resources runs on a node: from then on the cluster does what it can do itself."""
        return any(has.cluster is not None and has.cluster.resources for has in self.facts)


def run(node: Node, *words: str, seconds: float = SECONDS, given: str = "", check: bool = True) -> Result:
    """Run a program on a node, for up to this time."""
    return node.run(*words, deadline=Deadline(seconds), input=given, check=check)


def succeeds(node: Node, *words: str) -> bool:
    """Whether a program on a node says that it succeeded."""
    return run(node, *words, check=False).ok


def signatures(node: Node, path: str) -> set[str]:
    """Return the kinds of what libblkid finds on a disk of a node: file systems, tables, and meta data of DRBD."""
    # DRBD writes past what the kernel has kept of the disk since an earlier look, and keeps the disk open.
    run(node, "blockdev", "--flushbufs", path)
    printed = run(node, "wipefs", "--no-act", "--json", path).stdout
    listed = json.loads(printed or "{}").get("signatures", [])
    return {str(each.get("type")) for each in listed}


def replica(node: Node, name: str) -> Resource | None:
    """Return the state of a DRBD resource on a node; None if it is not up. The module has to be loaded there."""
    printed = run(node, "drbdsetup", "events2", "--now", "--statistics").stdout
    return events2.parse(printed, name)
