# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules for the parameters of a LUN that a single declaration cannot express."""

from __future__ import annotations

from twinsan.errors import Misconfigured, Reason
from twinsan.lio import naa, primitives

# In characters. The room in the SCSI INQUIRY data (SPC-3, 6.4.2); for the serial, the room in the name of the file to
# which the kernel writes the reservations (aptpl_SERIAL).
_LONGEST = {"vendor_id": 8, "product_id": 16, "scsi_sn": 240}

# ocf:heartbeat:iSCSILogicalUnit makes serials of this many hexadecimal digits. With fewer, NAA names are too alike.
_FEWEST_DIGITS = 8

TOO_LONG = Reason(Misconfigured, "parameter {parameter} is longer than {longest} characters: {value!r}...")
SPACE_AT_END = Reason(Misconfigured, "parameter {parameter} begins or ends with a space, which LIO cuts off: {value!r}")
SERIAL_CHARACTERS = Reason(
    Misconfigured, "parameter scsi_sn may hold letters, digits and . _ - only: {serial!r}", parameter="scsi_sn"
)
SERIAL_DIGITS = Reason(
    Misconfigured,
    f"parameter scsi_sn holds fewer than {_FEWEST_DIGITS} hexadecimal digits, of which the disk's name is made: "
    "{serial!r}",
    "leave it out to have one derived",
    parameter="scsi_sn",
)
NO_FIELD_VALUE = Reason(
    Misconfigured,
    "accepted_differences takes FIELD=VALUE words, such as rtpi=4711: {word!r}",
    parameter="accepted_differences",
)
NAMED_TWICE = Reason(
    Misconfigured,
    "parameters vaai and vaai_preferred both name {primitive}",
    "take it out of one of them",
    parameter="vaai_preferred",
)
SWITCHED_OFF = Reason(
    Misconfigured,
    "{primitive} is named and {switches}=no switches it off",
    "take one of the two away",
    parameter="vaai",
)


def check_inquiry_data(**values: str) -> None:
    """Check vendor_id, product_id and scsi_sn, given by these names. Raises Misconfigured."""
    for name, value in values.items():
        if len(value) > _LONGEST[name]:
            raise TOO_LONG(parameter=name, longest=_LONGEST[name], value=value[: _LONGEST[name]])
        if value != value.strip():
            raise SPACE_AT_END(parameter=name, value=value)


def check_serial(serial: str) -> None:
    """Check a unit serial that is not derived. Raises Misconfigured."""
    if not serial.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise SERIAL_CHARACTERS(serial=serial)
    if len(naa.digits(serial)) < _FEWEST_DIGITS:
        raise SERIAL_DIGITS(serial=serial)


def check_accepted(words: tuple[str, ...]) -> None:
    """Check that each of `words` is FIELD=VALUE. Raises Misconfigured."""
    for word in words:
        if not all(word.partition("=")):
            raise NO_FIELD_VALUE(word=word)


def check_primitives(
    required: tuple[str, ...], preferred: tuple[str, ...], attributes: dict[str, int], *, named: bool
) -> None:
    """Check that no primitive is both required and preferred, and that `attributes` switch off none of them. `named` is
    whether the configuration names the required ones; if not, they are a default, which the switches override. Raises
    Misconfigured.
    """
    for primitive in required:
        if primitive in preferred:
            raise NAMED_TWICE(primitive=primitive)
    for primitive in (required if named else ()) + preferred:
        off = primitives.disabled_attributes(primitive, attributes)
        if off:
            raise SWITCHED_OFF(primitive=primitive, switches="=no ".join(off))
