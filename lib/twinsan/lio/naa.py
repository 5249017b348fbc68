# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity of a LUN: its unit serial, and the NAA name that the kernel makes from it.

An initiator knows a disk by its NAA name. If the name changes, ESXi sees another disk and loses the datastore. If two
LUNs have the same name, hosts take them for two paths to one disk, and data is lost. So the serial is derived from what
is unique and the same on both nodes: the target's IQN and the LUN's number.
"""

from __future__ import annotations

from twinsan.host import digest

# The kernel's default company id. It is Datera's, and kept because existing disks have it in their names.
COMPANY = "001405"

# The vendor's part of an NAA name of type 6 is 100 bits long. The kernel fills it with the hexadecimal digits of the
# serial, in their order. It skips all other characters, and pads with zeros.
DIGITS = 25

_HEXADECIMAL = frozenset("0123456789abcdef")


def serial(iqn: str, lun: int) -> str:
    """The unit serial of LUN number `lun` of the target `iqn`: 32 hexadecimal digits."""
    return digest.sha256(f"{iqn}\n{lun}".encode("ascii"))[:32]


def digits(unit_serial: str) -> str:
    """The hexadecimal digits of a serial, in their order, as the kernel picks them."""
    return "".join(character for character in unit_serial.lower() if character in _HEXADECIMAL)


def name(unit_serial: str, company: str = COMPANY) -> str:
    """The NAA name that initiators see for a unit serial, such as naa.6001405…"""
    return f"naa.6{company}{digits(unit_serial)[:DIGITS]:0<{DIGITS}}"
