# SPDX-License-Identifier: GPL-2.0-or-later
"""What sysfs tells of block devices, on a tree as the kernel makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.fake_block_tree import BlockTree
from tests.unit.fake_configfs import disk
from twinsan.host import device_limits
from twinsan.host.device_limits import Limits


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlockTree:
    made = BlockTree(tmp_path, monkeypatch)
    made.add("sda", "8:0", max_hw_sectors_kb=512)
    made.add("sda1", "8:1")
    made.add("sdb", "8:16", size=2, discard_max_bytes=0)
    made.add("drbd0", "147:0", size=7, below=("sda1", "sdb"))
    made.add("drbd1", "147:1")
    return made


@pytest.mark.usefixtures("sysfs")
def test_a_device_its_partition_and_none() -> None:
    assert str(device_limits.of("/dev/sda")) == str(disk(max_hw_sectors_kb=512))
    assert str(device_limits.of("/dev/sda1")) == str(disk(max_hw_sectors_kb=512))
    assert device_limits.of("/dev/gone") is None


def test_a_kernel_that_does_not_know_a_limit(sysfs: BlockTree) -> None:
    sysfs.remove("sda", "write_zeroes_max_bytes")
    limits = device_limits.of("/dev/sda")
    assert limits is not None
    assert limits.write_zeroes_max_bytes == 0


@pytest.mark.usefixtures("sysfs")
def test_what_hosts_learn_of_a_queue() -> None:
    shape = {"physical_block_size": "4096", "minimum_io_size": "4096", "optimal_io_size": "65536"}
    assert device_limits.io_topology("/dev/sda1") == device_limits.io_topology("/dev/drbd0") == shape
    assert device_limits.io_topology("/dev/gone") == {}
    assert device_limits.io_topology_of_drbd(0) == {"block_size": "512", **shape}


@pytest.mark.usefixtures("sysfs")
def test_the_disk_below_drbd_is_the_one_with_room_for_it() -> None:
    assert str(device_limits.of_backing_device(0)) == str(disk(max_hw_sectors_kb=512))
    assert device_limits.of_backing_device(1) is None
    assert device_limits.of_backing_device(5) is None


def test_what_is_told_is_understood() -> None:
    told = str(disk(discard_granularity=1 << 20))
    assert str(Limits.parse(told)) == told
    assert str(Limits.parse(f"{told},a_later_limit=7")) == told
    for wrong in ("", "discard_max_bytes=1", told.replace("512", "many")):
        with pytest.raises((KeyError, ValueError)):
            Limits.parse(wrong)


@pytest.mark.parametrize(
    ("granularity", "piece", "freed"),
    [
        (4096, 1 << 20, True),
        (1 << 20, 1 << 20, True),
        (2 << 20, 1 << 20, False),
        (3 << 18, 1 << 20, False),
        (0, 512, True),
    ],
)
def test_pieces(granularity: int, piece: int, freed: bool) -> None:
    assert disk(discard_granularity=granularity).frees(piece) == freed
