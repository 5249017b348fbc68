# SPDX-License-Identifier: GPL-2.0-or-later
"""The checksum of IP, ICMPv6 and TCP."""

from __future__ import annotations

import struct


def internet(data: bytes) -> int:
    """The internet checksum of `data`, 16 bits (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
