# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets and disks that the agents of ClusterLabs serve, with the values that these agents take by default."""

from __future__ import annotations

import hashlib

from twinsan.lio import iscsi_parameters
from twinsan.operate.adoption import found, migration, secrets
from twinsan.operate.adoption.found import Disk, Notes, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.operate.adoption.cib import Cib, Primitive

TARGET, LUN = "ocf:heartbeat:iSCSITarget", "ocf:heartbeat:iSCSILogicalUnit"

# The implementations that are LIO. Without the parameter it is that of the first tool that is installed.
_LIO = ("lio-t", "lio")

# What the shell agents write to configfs, as the kernel reads it (kstrtobool).
_ON = ("1", "y", "yes", "t", "true", "on")

# The kernel's room for the name of a backstore as the product.
_PRODUCT_LENGTH = 15

_OTHER_TARGET = (
    "its disks have other names with LIO, which twinsan uses: hosts would take them for other disks. Move the data by "
    "the hosts (Storage vMotion) to a new disk"
)
_PSCSI = "a disk that was served as pscsi has the identity of its device. Move the data by the hosts to a new disk"
_BLOCK_SIZE = "lio-lun has the block size of the device. Move the data by the hosts to a new disk"
_NO_SERIAL = (
    "the agent took another serial with each start. Look while it serves: cat "
    "/sys/kernel/config/target/core/*/*/wwn/vpd_unit_serial; and write that into the site file"
)
_OPEN = (
    "the target let everybody in beside them. Who else uses it? See cat /sys/kernel/config/target/iscsi/{iqn}/tpgt_1/"
    "dynamic_sessions; and add their names to allowed_initiators"
)
_MASKED = (
    "targetcli maps a LUN to every initiator that exists, so others may use it as well. See ls /sys/kernel/config/"
    "target/iscsi/{iqn}/tpgt_1/acls/*; and add their names to the LUN's allowed_initiators"
)


def targets(cib: Cib, notes: Notes) -> list[Target]:
    """Return the targets with their disks."""
    made = [_target(primitive, notes) for primitive in cib.of(TARGET)]
    by_name = {target.iqn: target for target in made}
    for primitive in cib.of(LUN):
        iqn = primitive.values.get("target_iqn", "").lower()
        if iqn not in by_name:
            by_name[iqn] = Target(iqn, "")
            made.append(by_name[iqn])
            notes.lose(primitive.name, f"no iSCSITarget makes its target {iqn}", "see who makes it, and stop that")
        by_name[iqn].disks.append(_disk(primitive, notes))
    return made


def admit(targets: list[Target], notes: Notes) -> None:
    """Let in whom each target or one of its disks names; everybody if neither does."""
    for target in targets:
        _admit(target, notes)


def is_on(text: str) -> bool:
    """Return how the kernel reads a truth value."""
    return text.strip().lower() in _ON


def note_parameters(agent: str, primitive: Primitive, notes: Notes) -> None:
    """Note each given parameter of another agent that has no place with `agent`, which replaces it."""
    for theirs, ours, remark in migration.REPLACED[agent].get(primitive.agent, ()):
        for name in theirs.split():
            if name in primitive.values and not ours and name != "implementation":
                notes.change(f"{primitive.name}: {name}={primitive.values[name]}", remark)


def _target(primitive: Primitive, notes: Notes) -> Target:
    values = primitive.values
    _check_implementation(primitive, notes)
    note_parameters("lio-iscsi-target", primitive, notes)
    target = Target(values.get("iqn", "").lower(), primitive.name, _names(values.get("allowed_initiators", "")))
    if values.get("incoming_username"):
        target.values["incoming_username"] = values["incoming_username"]
        target.values["incoming_password_file"] = secrets.CHAP
        secrets.check_chap(values.get("incoming_password", ""), primitive.name, notes)
    parameters = _iscsi_parameters(values.get("additional_parameters", ""), primitive.name, notes)
    if parameters:
        target.values["additional_parameters"] = parameters
    return target


def _check_implementation(primitive: Primitive, notes: Notes) -> None:
    given = primitive.values.get("implementation", "")
    if not given:
        notes.change(
            f"{primitive.name}: no implementation",
            "taken for LIO (lio-t). If ietd, tgtd or SCST serves it, do not go on: hosts would see another disk",
        )
    elif given not in _LIO:
        notes.lose(primitive.name, f"implementation={given}", _OTHER_TARGET)


def _iscsi_parameters(text: str, place: str, notes: Notes) -> list[str]:
    kept = []
    for word in text.split():
        name, _, value = word.partition("=")
        if value and name in iscsi_parameters.KNOWN:
            kept.append(word)
        else:
            notes.change(f"{place}: additional_parameters has {word}", "LIO has no such parameter: it had no effect")
    return kept


def _disk(primitive: Primitive, notes: Notes) -> Disk:
    values = primitive.values
    _check_implementation(primitive, notes)
    note_parameters("lio-lun", primitive, notes)
    disk = Disk(values.get("lun", ""), values.get("path", ""), primitive.name)
    # The agents' own default, of the resource's name.
    digest = hashlib.md5(primitive.name.encode(), usedforsecurity=False).hexdigest()
    disk.serial = values.get("scsi_sn", digest[:8])
    if not disk.serial:
        notes.lose(primitive.name, "scsi_sn is empty", _NO_SERIAL)
    disk.product = values.get("product_id") or _product(primitive)
    disk.primitives = tuple(_primitives(values))
    disk.initiators = _names(values.get("allowed_initiators", ""))
    if values.get("liot_bstype") == "pscsi":
        notes.lose(primitive.name, "liot_bstype=pscsi", _PSCSI)
    if values.get("block_size", "512") != "512":
        notes.lose(primitive.name, f"block_size={values['block_size']}", _BLOCK_SIZE)
    return disk


def _product(primitive: Primitive) -> str:
    """What the product is by default: lio_node left that of the kernel, targetcli sets the backstore's name."""
    return "IBLOCK" if primitive.values.get("implementation") == "lio" else primitive.name[:_PRODUCT_LENGTH].strip()


def _primitives(values: dict[str, str]) -> Iterable[str]:
    for name, switch, default in (
        (found.ATS, "emulate_caw", "1"),
        (found.XCOPY, "emulate_3pc", "1"),
        (found.WRITE_SAME, "", "1"),
        (found.UNMAP, "emulate_tpu", "0"),
    ):
        if is_on(values.get(switch) or default):
            yield name


def _admit(target: Target, notes: Notes) -> None:
    named = tuple(dict.fromkeys(name for disk in target.disks for name in disk.initiators))
    for disk in target.disks:
        hidden = [name for name in (*target.initiators, *named) if disk.initiators and name not in disk.initiators]
        if hidden and not disk.for_sure:
            shown = f"LUN {disk.number} is for {' '.join(disk.initiators)} alone"
            notes.lose(disk.place, shown, _MASKED.format(iqn=target.iqn))
    if not target.initiators and named:
        notes.lose(target.place or target.iqn, f"only {' '.join(named)} may log in", _OPEN.format(iqn=target.iqn))
    target.initiators = tuple(dict.fromkeys((*target.initiators, *named)))
    if not target.initiators:
        target.values["demo_mode"] = True


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.lower().split()))
