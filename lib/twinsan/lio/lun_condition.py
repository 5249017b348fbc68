# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare a LUN in the kernel with its configuration. Nothing is changed here."""

from __future__ import annotations

from twinsan.errors import Broken, Drifted, Reason
from twinsan.host import block_device
from twinsan.lio import acl as lio_acl
from twinsan.lio import alias, configfs, name_list, storage_object
from twinsan.lio import lun as lio_lun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.lio.lun import Lun

NOT_EXPORTED = Reason(Broken, "{lun} is half made: its backstore {backstore} is no LUN of the target")
NOT_SHOWN = Reason(Broken, "{lun} is not shown to {initiators}")
SHOWN_AS_WELL = Reason(Drifted, "it is shown to {initiators} as well")


def inspect(lun: Lun) -> tuple[bool, str]:
    """Return (exists, fault): whether anything of the LUN exists, and why it does not work ("" if it does).

    The storage object is created first and removed last, so without it there is nothing.
    """
    if not storage_object.exists(lun.storage):
        return False, ""
    return True, storage_object.fault(lun.storage) or _fault(lun)


def _fault(lun: Lun) -> str:
    if not configfs.exists(lun.export):
        return NOT_EXPORTED.text(lun=lun.storage.lun, backstore=lun.storage.name)
    meant = lio_lun.intended_initiators(lun)
    blind = [initiator for initiator in meant if not lio_acl.sees(lun.group, initiator, lun.number)]
    return NOT_SHOWN.text(lun=lun.storage.lun, initiators=name_list.shorten(blind)) if blind else ""


def drift(lun: Lun) -> list[str]:
    """Describe what differs from the configuration although the LUN works, one text for each attribute."""
    found = storage_object.drift(lun.storage)
    meant = lio_lun.intended_initiators(lun)
    others = [initiator for initiator in lio_acl.initiators(lun.group) if initiator not in meant]
    strangers = [name for name in others if configfs.exists(lio_acl.mapped_lun(lun.group, name, lun.number))]
    if strangers:
        found.append(SHOWN_AS_WELL.text(initiators=name_list.shorten(strangers)))
    return found


def size_change(lun: Lun) -> tuple[int, int] | None:
    """Return (expected, present) size in bytes: expected is the configured size, or else the one at the last start or
    reload. None if both are equal or the expected size is unknown. Raises NotHere or Passing if the device is gone.
    """
    told = lun.size or int(alias.read(lun.storage.place).get("size", "0"))
    present = block_device.size(lun.storage.path)
    return (told, present) if told not in (0, present) else None
