# SPDX-License-Identifier: GPL-2.0-or-later
"""A LUN: a storage object, exported as a numbered unit of a target to its initiators.

Order of a start: check the device; create, configure and enable the storage object; set its identity and attributes;
make it a LUN of the portal group; map it in the ACLs. A stop goes the other way round.

Silence. An initiator that asks for a removed LUN gets LOGICAL UNIT NOT SUPPORTED, which for ESXi means a disk that was
removed for ever; from a removed LUN 0 it even reads zeros with status GOOD. The address prevents this: it leaves the
node before any LUN does (agent portal-ip), and portals listen on that address only. Targets with other portals have a
second protection. A stop that removes the last LUN, or LUN 0, first disables the portal group, which ends the sessions.
A start that finds the group disabled enables it after the LUN is complete: so a target that stands by on the other node
accepts no logins.
"""

from __future__ import annotations

import os

from twinsan.errors import Failure, Misconfigured, NotHere, Passing, Reason
from twinsan.host import block_device
from twinsan.lio import acl as lio_acl
from twinsan.lio import alias, configfs, identity, portal_group, storage_attributes, storage_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Initiators do not learn that a block device has grown: iblock never raises CAPACITY DATA HAS CHANGED (SPC-3, 2A/09).
RESCAN = (
    "have each host look again (ESXi: esxcli storage core adapter rescan --all; "
    "Linux: iscsiadm --mode session --rescan)"
)

NO_TARGET = Reason(
    Passing,
    "target {iqn} does not exist on this node",
    "start its lio-iscsi-target first, and order it before this resource",
)
NUMBER_TAKEN = Reason(
    Passing,
    "LUN {number} is taken by backstore {backstore}",
    "remove it: targetcli /iscsi/{iqn}/tpg1/luns delete {number}; or choose another number",
)
TARGET_IN_DEMO_MODE = Reason(
    Misconfigured,
    "allowed_initiators names {initiator}, and its target shows every LUN to everybody",
    "take out demo_mode there, or allowed_initiators here",
    parameter="allowed_initiators",
)
TOO_SMALL = Reason(
    NotHere,
    "device {path} is smaller than parameter size says",
    "see on both nodes: blockdev --getsize64 {path}; it has {present} bytes here instead of {size}",
)
OTHER_DISK = Reason(
    Failure,
    "it cannot become another disk while it is shown",
    "when its hosts can bear a pause, type: crm_resource --restart --resource {resource}",
)
STILL_THERE = Reason(Failure, "{lun} is still there after its removal", "see 'dmesg' and {place}")


class Lun:
    """The configuration of a LUN. `initiators` are those that see it; empty for all that the target admits. `size` is
    the minimum size of its device in bytes; 0 for any. `resource` is the name of its cluster resource, "" outside of a
    cluster.

    The other arguments are those of its storage object.
    """

    __slots__ = ("initiators", "iqn", "number", "resource", "size", "storage")

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
        preferred: dict[str, dict[str, int]] | None = None,
        required: tuple[str, ...] = (),
        initiators: tuple[str, ...] = (),
        size: int = 0,
        resource: str = "",
    ) -> None:
        self.iqn = iqn
        self.number = number
        self.size = size
        self.resource = resource
        self.initiators = initiators
        self.storage = storage_object.StorageObject(
            (iqn, number),
            path,
            serial=serial,
            vendor=vendor,
            product=product,
            attributes=attributes,
            preferred=preferred,
            required=required,
        )

    def __str__(self) -> str:
        return f"LUN {self.number} of {self.iqn}"

    @property
    def unit(self) -> str:
        """The configfs path of the LUN in the portal group."""
        return f"{self.group}/lun/lun_{self.number}"

    @property
    def export(self) -> str:
        """The symbolic link that makes the storage object the LUN."""
        return f"{self.unit}/{self.storage.name}"

    @property
    def group(self) -> str:
        """The configfs path of the portal group that it belongs to."""
        return portal_group.place(self.iqn)


def intended_initiators(lun: Lun) -> list[str]:
    """Those initiators that the target admits and that shall see the LUN."""
    admitted = lio_acl.initiators(lun.group)
    return [initiator for initiator in admitted if not lun.initiators or initiator in lun.initiators]


def unadmitted_initiators(lun: Lun) -> list[str]:
    """The initiators that the LUN names and the target does not admit."""
    admitted = lio_acl.initiators(lun.group) if lun.initiators else []
    return [initiator for initiator in lun.initiators if initiator not in admitted]


def ensure(lun: Lun, note: Callable[[str], None], agree: Callable[[bool], None] = lambda _created: None) -> None:
    """Make the LUN as configured. `note` is called with each message for the operator. The caller holds core.LOCK.

    `agree` is called when the identity and attributes of the storage object are complete and initiators do not see it
    yet. Its argument is whether the storage object is new. If it raises, the LUN is not exported.

    Raises Passing for a transient obstacle, such as a device in use; NotHere, Misconfigured or Failure for any other. A
    storage object that this call has created is then removed.
    """
    _require_target(lun)
    _refuse_taken_number(lun)
    identity.require_unique(lun.storage)
    _require_size(lun)
    if storage_object.exists(lun.storage) and not storage_object.has_planned_identity(lun.storage):
        remove(lun)
    if storage_object.exists(lun.storage) and not configfs.exists(lun.export):
        # Left by a start that was killed. The kernel cannot say which registrations it has been given already, and
        # would keep twice what it gets twice. Nobody sees the object yet, so make it anew and restore all of them.
        storage_object.remove(lun.storage)
    created = not storage_object.exists(lun.storage)
    try:
        if created:
            storage_object.create(lun.storage)
        storage_attributes.ensure(lun.storage)
        agree(created)
        _show(lun)
    except Exception:
        if created:
            remove(lun)
        raise
    portal_group.enable(lun.iqn)
    from twinsan.lio import transfer_limit

    for warning in (_unadmitted(lun), transfer_limit.warning(lun.storage), storage_attributes.shortfall(lun.storage)):
        if warning:
            note(warning)


def reload(lun: Lun) -> str:
    """Change a LUN to its configuration while it stays exported. Returns a line for the log about what the hosts have
    to do after a change of size; "" if the size is the same. The caller holds core.LOCK. Raises Failure for a change
    that needs a restart.
    """
    _require_target(lun)
    if not storage_object.has_planned_identity(lun.storage):
        raise OTHER_DISK(resource=lun.resource or "RESOURCE")
    _require_size(lun)
    told = alias.read(lun.storage.place).get("size")
    storage_attributes.ensure(lun.storage)
    _show(lun)
    present = alias.read(lun.storage.place)["size"]
    if told in (None, present):
        return ""
    return f"{lun} has {present} bytes now instead of {told}; {RESCAN}"


def _unadmitted(lun: Lun) -> str:
    """A line for the log about initiators that the target does not admit; "" if it admits all. The others are
    served.
    """
    absent = unadmitted_initiators(lun)
    return f"its target does not admit {' '.join(absent)}, whom allowed_initiators names" if absent else ""


def _require_size(lun: Lun) -> None:
    """Raise NotHere if the device is smaller than `size`: its end would be missing. A larger one holds all blocks that
    hosts know of.
    """
    present = block_device.size(lun.storage.path) if lun.size else 0
    if present < lun.size:
        raise TOO_SMALL(path=lun.storage.path, present=present, size=lun.size)


def _require_target(lun: Lun) -> None:
    if not configfs.exists(lun.group):
        raise NO_TARGET(iqn=lun.iqn)
    if lun.initiators and portal_group.in_demo_mode(lun.iqn):
        raise TARGET_IN_DEMO_MODE(initiator=lun.initiators[0])


def _refuse_taken_number(lun: Lun) -> None:
    others = [link for link in configfs.links(lun.unit) if link != lun.storage.name]
    if others:
        held = os.path.basename(os.path.realpath(f"{lun.unit}/{others[0]}"))
        # The resource that had the number may be stopping.
        raise NUMBER_TAKEN(number=lun.number, backstore=held, iqn=lun.iqn)


def _show(lun: Lun) -> None:
    # For acl.is_for_all, and for lun_condition.size_change.
    size = block_device.size(lun.storage.path)
    alias.write(lun.storage.place, audience="some" if lun.initiators else "all", size=size)
    lio_acl.record_initiators(lun.storage.name, lun.initiators)
    configfs.make(lun.unit)
    configfs.link(lun.storage.place, lun.export)
    meant = intended_initiators(lun)
    for initiator in meant:
        lio_acl.show(lun.group, initiator, lun.number, lun.storage.name)
    for stranger in set(lio_acl.initiators(lun.group)) - set(meant):
        lio_acl.hide(lun.group, stranger, lun.number)


def remove(lun: Lun) -> None:
    """Remove the LUN, whatever state it is in, with or without its target. Another storage object's LUN of the same
    number stays. Raises Failure if the LUN is still there afterwards.
    """
    if configfs.exists(lun.export) or (configfs.exists(lun.unit) and not configfs.links(lun.unit)):
        _keep_silent(lun)
        _hide(lun)
        configfs.unlink(lun.export)
        # A reload of the target may have mapped it again, and a mapped LUN is busy. Without the export link the kernel
        # refuses to map it (target_core_fabric_configfs.c, target_fabric_mappedlun_link).
        _hide(lun)
        configfs.remove(lun.unit)
    storage_object.remove(lun.storage)
    lio_acl.record_initiators(lun.storage.name, ())
    if storage_object.exists(lun.storage) or configfs.exists(lun.export):
        raise STILL_THERE(lun=lun, place=lun.storage.place)


def _hide(lun: Lun) -> None:
    for initiator in lio_acl.initiators(lun.group):
        lio_acl.hide(lun.group, initiator, lun.number)


def _keep_silent(lun: Lun) -> None:
    """Disable the portal group if its last LUN or LUN 0 is about to be removed (see "Silence" above)."""
    if lun.number == 0 or configfs.names(os.path.dirname(lun.unit)) == [os.path.basename(lun.unit)]:
        portal_group.disable(lun.iqn)
