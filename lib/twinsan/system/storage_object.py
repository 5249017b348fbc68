# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage object of LIO (targetcli calls it a backstore): a block device with the identity, the abilities and the
limits that initiators will see.

It is complete before a LUN is made of it, so that nobody ever sees it with another identity or without an attribute.
"""

from __future__ import annotations

import binascii
import errno
import os

from twinsan.errors import Failure, NotHere
from twinsan.system import block_device, configfs, device_limits, naa, primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

# What the kernel prints before a serial.
_SERIAL_LABEL = "T10 VPD Unit Serial Number: "

# Below this VMware's transfers are cut to pieces; DRBD 8.4 that never met its peer allows 4 KiB.
_USUAL_TRANSFER = 64 * 1024

# Attributes that can be set only while nobody sees the storage object.
_HIDDEN_ATTRIBUTES = {
    # Each registration is written to disk, asked for or not: what is not there cannot be carried to the other node.
    "force_pr_aptpl": "1",
    # The kernel takes its cue from the device, so that two nodes may differ; and no DRBD promises zeros after a
    # discard.
    "unmap_zeroes_data": "0",
}


class StorageObject:
    """What a storage object shall be; `owner` is the IQN and the LUN number that it is for.

    `attributes` are LIO's (``emulate_caw`` and its like); all of them can be set or the start fails. `preferred` are
    those of each primitive of VAAI that it goes without where they cannot be set. `required` are the primitives among
    them that hosts may not lose by the configuration: a monitor says so where one is missing.
    """

    __slots__ = ("_checksum", "attributes", "name", "path", "preferred", "product", "required", "serial", "vendor")

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
    """What is wrong with one that exists; "" for nothing."""
    if configfs.read(f"{storage.place}/enable") != "1":
        return f"is half made: its backstore {storage.name} is not enabled"
    device = configfs.read(f"{storage.place}/udev_path")
    return f"serves {device} instead of {storage.path}" if device != storage.path else ""


def identical(storage: StorageObject) -> bool:
    """Whether it is what it shall be in all that cannot be changed while it is shown."""
    return not fault(storage) and not configfs.differences(storage.place, _identity(storage))


def drift(storage: StorageObject) -> list[str]:
    """The attributes that somebody has changed: what each holds, and what it should hold."""
    wanted = {f"attrib/{name}": str(value) for name, value in _had(storage).items()}
    return configfs.differences(storage.place, {**_identity(storage), **wanted})


def shortfall(storage: StorageObject, accepted: Container[str] = ()) -> str:
    """What it goes without, or hosts are told too well of, and what to type; "" for nothing. What is `accepted` to be
    off, as ``emulate_tpu=0``, need not be said.
    """
    return missing(storage, accepted, tuple(storage.preferred)) or primitives.coarse(storage.path, _had(storage))


def missing(storage: StorageObject, accepted: Container[str], among: tuple[str, ...]) -> str:
    """Which of some primitives it goes without, why, and what to type; "" for none."""
    for primitive in _lacking(storage):
        if primitive not in among or all(f"{name}=0" in accepted for name in storage.preferred[primitive]):
            continue
        why = primitives.obstacle(primitive, storage.path, storage.place)
        parameter = "vaai" if primitive in storage.required else "vaai_preferred"
        return (
            f"{primitive}, which parameter {parameter} names, is off: {why}; once it can be had, and the hosts can "
            "bear a pause, type: crm_resource --restart --resource RESOURCE"
        )
    return ""


def planned(storage: StorageObject) -> dict[str, str]:
    """All attributes with the values that the configuration gives them."""
    values = (storage.attributes, *storage.preferred.values())
    wanted = {name: str(value) for group in values for name, value in group.items()}
    return {**_HIDDEN_ATTRIBUTES, **wanted}


def _had(storage: StorageObject) -> dict[str, int]:
    """All attributes that it shall have, without those of preferred primitives that it goes without."""
    lacking = _lacking(storage)
    had = [values for primitive, values in storage.preferred.items() if primitive not in lacking]
    return {name: value for values in (storage.attributes, *had) for name, value in values.items()}


def _lacking(storage: StorageObject) -> list[str]:
    """The preferred primitives that it goes without; an attribute that this kernel does not have is off. One that the
    configuration requires goes for an obstacle alone: without one somebody has switched it off.
    """

    def is_off(name: str) -> bool:
        return configfs.read(f"{storage.place}/attrib/{name}") in (None, "0")

    off = [primitive for primitive, values in storage.preferred.items() if all(map(is_off, values))]
    return [
        primitive
        for primitive in off
        if primitive not in storage.required or primitives.known_obstacle(primitive, storage.path, storage.place)
    ]


def _identity(storage: StorageObject) -> dict[str, str]:
    return {
        "wwn/vpd_unit_serial": _SERIAL_LABEL + storage.serial,
        "wwn/vendor_id": storage.vendor,
        "wwn/product_id": storage.product,
        **{f"attrib/{name}": value for name, value in _HIDDEN_ATTRIBUTES.items()},
    }


def serial(place: str) -> str:
    """The unit serial of the storage object at `place`; "" where there is none."""
    return (configfs.read(f"{place}/wwn/vpd_unit_serial") or "").removeprefix(_SERIAL_LABEL)


def notes(place: str) -> dict[str, str]:
    """What `note` wrote, by names; empty where somebody else has made the storage object."""
    words = (configfs.read(f"{place}/alias") or "").split()
    return dict(word.partition("=")[::2] for word in words if "=" in word)


def note(place: str, **values: str | int) -> None:
    """Write down what the kernel does not know of a storage object, in its alias: a free text of up to 511 characters,
    which lives as long as the object and which nobody else reads.
    """
    configfs.settle(f"{place}/alias", " ".join(f"{name}={value}" for name, value in values.items()))


def require_unique(storage: StorageObject) -> None:
    """Refuse a second device with the same NAA name: initiators would take both for one disk. Raises Failure."""
    ours = naa.name(storage.serial)
    core = configfs.place("core")
    for adapter in [name for name in configfs.names(core) if name != "alua"]:
        for other in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{other}"
            theirs = serial(place)
            if theirs and place != storage.place and naa.name(theirs, company(place)) == ours:
                raise Failure(
                    f"backstore {other} on this node has the identity {ours}; remove it: targetcli /backstores/block "
                    f"delete {other}; or give one of them another scsi_sn"
                )


def company(place: str) -> str:
    """The company in an object's NAA name; kernels before 5.9 know one alone."""
    text = configfs.read(f"{place}/wwn/company_id")
    return f"{int(text, 0):06x}" if text else naa.COMPANY


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
    for name, value in _HIDDEN_ATTRIBUTES.items():
        configfs.settle(f"{storage.place}/attrib/{name}", value)


def set_attributes(storage: StorageObject) -> None:
    """Give it its abilities and limits. Raises NotHere for the first that it must have and cannot, and then none has
    changed; what is only preferred is off then.
    """
    before: dict[str, int] = {}
    try:
        _set(storage, storage.attributes, before)
    except OSError as error:
        _set(storage, before, {})
        raise NotHere(_why_refused(storage, error)) from None
    for values in storage.preferred.values():
        try:
            _set(storage, values, {})
        except OSError:
            _set(storage, dict.fromkeys(values, 0), {})


def _set(storage: StorageObject, values: dict[str, int], before: dict[str, int]) -> None:
    """Set attributes; `before` takes what they were, as far as they were changed."""
    for name, value in values.items():
        place = f"{storage.place}/attrib/{name}"
        present = configfs.read(place)
        if present is None and value == 0:
            continue
        if present == "0" and value and name in primitives.names("unmap") and not _discards(storage):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), place)
        configfs.settle(place, str(value))
        if present is not None:
            before[name] = int(present)


def _discards(storage: StorageObject) -> bool:
    """Whether the device can discard, as far as is known. The kernel only asks it while max_unmap_block_desc_count is
    0, which it is not here (target_core_configfs.c, emulate_tpu_store).
    """
    limits = device_limits.of(storage.path)
    return limits is None or limits.discards


def _why_refused(storage: StorageObject, error: OSError) -> str:
    name = os.path.basename(error.filename)
    value = storage.attributes[name]
    given = primitives.given({name: value})
    if not given:
        return (
            f"{name}={value} cannot be set for {storage.path}: {configfs.reason(error)}; the kernel "
            "may be too old for it: see 'uname -r' and 'dmesg'"
        )
    why = f"{primitives.obstacle(given[0], storage.path, storage.place)}, {name}: {configfs.reason(error)}"
    wanted = [storage.attributes, *(storage.preferred[primitive] for primitive in storage.required)]
    everything = {name: value for values in wanted for name, value in values.items()}
    return primitives.refusal(given[0], os.uname().nodename, why, everything)


def narrow(storage: StorageObject) -> str:
    """That the device takes more at once than hosts were told, which the kernel looks up as the LUN starts; "" else.

    DRBD that had not met its peer allowed less then. Rounding makes up for no half.
    """
    limits = device_limits.of(storage.path)
    told = _transfer(storage) // 1024
    if limits is None or told * 2 > limits.max_hw_sectors_kb:
        return ""
    return (
        f"hosts were told that {storage.path} takes {told} KiB at once, and it takes {limits.max_hw_sectors_kb} by now"
    )


def small_transfers(storage: StorageObject) -> str:
    """A word of warning where the device takes but little at once; "" where it does not."""
    size = _transfer(storage)
    if not 0 < size < _USUAL_TRANSFER:
        return ""
    return (
        f"{storage.path} takes {size // 1024} KiB at once, which slows initiators down; DRBD that has not met its peer "
        "since it was brought up does so: move the resource once the peer is connected"
    )


def _transfer(storage: StorageObject) -> int:
    """The most bytes that hosts may send at once."""
    sectors = int(configfs.read(f"{storage.place}/attrib/hw_max_sectors") or "0")
    return sectors * int(configfs.read(f"{storage.place}/attrib/hw_block_size") or "512")


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
    targets = configfs.place("iscsi")
    for iqn in configfs.names(targets):
        for tag in configfs.names(f"{targets}/{iqn}"):
            luns = f"{targets}/{iqn}/{tag}/lun"
            for number in configfs.names(luns):
                for link in configfs.links(f"{luns}/{number}"):
                    if os.path.realpath(f"{luns}/{number}/{link}") == os.path.realpath(storage.place):
                        configfs.unlink(f"{luns}/{number}/{link}")
