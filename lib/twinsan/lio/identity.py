# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity of storage objects as the kernel has it: unit serial, company id, and the NAA name made from both."""

from __future__ import annotations

import os

from twinsan.errors import Failure, Reason
from twinsan.lio import configfs, naa, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.lio.storage_object import StorageObject

# What the kernel prints before a serial.
SERIAL_LABEL = "T10 VPD Unit Serial Number: "

SAME_IDENTITY = Reason(
    Failure,
    "backstore {backstore} on this node has the identity {naa}",
    "remove it: targetcli /backstores/block delete {backstore}; or give one of them another scsi_sn",
)


def unit_serial(place: str) -> str:
    """The unit serial of the storage object at `place`; "" if there is none."""
    return (configfs.read(f"{place}/wwn/vpd_unit_serial") or "").removeprefix(SERIAL_LABEL)


def naa_name(place: str) -> str:
    """The NAA name of the storage object at `place`, such as naa.6001405…"""
    return naa.name(unit_serial(place), _company_id(place))


def _company_id(place: str) -> str:
    """The company id (IEEE OUI) in the NAA name, 6 hexadecimal digits. It is fixed in kernels before 5.9."""
    text = configfs.read(f"{place}/wwn/company_id")
    return f"{int(text, 0):06x}" if text else naa.COMPANY


def require_unique(storage: StorageObject) -> None:
    """Raise Failure if another storage object on this node has the same NAA name: initiators would take both for one
    disk. Equal serials with different company ids are different names.
    """
    ours = naa.name(storage.serial)
    for place in tree.storage_objects():
        # There may be hundreds: of most, one attribute is read.
        other = unit_serial(place) if place != storage.place else ""
        if other and naa.name(other) == ours and naa_name(place) == ours:
            raise SAME_IDENTITY(backstore=os.path.basename(place), naa=ours)
