# SPDX-License-Identifier: GPL-2.0-or-later
"""The LUNs that an operator can ask about: those of the cluster's configuration, and those that this node serves."""

from __future__ import annotations

import os
import sys

from twinsan.cluster import cib
from twinsan.disk.reservation_store import Store
from twinsan.drbd import state_volume
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.lio import alias, configfs, identity, naa, reservations, tree
from twinsan.operate.facts.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# Exit status of crm_resource (CRM_EX_NOSUCH).
_NO_SUCH_RESOURCE = 105


class Lun:
    """A LUN: the `name` of its resource in the cluster, its unit `serial` and the `path` of its device. `place` is its
    storage object in configfs, "" if this node does not serve it. `resource` is the DRBD resource whose state volume it
    uses, "" if none is configured.
    """

    __slots__ = ("name", "path", "place", "resource", "serial")

    def __init__(self, name: str, serial: str, *, path: str = "", resource: str = "", place: str = "") -> None:
        self.name = name
        self.serial = serial
        self.path = path
        self.resource = resource
        self.place = place

    def store(self, *, clustered: bool) -> Store:
        """Return the store of its reservations; `clustered` says whether a cluster runs here."""
        return Store(self.serial, self.name, state_volume.of(self.path, self.resource), warn, clustered=clustered)


def find(deadline: Deadline) -> tuple[bool, list[Lun]]:
    """Return whether a cluster runs here, and the LUNs, sorted by name: those in the cluster's configuration, and those
    that this node serves without it.
    """
    here = {lun.serial: lun for lun in _served()}
    try:
        configured = list(_configured(cib.query(deadline)))
    except (command.CommandFailed, Failure) as failure:
        warn(f"without the cluster: {failure}")
        return False, sorted(here.values(), key=lambda lun: lun.name)
    for lun in configured:
        served = here.pop(lun.serial, None)
        lun.place = served.place if served else ""
    return True, sorted([*configured, *here.values()], key=lambda lun: lun.name)


def _configured(text: str) -> list[Lun]:
    found = []
    for primitive in Configuration(text).of_agent("lio-lun"):
        name, values = primitive.id or "?", primitive.parameters
        number = values.get("lun", "")
        if not (values.get("scsi_sn") or number.isdecimal()):
            warn(f"without {name}: its parameter lun is {number!r}, which is no number")
            continue
        serial = values.get("scsi_sn") or naa.serial(values.get("target_iqn", "").lower(), int(number))
        found.append(Lun(name, serial, path=values.get("path", ""), resource=values.get("state_resource", "")))
    return found


def _served() -> list[Lun]:
    """The LUNs of this node's kernel that agents have made, known by the file with their reservations."""
    found = []
    for place in tree.storage_objects():
        serial = identity.unit_serial(place)
        if serial and os.path.lexists(reservations.aptpl_file(serial)):
            path = configfs.read(f"{place}/udev_path") or ""
            name = alias.read(place).get("resource", os.path.basename(place))
            found.append(Lun(name, serial, path=path, place=place))
    return found


def running_on(name: str, deadline: Deadline) -> list[str]:
    """Return the nodes on which the cluster runs the resource of this name; none for one that it does not have. Raises
    CommandFailed if the cluster does not answer: nobody may take that for a resource that has stopped.
    """
    result = command.run("crm_resource", "--locate", "--resource", name, deadline=deadline, check=False)
    if not result.ok and result.status != _NO_SUCH_RESOURCE:
        raise command.CommandFailed(result)
    lines = [line.partition(" is running on: ")[2] for line in result.stdout.splitlines()]
    return [line.split()[0] for line in lines if line.strip()]


def warn(text: str) -> None:
    """Print a warning to standard error, beside the answer."""
    print(f"twinsan: {text}", file=sys.stderr)
