# SPDX-License-Identifier: GPL-2.0-or-later
"""The first steps on both nodes: disks that may be overwritten, services that have to stay away, DRBD's module."""

from __future__ import annotations

from twinsan.operate.setting_up import disk, disk_checks, look, nodes
from twinsan.operate.setting_up.steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.operate.setting_up.nodes import Pair


class Wipe(Step):
    """The tables and file systems on the disks that were named with --overwrite go, and all that is at their ends:
    create-md asks nobody on a disk where it sees nothing.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._disks = list(disk_checks.to_wipe(pair.site, pair.facts, pair.overwrite, pair.ours))
        named = ", ".join(f"{node}:{path}" for node, path in self._disks) or "nothing"
        self.what = f"Overwrite what is on {named}"

    def is_done(self) -> bool:
        return not self._disks

    def do(self) -> str:
        for name, path in self._disks:
            node = self._pair.node(name)
            wipe(node, path, self._pair.facts_of(node).disk(path).size)
        return ""


def wipe(node: Node, path: str, size: int) -> None:
    """Take the tables and file systems off a disk of a node, and all that is at its ends."""
    nodes.run(node, "wipefs", "--all", path)
    for begin in (0, max(0, size - disk.ENDS)):
        words = (f"of={path}", f"bs={disk.ENDS}", f"seek={begin}", "oflag=seek_bytes", "conv=notrunc,fsync")
        nodes.run(node, "dd", "if=/dev/zero", "count=1", "status=none", *words)


class TakeAway(Step):
    """What would start DRBD or make targets beside the cluster does so no more."""

    what = "Disable services whose work the cluster does: " + ", ".join(look.TAKE_AWAY)

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return not any(self._found(node) for node in self._pair.nodes)

    def do(self) -> str:
        self._pair.on_both(self._disable)
        return ""

    def _found(self, node: Node) -> list[str]:
        """Those that start at boot, and those that run and whose end takes nothing away."""
        has = self._pair.facts_of(node)
        names = [service for service in has.services if service.name in look.TAKE_AWAY]
        return [each.name for each in names if each.enabled or (each.active and not _in_use(has))]

    def _disable(self, node: Node) -> None:
        now = [] if _in_use(self._pair.facts_of(node)) else ["--now"]
        for name in self._found(node):
            nodes.run(node, "systemctl", "disable", *now, f"{name}.service")


def _in_use(has: Facts) -> bool:
    """Whether DRBD or LIO do something on a node: the end of such a service would take down all of it."""
    return bool(has.minors or has.targets)


class LoadModule(Step):
    """DRBD's module is in both kernels."""

    what = "Load the module of DRBD"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return all(has.events for has in self._pair.facts)

    def do(self) -> str:
        self._pair.on_both(self._load)
        return ""

    def _load(self, node: Node) -> None:
        if not self._pair.facts_of(node).events:
            nodes.run(node, "modprobe", "drbd")
