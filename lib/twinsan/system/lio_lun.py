# SPDX-License-Identifier: GPL-2.0-or-later
"""A LUN: a block device as a storage object of LIO, shown as a numbered unit of a target to its initiators.

Order of a start: the device is checked, the storage object made, configured, enabled, and given its identity and its
attributes; then it becomes a LUN of the portal group, and then the initiators' own. So nobody ever sees it with another
identity or without an attribute. A stop goes the other way round.

Silence. An initiator that asks for a LUN which is gone gets LOGICAL UNIT NOT SUPPORTED, by which ESXi knows a disk that
was removed for ever; where the LUN was number 0, it even reads zeros with status GOOD. What keeps this from happening
is the address: it leaves the node before any LUN does (agent portal-ip), and portals listen on that address alone. For
targets with other portals there is a net below: the stop that takes the last LUN, or LUN 0, disables the portal group
first, which ends the sessions; a start that finds the group disabled enables it after the LUN is complete; and the
target's monitor takes a disabled group without LUNs for well.
"""

from __future__ import annotations

import binascii
import errno
import os

from twinsan.errors import Failure, Misconfigured
from twinsan.system import block_device, configfs, lio_target, naa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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


class Lun:
    """What a LUN shall be.

    `attributes` are those of LIO's storage objects (``emulate_caw`` and its like); all of them can be set or the start
    fails. `initiators` are those that see it; empty for all that the target admits.
    """

    __slots__ = ("attributes", "initiators", "iqn", "number", "path", "product", "serial", "vendor")

    def __init__(
        self,
        iqn: str,
        number: int,
        path: str,
        *,
        serial: str = "",
        vendor: str = "",
        product: str = "",
        attributes: dict[str, int] | None = None,
        initiators: tuple[str, ...] = (),
    ) -> None:
        self.iqn = iqn
        self.number = number
        self.path = path
        self.serial = serial
        self.vendor = vendor
        self.product = product
        self.attributes = attributes or {}
        self.initiators = initiators

    @property
    def backstore(self) -> str:
        """The name of the storage object, the same on both nodes, and readable: ``san-lun1-5a0cf1be``."""
        tail = "".join(
            character for character in self.iqn.rpartition(":")[2] if character.isalnum() or character in "-."
        )
        return f"{tail.lstrip('.')[:32]}-lun{self.number}-{self._checksum:08x}"

    @property
    def adapter(self) -> str:
        """The place of the storage object's adapter.

        Its number is fixed, and so large that no tool picks it: where each start looks for a free one, starts
        in parallel take the same, or remove each other's.
        """
        return configfs.place("core", f"iblock_{self._checksum & 0x7FFFFFFF}")

    @property
    def storage(self) -> str:
        """The place of the storage object."""
        return f"{self.adapter}/{self.backstore}"

    @property
    def unit(self) -> str:
        """The place of the LUN in the portal group."""
        return f"{lio_target.group(self.iqn)}/lun/lun_{self.number}"

    @property
    def export(self) -> str:
        """The symbolic link that makes the storage object the LUN."""
        return f"{self.unit}/{self.backstore}"

    def mapped(self, initiator: str) -> str:
        """The place of the LUN in an initiator's access control list. It has the same number there."""
        return f"{configfs.place('iscsi', self.iqn, 'tpgt_1', 'acls', initiator)}/lun_{self.number}"

    @property
    def _checksum(self) -> int:
        return binascii.crc32(f"{self.iqn} {self.number}".encode("ascii"))


def state(lun: Lun) -> tuple[bool, str]:
    """Whether anything of the LUN exists, and what is wrong with it ("" for nothing).

    The storage object is made first and removed last, so without it there is nothing.
    """
    if not configfs.exists(lun.storage):
        return False, ""
    return True, _fault(lun)


def _fault(lun: Lun) -> str:
    name = f"LUN {lun.number} of {lun.iqn}"
    if configfs.read(f"{lun.storage}/enable") != "1":
        return f"{name} is half made: its backstore {lun.backstore} is not enabled"
    device = configfs.read(f"{lun.storage}/udev_path")
    if device != lun.path:
        return f"{name} serves {device} instead of {lun.path}"
    if not configfs.exists(lun.export):
        return f"{name} is half made: its backstore {lun.backstore} is no LUN of the target"
    # Where the LUN was removed under it, a mapping stays and is dead: its attribute is then empty.
    blind = [initiator for initiator in _audience(lun) if not configfs.read(f"{lun.mapped(initiator)}/write_protect")]
    return f"{name} is not shown to {' '.join(blind)}" if blind else ""


def _audience(lun: Lun) -> list[str]:
    """The initiators that shall see the LUN."""
    return list(lun.initiators) or configfs.names(f"{lio_target.group(lun.iqn)}/acls")


def ensure(lun: Lun, note: Callable[[str], None]) -> None:
    """Make the LUN as planned; `note` takes what an operator should know. The caller holds lio.LOCK."""
    _require_target(lun)
    _refuse_taken_number(lun)
    _refuse_twin(lun)
    if configfs.exists(lun.storage) and not _identical(lun):
        remove(lun)
    created = not configfs.exists(lun.storage)
    try:
        if created:
            _create_storage(lun)
        _set_attributes(lun)
        _show(lun)
    except Exception:
        if created:
            remove(lun)
        raise
    lio_target.enable(lun.iqn)
    _note_small_transfers(lun, note)


def _require_target(lun: Lun) -> None:
    group = lio_target.group(lun.iqn)
    if not configfs.exists(group):
        raise Failure(
            f"target {lun.iqn} does not exist on this node; start its lio-iscsi-target first, "
            "and order it before this resource"
        )
    admitted = configfs.names(f"{group}/acls")
    strangers = [initiator for initiator in lun.initiators if initiator not in admitted]
    if strangers:
        raise Misconfigured(
            f"allowed_initiators names {' '.join(strangers)}, whom target {lun.iqn} does not admit; "
            "add them to the allowed_initiators of its lio-iscsi-target too"
        )


def _refuse_taken_number(lun: Lun) -> None:
    others = [link for link in configfs.links(lun.unit) if link != lun.backstore]
    if others:
        held = os.path.basename(os.path.realpath(f"{lun.unit}/{others[0]}"))
        raise Failure(
            f"LUN {lun.number} of {lun.iqn} is taken by backstore {held}; choose another number, or remove it: "
            f"targetcli /iscsi/{lun.iqn}/tpg1/luns delete {lun.number}"
        )


def _refuse_twin(lun: Lun) -> None:
    """Refuse a second device with the same NAA name: initiators would take both for one disk."""
    ours = naa.name(lun.serial)
    core = configfs.place("core")
    for adapter in [name for name in configfs.names(core) if name != "alua"]:
        for other in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{other}"
            serial = (configfs.read(f"{place}/wwn/vpd_unit_serial") or "").removeprefix(_SERIAL_LABEL)
            if serial and place != lun.storage and naa.name(serial, _company(place)) == ours:
                raise Failure(
                    f"backstore {other} on this node has the identity of LUN {lun.number}, {ours}, already; "
                    f"give one of them another scsi_sn, or remove it: targetcli /backstores/block delete {other}"
                )


def _company(storage: str) -> str:
    """The company in an object's NAA name; kernels before 5.9 know one alone."""
    text = configfs.read(f"{storage}/wwn/company_id")
    return f"{int(text, 0):06x}" if text else naa.COMPANY


def _identical(lun: Lun) -> bool:
    """Whether the storage object is what it shall be in all that cannot be changed while it is shown."""
    return (
        configfs.read(f"{lun.storage}/enable") == "1"
        and configfs.read(f"{lun.storage}/udev_path") == lun.path
        and configfs.read(f"{lun.storage}/wwn/vpd_unit_serial") == _SERIAL_LABEL + lun.serial
        and configfs.read(f"{lun.storage}/wwn/vendor_id") in (lun.vendor, None)
        and configfs.read(f"{lun.storage}/wwn/product_id") in (lun.product, None)
        and all(configfs.read(f"{lun.storage}/attrib/{name}") == value for name, value in _HIDDEN_ATTRIBUTES.items())
    )


def _create_storage(lun: Lun) -> None:
    block_device.require_free(lun.path)
    configfs.make(lun.adapter)
    configfs.make(lun.storage)
    # For people and for the monitor: the kernel opens what "control" says.
    configfs.write(f"{lun.storage}/udev_path", lun.path)
    configfs.write(f"{lun.storage}/control", f"udev_path={lun.path},readonly=0")
    try:
        configfs.write(f"{lun.storage}/enable", "1")
    except OSError as error:
        raise Failure(block_device.explain(lun.path, error.errno or 0)) from None
    configfs.write(f"{lun.storage}/wwn/vpd_unit_serial", lun.serial)
    for name, value in (("vendor_id", lun.vendor), ("product_id", lun.product)):
        # Kernels before 5.0 have fixed ones.
        if configfs.read(f"{lun.storage}/wwn/{name}") not in (value, None):
            configfs.write(f"{lun.storage}/wwn/{name}", value)
    for name, value in _HIDDEN_ATTRIBUTES.items():
        configfs.settle(f"{lun.storage}/attrib/{name}", value)


def _set_attributes(lun: Lun) -> None:
    for name, value in lun.attributes.items():
        try:
            configfs.settle(f"{lun.storage}/attrib/{name}", str(value))
        except OSError as error:
            raise Failure(_why_no_attribute(lun, name, value, error)) from None


def _why_no_attribute(lun: Lun, name: str, value: int, error: OSError) -> str:
    what = f"{name}={value} cannot be set for {lun.path}: {configfs.reason(error)}"
    if name in ("emulate_tpu", "emulate_tpws") and error.errno in (errno.ENOSYS, errno.ENODEV, errno.EINVAL):
        return (
            f"{what}; the device cannot discard (see 'lsblk --discard {lun.path}'): make it, on both nodes, "
            f"or do without and set {name}=no"
        )
    return f"{what}; the kernel may be too old for it: see 'uname -r' and 'dmesg'"


def _show(lun: Lun) -> None:
    configfs.make(lun.unit)
    configfs.link(lun.storage, lun.export)
    audience = _audience(lun)
    for initiator in audience:
        place = lun.mapped(initiator)
        if configfs.read(f"{place}/write_protect") == "":
            _hide(lun, initiator)
        configfs.make(place)
        configfs.link(lun.unit, f"{place}/{lun.backstore}")
        configfs.settle(f"{place}/write_protect", "0")
    for stranger in set(configfs.names(f"{lio_target.group(lun.iqn)}/acls")) - set(audience):
        _hide(lun, stranger)


def _hide(lun: Lun, initiator: str) -> None:
    place = lun.mapped(initiator)
    for link in configfs.links(place):
        configfs.unlink(f"{place}/{link}")
    configfs.remove(place)


def _note_small_transfers(lun: Lun, note: Callable[[str], None]) -> None:
    sectors = int(configfs.read(f"{lun.storage}/attrib/hw_max_sectors") or "0")
    size = sectors * int(configfs.read(f"{lun.storage}/attrib/hw_block_size") or "512")
    if 0 < size < _USUAL_TRANSFER:
        note(
            f"{lun.path} takes {size // 1024} KiB at once, which slows initiators down; DRBD that has not met its peer "
            "since it was brought up does so: move the resource once the peer is connected"
        )


def remove(lun: Lun) -> None:
    """Take the LUN away, whatever state it is in, with or without its target. Another LUN of its number stays."""
    if configfs.exists(lun.export) or (configfs.exists(lun.unit) and not configfs.links(lun.unit)):
        _keep_silent(lun)
        for initiator in configfs.names(f"{lio_target.group(lun.iqn)}/acls"):
            _hide(lun, initiator)
        configfs.unlink(lun.export)
        configfs.remove(lun.unit)
    try:
        configfs.remove(lun.storage)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _take_back(lun)
        configfs.remove(lun.storage)
    _remove_adapter(lun)
    if configfs.exists(lun.storage) or configfs.exists(lun.export):
        raise Failure(f"LUN {lun.number} of {lun.iqn} is still there after its removal; see {lun.storage} and 'dmesg'")


def _keep_silent(lun: Lun) -> None:
    """Disable the target before what it says could be taken for the truth (see "Silence" above)."""
    if lun.number == 0 or configfs.names(os.path.dirname(lun.unit)) == [os.path.basename(lun.unit)]:
        lio_target.disable(lun.iqn)


def _take_back(lun: Lun) -> None:
    """Remove every other link to the storage object: somebody showed it elsewhere by hand."""
    targets = configfs.place("iscsi")
    for iqn in configfs.names(targets):
        for tag in configfs.names(f"{targets}/{iqn}"):
            luns = f"{targets}/{iqn}/{tag}/lun"
            for number in configfs.names(luns):
                for link in configfs.links(f"{luns}/{number}"):
                    if os.path.realpath(f"{luns}/{number}/{link}") == os.path.realpath(lun.storage):
                        configfs.unlink(f"{luns}/{number}/{link}")


def _remove_adapter(lun: Lun) -> None:
    try:
        configfs.remove(lun.adapter)
    except OSError as error:
        # Its number is a checksum of 31 bits; another LUN with the same lives on.
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise
