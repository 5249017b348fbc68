# SPDX-License-Identifier: GPL-2.0-or-later
"""LIO on this node: the targets with their sessions, and the LUNs.

To be called in a child. While a LUN with a dead device is being removed, the kernel locks the directory of that LUN in
its portal group, and the attributes of the group (see `lio.configfs`); so nothing of these is read. Not even
a name may be looked up there: while its link is being removed, that hangs as well. What is seen is yielded at once, and
the LUNs come first.
"""

from __future__ import annotations

import os

from twinsan.errors import Failure
from twinsan.host import block_device
from twinsan.lio import acl as lio_acl
from twinsan.lio import configfs, identity, primitives, tree
from twinsan.lio import portal as lio_portal
from twinsan.lio import session as lio_session
from twinsan.lio.storage_object import StorageObject
from twinsan.network import addresses
from twinsan.operate.facts import storage_shape as shape
from twinsan.operate.facts.cluster import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ALUA = ("active/optimized", "active/non-optimized", "standby", "unavailable", "LBA dependent")
_ATTRIBUTES = ("emulate_caw", "emulate_3pc", "max_write_same_len", "emulate_tpu", "emulate_tpws")
_MARK = "lun_"


def look() -> Iterator[shape.Lun | shape.Target]:
    """Yield the LUNs and then the targets of this node; nothing if LIO is not loaded. Raises OSError."""
    if not configfs.available():
        return
    groups = {iqn: f"{configfs.place('iscsi', iqn)}/tpgt_1" for iqn in tree.targets()}
    places = list(tree.storage_objects())
    for place in places:
        target, number = _shown(os.path.basename(place), groups)
        yield lun(place, target, number)
    here = {each.address for each in addresses.present()}
    for iqn, group in groups.items():
        yield _target(iqn, group, here)


def _shown(name: str, groups: dict[str, str]) -> tuple[str | None, int | None]:
    """The target that shows a storage object, and with which number: by the name, which the agents make of both, or by
    the ACLs that map it.
    """
    number = whole(name.rpartition("-")[0].rpartition("-lun")[2])
    for iqn in groups:
        if number is not None and StorageObject((iqn, number), "").name == name:
            return iqn, number
    for iqn, group in groups.items():
        for initiator in lio_acl.initiators(group):
            place = lio_acl.place(group, initiator)
            for mapped in configfs.names(place):
                if mapped.startswith(_MARK) and name in configfs.names(f"{place}/{mapped}"):
                    return iqn, whole(mapped.removeprefix(_MARK))
    return None, None


def lun(place: str, target: str | None, number: int | None) -> shape.Lun:
    """Return the facts of the storage object at a configfs path, with the target that shows it."""
    device = configfs.read(f"{place}/udev_path") or ""
    attributes = {name: whole(_read(f"{place}/attrib/{name}")) or 0 for name in _ATTRIBUTES}
    alua = whole(_read(f"{place}/alua/default_tg_pt_gp/alua_access_state"))
    words = (_read(f"{place}/wwn/{name}") for name in ("vendor_id", "product_id"))
    counters = f"{place}/statistics/scsi_lu"
    return shape.Lun(
        target=target,
        lun=number,
        resource=None,
        device=device,
        size_bytes=_size(device),
        serial=identity.unit_serial(place),
        naa=identity.naa_name(place),
        product=" ".join(word.strip() for word in words if word),
        vaai=tuple(primitives.provided_by(attributes)),
        alua=_ALUA[alua] if alua is not None and alua < len(_ALUA) else None,
        reservation=_reservation(place),
        commands=whole(_read(f"{counters}/num_cmds")),
        read_mib=whole(_read(f"{counters}/read_mbytes")),
        written_mib=whole(_read(f"{counters}/write_mbytes")),
        resets=whole(_read(f"{counters}/resets")),
    )


def _size(device: str) -> int | None:
    try:
        return block_device.size(device)
    except (Failure, OSError):
        return None


def _reservation(place: str) -> shape.Reservation | None:
    """Who is registered, from the kernel's memory."""
    registered = configfs.read(f"{place}/pr/res_pr_registered_i_pts")
    if registered is None:
        return None
    names = [line for line in registered.splitlines()[1:] if line.strip() and line.strip() != "None"]
    kind = (_read(f"{place}/pr/res_pr_type") or "").partition("SPC-3 Reservation Type: ")[2].strip()
    # "SPC-3 Reservation: iSCSI Initiator: iqn...", with the session's identifier behind it.
    holder = (_read(f"{place}/pr/res_holder") or "").rpartition(" Initiator: ")[2].split(",")[0].strip()
    return shape.Reservation(len(names), kind or None, holder if kind and holder else None)


def _target(iqn: str, group: str, here: set[str]) -> shape.Target:
    return shape.Target(
        target=iqn,
        enabled=configfs.read(f"{group}/enable") == "1",
        portals=tuple(_portal(name, here) for name in lio_portal.of_group(group)),
        sessions=tuple(_session(group, initiator) for initiator in lio_acl.initiators(group)),
        failed_logins=whole(_read(f"{os.path.dirname(group)}/fabric_statistics/iscsi_tgt_attr/login_fails")),
    )


def _portal(name: str, here: set[str]) -> shape.Portal:
    address, _, port = name.rpartition(":")
    address = address.strip("[]")
    wildcard = address in ("0.0.0.0", "::")
    return shape.Portal(address, int(port) if port.isdecimal() else 0, wildcard or address in here)


def _session(group: str, initiator: str) -> shape.Session:
    place = lio_acl.place(group, initiator)
    session = lio_session.parse(_read(f"{place}/info") or "")
    counters = f"{place}/fabric_statistics/iscsi_sess_stats"
    luns = tuple(_use(place, name) for name in configfs.names(place) if name.startswith(_MARK))
    return shape.Session(
        initiator=initiator,
        logged_in=session is not None,
        state=session.state if session is not None and session.state else None,
        address=session.address if session is not None and session.address else None,
        parameters=lio_session.parameters(place) if session is not None else {},
        queue_depth=whole(_read(f"{place}/cmdsn_depth")),
        commands=whole(_read(f"{counters}/cmd_pdus")),
        received_bytes=_written(luns),
        sent_bytes=whole(_read(f"{counters}/txdata_octs")),
        digest_errors=whole(_read(f"{counters}/conn_digest_errors")),
        timeout_errors=whole(_read(f"{counters}/conn_timeout_errors")),
        luns=luns,
    )


def _written(luns: Iterable[shape.LunUse]) -> int | None:
    """What an initiator has written to its LUNs, in bytes. The session's own counter, rxdata_octs, counts no immediate
    data (iscsi_target.c), and most writes are that.
    """
    known = [each.written_mib for each in luns if each.written_mib is not None]
    return sum(known) << 20 if known else None


def _use(acl: str, name: str) -> shape.LunUse:
    counters = f"{acl}/{name}/statistics/scsi_auth_intr"
    return shape.LunUse(
        lun=int(name.removeprefix(_MARK)),
        commands=whole(_read(f"{counters}/num_cmds")),
        read_mib=whole(_read(f"{counters}/read_mbytes")),
        written_mib=whole(_read(f"{counters}/write_mbytes")),
    )


def _read(path: str) -> str | None:
    """The value of an attribute; None for one that this kernel lacks or has no value for now."""
    try:
        value = configfs.read(path)
    except OSError:
        return None
    return value.strip() if value is not None else None
