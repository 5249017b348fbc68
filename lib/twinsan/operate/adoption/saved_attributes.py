# SPDX-License-Identifier: GPL-2.0-or-later
"""The attributes that targetcli has saved of a backstore and of a portal group."""

from __future__ import annotations

from twinsan.lio import iscsi_parameters
from twinsan.operate.adoption import found
from twinsan.operate.adoption.saved import inner, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.found import Notes
    from twinsan.operate.adoption.saved import Saved

# The kernel's defaults of what twinsan always leaves at them.
_DEFAULTS = {
    "alua_support": "1",
    "emulate_fua_write": "1",
    "emulate_pr": "1",
    "emulate_rest_reord": "0",
    "emulate_tas": "1",
    "emulate_ua_intlck_ctrl": "0",
    "enforce_pr_isids": "1",
    "pgr_support": "1",
    "pi_prot_type": "0",
    "unmap_zeroes_data": "0",
}
_SWITCHES = {found.ATS: "emulate_caw", found.XCOPY: "emulate_3pc", found.UNMAP: "emulate_tpu"}
_OFF_BY_DEFAULT = (found.UNMAP,)

# Of the kernel, for a portal group.
_PARAMETERS = {
    "DefaultTime2Wait": "2",
    "FirstBurstLength": "65536",
    "ImmediateData": "Yes",
    "InitialR2T": "Yes",
    "MaxBurstLength": "262144",
    "MaxOutstandingR2T": "1",
    "MaxRecvDataSegmentLength": "8192",
    "MaxXmitDataSegmentLength": "262144",
    "DataDigest": "CRC32C,None",
    "DataPDUInOrder": "Yes",
    "DataSequenceInOrder": "Yes",
    "DefaultTime2Retain": "20",
    "ErrorRecoveryLevel": "0",
    "HeaderDigest": "CRC32C,None",
    "MaxConnections": "1",
    "TargetAlias": "LIO Target",
}
_QUEUE_DEPTH = "64"


def primitives(attributes: Saved) -> tuple[str, ...]:
    """Return the primitives that a backstore has."""
    kept = [found.WRITE_SAME]
    for name, switch in _SWITCHES.items():
        default = "0" if name in _OFF_BY_DEFAULT else "1"
        if word(attributes, switch, default) == "1":
            kept.append(name)
    return tuple(name for name in (found.ATS, found.XCOPY, found.WRITE_SAME, found.UNMAP) if name in kept)


def check(attributes: Saved, place: str, notes: Notes) -> None:
    """Note the attributes of a backstore that cannot be kept."""
    for name, default in _DEFAULTS.items():
        value = word(attributes, name, default)
        if value != default:
            notes.lose(place, f"{name}={value}", f"it will be {default}, the default of the kernel")
    block, native = word(attributes, "block_size", ""), word(attributes, "hw_block_size", "")
    if block and block != (native or "512"):
        remedy = "lio-lun has the block size of the device. Move the data by the hosts to a new disk"
        notes.lose(place, f"block_size={block}", remedy)


def of_target(group: Saved, iqn: str, notes: Notes) -> dict[str, object]:
    """Return the parameters of lio-iscsi-target that keep what is set of a portal group."""
    kept: dict[str, object] = {}
    attributes, parameters = (inner(group, name) for name in ("attributes", "parameters"))
    depth = word(attributes, "default_cmdsn_depth", _QUEUE_DEPTH)
    if depth != _QUEUE_DEPTH and depth.isdecimal() and len(depth) < 6:
        kept["queue_depth"] = int(depth)
    words = []
    for name, default in _PARAMETERS.items():
        value = word(parameters, name, default)
        if value == default:
            continue
        if name in iscsi_parameters.KNOWN and value and not set(value) & set(' "\\'):
            words.append(f"{name}={value}")
        else:
            notes.change(f"{iqn}: {name}={value}", "it will be the default of twinsan")
    if words:
        kept["additional_parameters"] = words
    return kept
