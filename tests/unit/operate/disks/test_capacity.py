# SPDX-License-Identifier: GPL-2.0-or-later
"""How much DRBD leaves of a disk, by sizes that it printed."""

from __future__ import annotations

import pytest

from twinsan.operate.disks import capacity

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def test_a_disk_of_one_gib() -> None:
    """LINBIT's guide has this number of KiB for it."""
    assert capacity.most(GIB) == 1048508 * KIB


def test_each_peer_of_drbd_9_has_a_bitmap() -> None:
    assert capacity.most(1 << 40) - capacity.most(1 << 40, 7) == 6 * 32 * MIB


def test_a_disk_that_is_too_small_for_anything() -> None:
    assert capacity.most(4096) == 0


@pytest.mark.parametrize("peers", [1, 7, 31])
@pytest.mark.parametrize("disk", [128 * MIB, 10 * GIB, 3 << 40])
def test_a_device_that_has_all_of_its_disk(disk: int, peers: int) -> None:
    size = capacity.most(disk, peers)
    assert capacity.is_used_up(size, disk, one_peer=peers == 1)
    assert not capacity.is_used_up(size, disk + disk // 4, one_peer=peers == 1)


def test_meta_data_on_another_disk() -> None:
    assert capacity.is_used_up(GIB, GIB, one_peer=True)
    assert not capacity.is_used_up(GIB, 2 * GIB, one_peer=True)


def test_a_little_growth_counts_on_drbd_8_4() -> None:
    assert not capacity.is_used_up(capacity.most(GIB), GIB + 4 * MIB, one_peer=True)
