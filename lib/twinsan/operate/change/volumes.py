# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether DRBD has what a site serves: each volume of a LUN, and of the state, on this node and on the other one."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinsan.drbd import setup
from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource as Replica
    from twinsan.site.model import Resource, Site, Volume

OTHER_DEVICE = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD on this node: volume {number} of {resource} is {present}",
    "give the LUN another volume in the site file",
)
BY_HAND = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD yet, and twinsan apply cannot make it: {why}",
    "then type this again. By hand: crm_attribute --name maintenance-mode --update true, for the cluster would stop "
    "what has no data yet. On both nodes, put volume {number} into /etc/drbd.d/{resource}.res (twinsan render SITE "
    "--output FOLDER writes the file) and type: drbdadm create-md {resource}/{number} && drbdadm adjust {resource}. On "
    "the Primary only, and only if the disks hold nothing: drbdadm -- --clear-bitmap new-current-uuid "
    "{resource}/{number}. There too, for DRBD 8.4: drbdadm primary {resource}. Then: crm_attribute --name "
    "maintenance-mode --delete",
)
NOT_MADE = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD on this node: {resource} is down, and {why}",
    "make the resource first: its file has the steps at its head, see twinsan render SITE --output FOLDER",
)

_FILE_SYSTEM = "it needs a file system as well, by mkfs.btrfs {device} on the Primary at the end"
_UNKNOWN = "whether the other node has the volumes of {resource} is not known: it is not connected"


@dataclass(frozen=True)
class New:
    """A volume that a site has and DRBD does not serve yet: of `resource`, for `purpose`."""

    resource: Resource
    volume: Volume
    purpose: str

    @property
    def name(self) -> str:
        """Its name for drbdadm."""
        return f"{self.resource.name}/{self.volume.number}"

    def by_hand(self, why: object) -> str:
        """How to make it by hand, as apply cannot."""
        return BY_HAND.text(
            device=self.volume.device,
            purpose=self.purpose,
            number=self.volume.number,
            resource=self.resource.name,
            why=why,
        )


@dataclass
class Lacking:
    """What DRBD does not have of a site. `new` can be made while the resource serves; `obstacles` say what to type,
    `unknown` what could not be seen. `down` are resources that are not up on this node.
    """

    new: list[New] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    down: list[Resource] = field(default_factory=list)


def look(site: Site, deadline: Deadline) -> Lacking:
    """Return what DRBD does not have. Raises Failure if DRBD does not answer."""
    found = Lacking()
    for resource in site.resources:
        replica = setup.query(resource.name, deadline)
        if replica is None:
            found.down.append(resource)
            continue
        for volume, purpose in _volumes(resource):
            here = next((each for each in replica.volumes if each.number == volume.number), None)
            if here is not None and here.minor != volume.minor:
                values = {"device": volume.device, "number": volume.number, "resource": resource.name}
                found.obstacles.append(OTHER_DEVICE.text(purpose=purpose, present=f"/dev/drbd{here.minor}", **values))
            elif not _serves(replica, volume):
                new = New(resource, volume, purpose)
                if volume is resource.state:
                    found.obstacles.append(new.by_hand(_FILE_SYSTEM.format(device=volume.device)))
                else:
                    found.new.append(new)
        if replica.alone:
            found.unknown.append(_UNKNOWN.format(resource=resource.name))
    return found


def without_metadata(resource: Resource, deadline: Deadline) -> Iterator[str]:
    """What keeps the volumes of a resource that is down from coming up."""
    for volume, purpose in _volumes(resource):
        name = f"{resource.name}/{volume.number}"
        result = command.run("drbdadm", "get-gi", name, deadline=deadline, check=False)
        if not result.ok:
            why = result.complaint or "it has no metadata"
            yield NOT_MADE.text(device=volume.device, purpose=purpose, resource=resource.name, why=why)


def has_data(replica: Replica, number: int) -> bool:
    """Whether a node that is connected has all data of a volume."""
    own = next((each for each in replica.volumes if each.number == number), None)
    return own is not None and (own.disk == "UpToDate" or replica.has_data_on_a_peer(own))


def is_secondary(replica: Replica, minor: int) -> bool:
    """Whether a volume is Secondary on the Primary. So 8.4 makes new ones: each volume has a role of its own there."""
    if not replica.speaks_8_4:
        return False
    here, there = setup.roles(minor)
    primary_there = any(each.role == "Primary" for each in replica.connections)
    return (replica.primary and here == "Secondary") or (primary_there and there == "Secondary")


def _serves(replica: Replica, volume: Volume) -> bool:
    """Whether a volume is there on both nodes, as far as they are connected, has data, and can be written."""
    own = next((each for each in replica.volumes if each.number == volume.number), None)
    if own is None:
        return False
    for connection in replica.connections:
        on_peer = connection.volume(volume.number)
        # 8.4 has its own record of the peer's volume, whether that is there or not.
        if connection.connected and (on_peer is None or on_peer.disk == "DUnknown"):
            return False
    if own.disk == "Inconsistent" and not replica.alone and not has_data(replica, volume.number):
        return False
    return not is_secondary(replica, volume.minor)


def _volumes(resource: Resource) -> Iterator[tuple[Volume, str]]:
    for lun in resource.luns:
        yield lun.volume, f"LUN {lun.number}"
    if resource.state:
        yield resource.state, "the state volume"
