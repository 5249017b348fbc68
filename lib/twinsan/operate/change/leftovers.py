# SPDX-License-Identifier: GPL-2.0-or-later
"""Volumes that DRBD's file of a resource has, and the site has no more: what a LUN that was removed leaves behind.

They stay until somebody takes them away by hand: their disks hold the data of the LUN, and a site that has the LUN
again finds it there. So they count as no difference, and what is written into the file keeps them.
"""

from __future__ import annotations

import dataclasses
import re

from twinsan.site import model, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Resource, Site, Volume

# 8.4 has the device alone, 9 its number as well.
_DEVICE = re.compile(r"(/dev/drbd([0-9]{1,7}))(?: minor \2)?", re.ASCII)

STAYS = (
    "{resource}/{number} ({device}) is no LUN of the site. It stays in DRBD with its data, and a LUN with this volume "
    "has that again. To take it away at the next move of the SAN: delete volume {number} in {place} on both nodes; on "
    "the one that does not serve type: drbdsetup detach {minor} && drbdsetup del-minor {minor}; move the SAN there, "
    "and type the same on the other: DRBD 8.4 takes no volume from a Primary"
)


def of(resource: Resource, site: Site, text: str) -> list[Volume]:
    """Return the volumes in a file of DRBD that the site does not have. One that is not understood is left out."""
    present = settings.of_drbd(text)
    own = {volume.number for volume in resource.volumes}
    begin = f"resource {resource.name} / volume "
    numbers = [key[len(begin) :] for key in present if key.startswith(begin) and " / " not in key[len(begin) :]]
    found = []
    for number in numbers:
        device = _DEVICE.fullmatch(present.get(f"{begin}{number} / device", ""))
        common = present.get(f"{begin}{number} / disk", "")
        disks = {
            node.name: present.get(f"resource {resource.name} / on {node.name} / volume {number} / disk", common)
            for node in site.nodes
        }
        if number.isdecimal() and int(number) not in own and device and all(disks.values()):
            found.append(model.Volume(device[1], int(device[2]), int(number), disks, resource.path))
    return found


def kept(resource: Resource, site: Site, text: str) -> Resource:
    """Return the resource with the volumes that are left in a file of DRBD, for a new text of that file."""
    left = of(resource, site, text)
    luns = tuple(model.Lun("", volume.number, volume, {}, volume.path) for volume in left)
    return dataclasses.replace(resource, luns=(*resource.luns, *luns)) if luns else resource


def note(resource: Resource, volume: Volume, place: str) -> str:
    """What to know of a volume that is left, and what to type to take it away."""
    values = {"number": volume.number, "device": volume.device, "minor": volume.minor}
    return STAYS.format(resource=resource.name, place=place, **values)
