# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage object of LIO (targetcli calls it a backstore): a block device with the identity, the primitives and the
limits that initiators will see.

It is complete before it is exported, so that nobody ever sees it with another identity or without an attribute. What
can change while it is exported is set by `storage_attributes`.
"""

from __future__ import annotations

import binascii
import errno
import os

from twinsan.errors import Broken, Reason
from twinsan.host import block_device
from twinsan.lio import configfs, identity, storage_attributes, tree

NOT_ENABLED = Reason(Broken, "{lun} is half made: its backstore {backstore} is not enabled")
OTHER_DEVICE = Reason(Broken, "{lun} serves {device} instead of {path}")


class StorageObject:
    """The configuration of a storage object. `owner` is the IQN and the number of its LUN.

    `attributes` are LIO's, such as ``emulate_caw``; if one cannot be set, the start fails. `preferred` has the
    attributes of each VAAI primitive without which the LUN is served if they cannot be set. `required` are those
    primitives of `preferred` that the parameter vaai requires: a monitor reports one that is missing. `serial`,
    `vendor` and `product` appear in the INQUIRY data.
    """

    __slots__ = (
        "_checksum",
        "attributes",
        "lun",
        "name",
        "path",
        "preferred",
        "product",
        "required",
        "serial",
        "vendor",
    )

    def __init__(
        self,
        owner: tuple[str, int],
        path: str,
        *,
        serial: str = "",
        vendor: str = "",
        product: str = "",
        attributes: dict[str, int] | None = None,
        preferred: dict[str, dict[str, int]] | None = None,
        required: tuple[str, ...] = (),
    ) -> None:
        iqn, number = owner
        # For reasons. The cluster shows the resource's name beside them.
        self.lun = f"LUN {number}"
        self._checksum = binascii.crc32(f"{iqn} {number}".encode("ascii"))
        tail = "".join(character for character in iqn.rpartition(":")[2] if character.isalnum() or character in "-.")
        # The same on both nodes, and readable: san-lun1-5a0cf1be.
        self.name = f"{tail.lstrip('.')[:32]}-lun{number}-{self._checksum:08x}"
        self.path = path
        self.serial = serial
        self.vendor = vendor
        self.product = product
        self.attributes = attributes or {}
        self.preferred = preferred or {}
        self.required = required

    @property
    def adapter(self) -> str:
        """The configfs path of its adapter.

        Its number is fixed, and so large that no tool picks it. If each start looked for a free number, parallel starts
        would take the same one, or remove each other's adapter.
        """
        return configfs.place("core", f"iblock_{self._checksum & 0x7FFFFFFF}")

    @property
    def place(self) -> str:
        """Its configfs path."""
        return f"{self.adapter}/{self.name}"


def exists(storage: StorageObject) -> bool:
    """Whether there is one, in whatever state."""
    return configfs.exists(storage.place)


def fault(storage: StorageObject) -> str:
    """The reason why an existing one cannot serve its LUN: it is not enabled, or has another device; "" if it can."""
    if configfs.read(f"{storage.place}/enable") != "1":
        return NOT_ENABLED.text(lun=storage.lun, backstore=storage.name)
    device = configfs.read(f"{storage.place}/udev_path")
    return OTHER_DEVICE.text(lun=storage.lun, device=device, path=storage.path) if device != storage.path else ""


def has_planned_identity(storage: StorageObject) -> bool:
    """Whether an existing one is as configured in all that cannot be changed while it is exported."""
    return not fault(storage) and not configfs.differences(storage.place, _identity(storage))


def drift(storage: StorageObject) -> list[str]:
    """Describe the attributes that somebody has changed: what each holds, and what it should hold."""
    wanted = {f"attrib/{name}": str(value) for name, value in storage_attributes.effective(storage).items()}
    return configfs.differences(storage.place, {**_identity(storage), **wanted})


def _identity(storage: StorageObject) -> dict[str, str]:
    """What is set once, before the export, with the values as the kernel prints them."""
    return {
        "wwn/vpd_unit_serial": identity.SERIAL_LABEL + storage.serial,
        "wwn/vendor_id": storage.vendor,
        "wwn/product_id": storage.product,
        **{f"attrib/{name}": value for name, value in storage_attributes.FIXED.items()},
    }


def create(storage: StorageObject) -> None:
    """Create it with its identity, and let it claim the device. Raises Failure if the device cannot be claimed."""
    block_device.require_free(storage.path)
    configfs.make(storage.adapter)
    configfs.make(storage.place)
    # For people and for the monitor: the kernel opens what "control" says.
    configfs.write(f"{storage.place}/udev_path", storage.path)
    configfs.write(f"{storage.place}/control", f"udev_path={storage.path},readonly=0")
    try:
        configfs.write(f"{storage.place}/enable", "1")
    except OSError as error:
        raise block_device.refusal(storage.path, error.errno or 0) from None
    configfs.write(f"{storage.place}/wwn/vpd_unit_serial", storage.serial)
    for name, value in (("vendor_id", storage.vendor), ("product_id", storage.product)):
        # Kernels before 5.0 have fixed ones.
        if configfs.read(f"{storage.place}/wwn/{name}") not in (value, None):
            configfs.write(f"{storage.place}/wwn/{name}", value)
    for name, value in storage_attributes.FIXED.items():
        configfs.set_if_different(f"{storage.place}/attrib/{name}", value)


def remove(storage: StorageObject) -> None:
    """Remove it, with every link to it that somebody made by hand."""
    try:
        configfs.remove(storage.place)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _unlink_everywhere(storage)
        configfs.remove(storage.place)
    try:
        configfs.remove(storage.adapter)
    except OSError as error:
        # Its number is a checksum of 31 bits: another LUN with the same checksum is still using the adapter.
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise


def _unlink_everywhere(storage: StorageObject) -> None:
    for group in tree.portal_groups():
        luns = f"{group}/lun"
        for number in configfs.names(luns):
            for link in configfs.links(f"{luns}/{number}"):
                if os.path.realpath(f"{luns}/{number}/{link}") == os.path.realpath(storage.place):
                    configfs.unlink(f"{luns}/{number}/{link}")
