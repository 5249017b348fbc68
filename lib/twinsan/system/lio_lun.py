# SPDX-License-Identifier: GPL-2.0-or-later
"""A LUN: a storage object, shown as a numbered unit of a target to its initiators.

Order of a start: the device is checked, the storage object made, configured, enabled, and given its identity and its
attributes; then it becomes a LUN of the portal group, and then the initiators' own. A stop goes the other way round.

Silence. An initiator that asks for a LUN which is gone gets LOGICAL UNIT NOT SUPPORTED, by which ESXi knows a disk that
was removed for ever; where the LUN was number 0, it even reads zeros with status GOOD. What keeps this from happening
is the address: it leaves the node before any LUN does (agent portal-ip), and portals listen on that address alone. For
targets with other portals there is a net below: the stop that takes the last LUN, or LUN 0, disables the portal group
first, which ends the sessions; a start that finds the group disabled enables it after the LUN is complete; and the
target's monitor takes a disabled group without LUNs for well.
"""

from __future__ import annotations

import os

from twinsan.errors import Failure, Misconfigured, NotHere, Passing
from twinsan.system import block_device, configfs, lio_acl, lio_target, storage_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# LIO tells nobody that a block device has grown: iblock never raises CAPACITY DATA HAS CHANGED (SPC-3, 2A/09).
RESCAN = (
    "have each host look again (ESXi: esxcli storage core adapter rescan --all; "
    "Linux: iscsiadm --mode session --rescan)"
)


class Lun:
    """What a LUN shall be. `initiators` are those that see it; empty for all that the target admits. `size` is that of
    its device in bytes; 0 for whatever it is. `resource` is the cluster's name for it, where there is one.

    The further arguments are those of its storage object.
    """

    __slots__ = ("disk", "initiators", "iqn", "number", "resource", "size", "storage")

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
        # In a reason, beside which the cluster shows the resource.
        self.disk = f"LUN {number}"
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
        """The place of the LUN in the portal group."""
        return f"{self.group}/lun/lun_{self.number}"

    @property
    def export(self) -> str:
        """The symbolic link that makes the storage object the LUN."""
        return f"{self.unit}/{self.storage.name}"

    @property
    def group(self) -> str:
        """The place of the portal group that it belongs to."""
        return lio_target.group(self.iqn)


def state(lun: Lun) -> tuple[bool, str]:
    """Whether anything of the LUN exists, and what is wrong with it ("" for nothing).

    The storage object is made first and removed last, so without it there is nothing.
    """
    if not storage_object.exists(lun.storage):
        return False, ""
    fault = storage_object.fault(lun.storage) or _fault(lun)
    return True, f"{lun.disk} {fault}" if fault else ""


def _fault(lun: Lun) -> str:
    if not configfs.exists(lun.export):
        return f"is half made: its backstore {lun.storage.name} is no LUN of the target"
    blind = [initiator for initiator in audience(lun) if lio_acl.blind(lun.group, initiator, lun.number)]
    return f"is not shown to {lio_target.names(blind)}" if blind else ""


def drift(lun: Lun) -> list[str]:
    """What differs from the plan although the LUN works, attribute by attribute."""
    found = storage_object.drift(lun.storage)
    meant, admitted = audience(lun), lio_acl.admitted(lun.group)
    unseen = [initiator for initiator in admitted if initiator not in meant]
    strangers = [name for name in unseen if configfs.exists(lio_acl.mapping(lun.group, name, lun.number))]
    if strangers:
        found.append(f"it is shown to {lio_target.names(strangers)} as well")
    return found


def forgotten(lun: Lun) -> list[str]:
    """The initiators that the LUN is meant for and the target does not admit."""
    admitted = lio_acl.admitted(lun.group) if lun.initiators else []
    return [initiator for initiator in lun.initiators if initiator not in admitted]


def resized(lun: Lun) -> tuple[int, int] | None:
    """The size that initiators were told of, or that is configured, and the present one, where they differ; in bytes.
    Raises NotHere and Passing where there is no such device any more.
    """
    told = lun.size or int(storage_object.notes(lun.storage.place).get("size", "0"))
    present = block_device.size(lun.storage.path)
    return (told, present) if told not in (0, present) else None


def audience(lun: Lun) -> list[str]:
    """The initiators that shall see the LUN, of those that the target admits."""
    admitted = lio_acl.admitted(lun.group)
    return [initiator for initiator in admitted if not lun.initiators or initiator in lun.initiators]


def ensure(lun: Lun, note: Callable[[str], None], agree: Callable[[bool], None] = lambda _created: None) -> None:
    """Make the LUN as planned; `note` takes what an operator should know. The caller holds lio.LOCK. Raises Passing for
    what may pass by itself.

    `agree` is called when all is complete that initiators will know it by, and before they see it, with whether the
    storage object is new. Where it raises, they do not see it.
    """
    _require_target(lun)
    _refuse_taken_number(lun)
    storage_object.require_unique(lun.storage)
    _require_size(lun)
    if storage_object.exists(lun.storage) and not storage_object.identical(lun.storage):
        remove(lun)
    if storage_object.exists(lun.storage) and not configfs.exists(lun.export):
        # Of a start that was killed. Nobody can ask the kernel which registrations it was told already, and told twice
        # it would have them twice; so what nobody sees yet is made anew, and is told them all.
        storage_object.remove(lun.storage)
    created = not storage_object.exists(lun.storage)
    try:
        if created:
            storage_object.create(lun.storage)
        storage_object.set_attributes(lun.storage)
        agree(created)
        _show(lun)
    except Exception:
        if created:
            remove(lun)
        raise
    lio_target.enable(lun.iqn)
    for warning in (*_unseen(lun), storage_object.small_transfers(lun.storage), storage_object.shortfall(lun.storage)):
        if warning:
            note(warning)


def reload(lun: Lun) -> str:
    """Make the LUN, which is shown and stays so, as planned in all that can change meanwhile; returns what the
    initiators have to do about it, or "". The caller holds lio.LOCK.
    """
    _require_target(lun)
    if not storage_object.identical(lun.storage):
        raise Failure(
            "it cannot become another disk while it is shown; when its hosts can bear a pause, type: crm_resource "
            f"--restart --resource {lun.resource or 'RESOURCE'}"
        )
    _require_size(lun)
    told = storage_object.notes(lun.storage.place).get("size")
    storage_object.set_attributes(lun.storage)
    _show(lun)
    present = storage_object.notes(lun.storage.place)["size"]
    if told in (None, present):
        return ""
    return f"{lun} has {present} bytes now instead of {told}; {RESCAN}"


def _unseen(lun: Lun) -> list[str]:
    """What to note of initiators that the target does not admit: the others are served."""
    absent = forgotten(lun)
    return [f"its target does not admit {' '.join(absent)}, whom allowed_initiators names"] if absent else []


def _require_size(lun: Lun) -> None:
    """A device that has grown holds all that its hosts know of. Of a smaller one the end is missing."""
    present = block_device.size(lun.storage.path) if lun.size else 0
    if present < lun.size:
        raise NotHere(
            f"device {lun.storage.path} is smaller than parameter size says; see on both nodes: blockdev --getsize64 "
            f"{lun.storage.path}; it has {present} bytes here instead of {lun.size}"
        )


def _require_target(lun: Lun) -> None:
    if not configfs.exists(lun.group):
        raise Passing(
            f"target {lun.iqn} does not exist on this node; start its lio-iscsi-target first, "
            "and order it before this resource"
        )
    if lun.initiators and lio_target.lets_everybody_in(lun.iqn):
        raise Misconfigured(
            f"allowed_initiators names {lun.initiators[0]}, and its target shows every LUN to everybody; take out "
            "demo_mode there, or allowed_initiators here",
            parameter="allowed_initiators",
        )


def _refuse_taken_number(lun: Lun) -> None:
    others = [link for link in configfs.links(lun.unit) if link != lun.storage.name]
    if others:
        held = os.path.basename(os.path.realpath(f"{lun.unit}/{others[0]}"))
        # Another resource may have had the number up to now, and may be stopping.
        raise Passing(
            f"LUN {lun.number} is taken by backstore {held}; remove it: targetcli /iscsi/{lun.iqn}/tpg1/luns delete "
            f"{lun.number}; or choose another number"
        )


def _show(lun: Lun) -> None:
    # For lio_acl, which shows what is meant for all, and for `resized`.
    size = block_device.size(lun.storage.path)
    storage_object.note(lun.storage.place, audience="some" if lun.initiators else "all", size=size)
    lio_acl.mean(lun.storage.name, lun.initiators)
    configfs.make(lun.unit)
    configfs.link(lun.storage.place, lun.export)
    meant = audience(lun)
    for initiator in meant:
        lio_acl.show(lun.group, initiator, lun.number, lun.storage.name)
    for stranger in set(lio_acl.admitted(lun.group)) - set(meant):
        lio_acl.hide(lun.group, stranger, lun.number)


def remove(lun: Lun) -> None:
    """Take the LUN away, whatever state it is in, with or without its target. Another LUN of its number stays."""
    if configfs.exists(lun.export) or (configfs.exists(lun.unit) and not configfs.links(lun.unit)):
        _keep_silent(lun)
        _hide(lun)
        configfs.unlink(lun.export)
        # A reload of the target may have shown it once more, and while it is shown it is busy. Without its export the
        # kernel lets nobody show it (target_core_fabric_configfs.c, target_fabric_mappedlun_link).
        _hide(lun)
        configfs.remove(lun.unit)
    storage_object.remove(lun.storage)
    lio_acl.mean(lun.storage.name, ())
    if storage_object.exists(lun.storage) or configfs.exists(lun.export):
        raise Failure(f"{lun} is still there after its removal; see 'dmesg' and {lun.storage.place}")


def _hide(lun: Lun) -> None:
    for initiator in lio_acl.admitted(lun.group):
        lio_acl.hide(lun.group, initiator, lun.number)


def _keep_silent(lun: Lun) -> None:
    """Disable the target before what it says could be taken for the truth (see "Silence" above)."""
    if lun.number == 0 or configfs.names(os.path.dirname(lun.unit)) == [os.path.basename(lun.unit)]:
        lio_target.disable(lun.iqn)
