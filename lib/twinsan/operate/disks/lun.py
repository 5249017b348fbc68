# SPDX-License-Identifier: GPL-2.0-or-later
"""The LUN that an operator has named: by its resource in the cluster, or by its volume in DRBD."""

from __future__ import annotations

from dataclasses import dataclass

from twinsan.cluster import cib
from twinsan.drbd import setup
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.host import block_tree
from twinsan.operate.facts.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource
    from twinsan.operate.facts.configuration import Primitive

NO_CLUSTER = Reason(
    Failure, "the cluster does not tell its configuration: {error}", "see: systemctl status pacemaker; crm_mon -1"
)
NO_SUCH_LUN = Reason(Misconfigured, "there is no LUN {name}", "those that there are: {others}")
NOT_UP = Reason(
    Failure,
    "the DRBD device of {name} is not up on this node: {path}",
    "see: crm_mon -1 --inactive; drbdadm status; twinsan status",
)
INDIRECT = Reason(
    Failure,
    "{path} of {name} is no device of DRBD, but made of one",
    "only who has made it can make it larger; LVM: lvextend, once its physical volume has grown",
)


@dataclass(frozen=True)
class Lun:
    """A LUN: the `name` of its resource in the cluster and the parameter `size` there (None if it is not set), the
    DRBD `resource` with the `volume` and `minor` number of its device, and the names of the `nodes`.
    """

    name: str
    size: str | None
    resource: str
    volume: int
    minor: int
    nodes: tuple[str, ...]

    @property
    def replica(self) -> str:
        """The volume as drbdadm names it."""
        return f"{self.resource}/{self.volume}"

    @property
    def device(self) -> str:
        """The path of its device."""
        return block_tree.drbd_path(self.minor)


def find(name: str, deadline: Deadline) -> Lun:
    """Return the LUN with this name, such as p_lun1 or san/0. Raises Misconfigured if there is none, and Failure if its
    device is not up on this node or none of DRBD.
    """
    try:
        configuration = Configuration(cib.query(deadline))
    except Failure as failure:
        raise NO_CLUSTER(error=failure) from None
    resources = setup.all_resources(deadline)
    configured = configuration.of_agent("lio-lun")
    volumes = {each.id: _volume(each, resources) for each in configured}
    for each in configured:
        found = volumes[each.id]
        if name != each.id and (found is None or name != f"{found[0]}/{found[1]}"):
            continue
        path = each.parameters.get("path", "")
        if found is None:
            raise NOT_UP(name=each.id, path=path or "it has none")
        if not block_tree.is_drbd(path):
            raise INDIRECT(name=each.id, path=path)
        return Lun(each.id, each.parameters.get("size"), *found, nodes=tuple(configuration.node_names()))
    raise NO_SUCH_LUN(name=name, others=" ".join(_names(volumes)) or "none")


def _volume(primitive: Primitive, resources: Iterable[Resource]) -> tuple[str, int, int] | None:
    """The DRBD resource, volume and minor number below the device of a LUN; None if it is not up here."""
    minors = block_tree.drbd_minors(primitive.parameters.get("path", ""))
    for resource in resources:
        for volume in resource.volumes:
            if volume.minor in minors:
                return resource.name, volume.number, volume.minor
    return None


def _names(volumes: dict[str, tuple[str, int, int] | None]) -> Iterator[str]:
    for name, found in volumes.items():
        yield f"{name} ({found[0]}/{found[1]})" if found else name
