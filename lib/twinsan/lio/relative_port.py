# SPDX-License-Identifier: GPL-2.0-or-later
"""The relative target port identifier of a portal group, by which hosts know the target's port.

Kernels before 6.4 have no attribute `rtpi`. They number the LUNs of a storage object from 1, so there it is 1.
"""

from __future__ import annotations

import binascii

from twinsan.lio import configfs, tree


def ensure(group: str, iqn: str, wanted: int) -> None:
    """Give the portal group at `group` the relative port identifier `wanted` (1 to 65535), the same on both nodes.

    By default, newer kernels count up when a group is enabled: two targets would swap their numbers with the order of
    their starts. If another group on this node has the number, use one derived from `iqn`. A group that has one of the
    two keeps it. So does an enabled group: the kernel does not change its number.
    """
    if configfs.read(f"{group}/rtpi") is None or configfs.read(f"{group}/enable") == "1":
        return
    derived = 1 + binascii.crc32(iqn.encode("ascii")) % 0xFFFF
    if _number(group) not in (wanted, derived):
        taken = [_number(other) for other in tree.portal_groups() if other != group]
        configfs.write(f"{group}/rtpi", str(derived if wanted in taken else wanted))


def _number(group: str) -> int:
    return int(configfs.read(f"{group}/rtpi") or "0", 0)
