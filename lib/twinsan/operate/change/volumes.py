# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether DRBD has what a site serves: each volume of a LUN, and of the state, on this node and on the other one."""

from __future__ import annotations

from twinsan.drbd import setup
from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource as Replica
    from twinsan.site.model import Resource, Site, Volume

NOT_HERE = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD on this node: {why}",
    "make it first. Type: crm_attribute --name maintenance-mode --update true, for the cluster would move what is not "
    "complete. On both nodes, put volume {number} into /etc/drbd.d/{resource}.res (twinsan render SITE --output FOLDER "
    "writes the file) and type: drbdadm create-md {resource}/{number} && drbdadm adjust {resource}. On the Primary "
    "only, and only if the disks hold nothing: drbdadm -- --clear-bitmap new-current-uuid {resource}/{number}. There "
    "too, for DRBD 8.4: drbdadm primary {resource}. Then: crm_attribute --name maintenance-mode --delete",
)
NOT_WRITABLE = Reason(
    Failure,
    "{device} ({purpose}) is Secondary on this node, though {resource} is Primary: so DRBD 8.4 makes a new volume",
    "type: drbdadm primary {resource}",
)
NOT_THERE = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD on the other node",
    "put volume {number} into /etc/drbd.d/{resource}.res there, and type there: drbdadm create-md {resource}/{number} "
    "&& drbdadm adjust {resource}",
)
NOT_MADE = Reason(
    Failure,
    "{device} ({purpose}) is no volume of DRBD on this node: {resource} is down, and {why}",
    "make the resource first: its file has the steps at its head, see twinsan render SITE --output FOLDER",
)

_UNKNOWN = "whether the other node has the volumes of {resource} is not known: it is not connected"


def missing(site: Site, deadline: Deadline) -> tuple[list[str], list[str]]:
    """Return what is missing, with what to type, and what cannot be known."""
    found: list[str] = []
    unknown: list[str] = []
    for resource in site.resources:
        replica = setup.query(resource.name, deadline)
        found += _missing(resource, replica, deadline)
        if replica is not None and replica.alone:
            unknown.append(_UNKNOWN.format(resource=resource.name))
    return found, unknown


def _missing(resource: Resource, replica: Replica | None, deadline: Deadline) -> Iterator[str]:
    for volume, purpose in _volumes(resource):
        values = {
            "device": volume.device,
            "purpose": purpose,
            "number": volume.number,
            "resource": resource.name,
        }
        if replica is None:
            why = _without_metadata(resource.name, volume, deadline)
            if why:
                yield NOT_MADE.text(**values, why=why)
            continue
        here = next((each for each in replica.volumes if each.number == volume.number), None)
        if here is None or here.minor != volume.minor:
            why = (
                "the kernel has no such volume" if here is None else f"volume {volume.number} is /dev/drbd{here.minor}"
            )
            yield NOT_HERE.text(**values, why=why)
        elif any(each.connected and each.volume(volume.number) is None for each in replica.connections):
            yield NOT_THERE.text(**values)
        elif replica.primary and replica.speaks_8_4 and _is_secondary(resource.name, volume, deadline):
            yield NOT_WRITABLE.text(**values)


def _volumes(resource: Resource) -> Iterator[tuple[Volume, str]]:
    for lun in resource.luns:
        yield lun.volume, f"LUN {lun.number}"
    if resource.state:
        yield resource.state, "the state volume"


def _is_secondary(name: str, volume: Volume, deadline: Deadline) -> bool:
    """Whether DRBD 8.4, where each volume has a role of its own, has this one as Secondary."""
    told = command.run("drbdadm", "role", f"{name}/{volume.number}", deadline=deadline, check=False)
    return told.ok and told.stdout.startswith("Secondary")


def _without_metadata(name: str, volume: Volume, deadline: Deadline) -> str:
    """Why a volume of a resource that is down cannot come up; "" if it has metadata of DRBD."""
    result = command.run("drbdadm", "get-gi", f"{name}/{volume.number}", deadline=deadline, check=False)
    return "" if result.ok else result.complaint or "it has no metadata"
