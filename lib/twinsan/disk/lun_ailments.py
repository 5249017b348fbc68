# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be wrong with a LUN that is served: the size of its device, initiators that are not admitted, a device that
does not answer.
"""

from __future__ import annotations

from twinsan.errors import DeadlinePassed, Degraded, Reason
from twinsan.lio import acl as lio_acl
from twinsan.lio import lun as lio_lun
from twinsan.lio import lun_condition, name_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.lio.lun import Lun

# How long a device may take to answer, of the 20 s that a monitor has.
_MILLISECONDS_TO_ANSWER = 10000

SHRUNK = Reason(
    Degraded,
    "device {device} has shrunk to {present} bytes from {known}",
    "see on both nodes: blockdev --getsize64 {device}; it will not be started so: hosts know of blocks that are gone",
)
GROWN = Reason(
    Degraded,
    "{device} has grown to {present} bytes from {known}",
    "type: crm_resource --resource RESOURCE --set-parameter size --parameter-value {present}; and " + lio_lun.RESCAN,
)
NOBODY_ADMITTED = Reason(
    Degraded,
    "nobody sees it: its target does not admit {initiators}",
    "type: crm_resource --resource TARGET --set-parameter allowed_initiators --parameter-value '{admitted}'; with the "
    "name of its lio-iscsi-target for TARGET",
)
NOT_ADMITTED = Reason(
    Degraded,
    "its target does not admit {initiators}",
    "take it out: crm_resource --resource RESOURCE --set-parameter allowed_initiators --parameter-value '{rest}'; or "
    "admit it there",
)


def size_ailment(lun: Lun) -> str:
    """Return the reason if the device does not have the size that hosts were told; "" if it does. Raises NotHere or
    Passing if the device is gone.
    """
    resized = lun_condition.size_change(lun)
    if not resized:
        return ""
    known, present = resized
    reason = SHRUNK if present < known else GROWN
    return reason.text(device=lun.storage.path, present=present, known=known)


def admission_ailment(lun: Lun) -> str:
    """Return the reason if the LUN is meant for an initiator that the target does not admit; else "". The others are
    served.
    """
    absent = lio_lun.unadmitted_initiators(lun)
    if not absent:
        return ""
    initiators, rest = name_list.shorten(absent), [name for name in lun.initiators if name not in absent]
    if not rest:
        # An empty list would mean all initiators.
        admitted = " ".join([*lio_acl.initiators(lun.group), *absent])
        return NOBODY_ADMITTED.text(initiators=initiators, admitted=admitted)
    return NOT_ADMITTED.text(initiators=initiators, rest=" ".join(rest))


def freeze_ailment(path: str, deadline: Deadline) -> str:
    """Return the reason if the device at `path` does not answer within 10 s; "" if it answers. Raises Failure if it
    answers with an error.

    A device that does not answer is frozen, like a DRBD device until its peer is fenced. DRBD's monitor judges that: a
    restart of the LUN would not help, because its stop would meet the same frozen I/O.
    """
    from twinsan.host import block_device, child, scsi

    def ask() -> None:
        block_device.read_ends(path)
        scsi.require_ready(path, _MILLISECONDS_TO_ANSWER)

    try:
        child.run(ask, deadline.within(_MILLISECONDS_TO_ANSWER / 1000), f"reading {path}")
    except DeadlinePassed as frozen:
        return str(frozen)
    return ""
