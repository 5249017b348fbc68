# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage object of LIO (targetcli calls it a backstore): a block device with the identity, the abilities and the
limits that initiators will see.

It is complete before a LUN is made of it, so that nobody ever sees it with another identity or without an attribute.
What can change while it is shown is set by `storage_attributes`.
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
    """What a storage object shall be; `owner` is the IQN and the LUN number that it is for.

    `attributes` are LIO's (``emulate_caw`` and its like); all of them can be set or the start fails. `preferred` are
    those of each primitive of VAAI that it goes without where they cannot be set. `required` are the primitives among
    them that hosts may not lose by the configuration: a monitor says so where one is missing. `serial`, `vendor` and
    `product` stand in the INQUIRY data.
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
        # In a reason, beside which the cluster shows the resource.
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
        """The place of its adapter.

        Its number is fixed, and so large that no tool picks it: where each start looks for a free one, starts
        in parallel take the same, or remove each other's.
        """
        return configfs.place("core", f"iblock_{self._checksum & 0x7FFFFFFF}")

    @property
    def place(self) -> str:
        """Its place in configfs."""
        return f"{self.adapter}/{self.name}"


def exists(storage: StorageObject) -> bool:
    """Whether there is one, in whatever state."""
    return configfs.exists(storage.place)


def fault(storage: StorageObject) -> str:
    """Why one that exists cannot serve its LUN: it is not enabled, or has another device; "" where it can."""
    if configfs.read(f"{storage.place}/enable") != "1":
        return NOT_ENABLED.text(lun=storage.lun, backstore=storage.name)
    device = configfs.read(f"{storage.place}/udev_path")
    return OTHER_DEVICE.text(lun=storage.lun, device=device, path=storage.path) if device != storage.path else ""


def has_planned_identity(storage: StorageObject) -> bool:
    """Whether one that exists is as planned in all that cannot be changed while it is shown."""
    return not fault(storage) and not configfs.differences(storage.place, _identity(storage))


def drift(storage: StorageObject) -> list[str]:
    """The attributes that somebody has changed: what each holds, and what it should hold, in words."""
    wanted = {f"attrib/{name}": str(value) for name, value in storage_attributes.effective(storage).items()}
    return configfs.differences(storage.place, {**_identity(storage), **wanted})


def _identity(storage: StorageObject) -> dict[str, str]:
    """What is set once, before anybody sees it, with the values as the kernel prints them."""
    return {
        "wwn/vpd_unit_serial": identity.SERIAL_LABEL + storage.serial,
        "wwn/vendor_id": storage.vendor,
        "wwn/product_id": storage.product,
        **{f"attrib/{name}": value for name, value in storage_attributes.FIXED.items()},
    }


def create(storage: StorageObject) -> None:
    """Make it, with its identity, and let it claim the device. Raises Failure where the device cannot be had."""
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
    """Take it away, and every link to it that somebody made by hand."""
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
        # Its number is a checksum of 31 bits; another LUN with the same lives on.
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise


def _unlink_everywhere(storage: StorageObject) -> None:
    for group in tree.portal_groups():
        luns = f"{group}/lun"
        for number in configfs.names(luns):
            for link in configfs.links(f"{luns}/{number}"):
                if os.path.realpath(f"{luns}/{number}/{link}") == os.path.realpath(storage.place):
                    configfs.unlink(f"{luns}/{number}/{link}")
