# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose device it is, on a tree as the kernel makes it: DRBD below LVM, other mappers and partitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.fake_block_tree import BlockTree
from twinsan.host import block_device, block_tree, holders


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlockTree:
    made = BlockTree(tmp_path, monkeypatch)
    made.add("sda", "8:0")
    made.add("sda1", "8:1")
    made.add("drbd0", "147:0", below=("sda1",))
    made.add("drbd1", "147:1")
    made.add("dm-0", "254:0", below=("drbd0",), path="/dev/vg/lv")
    made.add("dm-1", "254:1", below=("dm-0", "drbd1"))
    return made


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("path", "minors"),
    [
        ("/dev/drbd0", [0]),
        ("/dev/dm-0", [0]),
        ("/dev/vg/lv", [0]),
        ("/dev/dm-1", [0, 1]),
        ("/dev/sda1", []),
        ("/dev/gone", []),
    ],
)
def test_drbd_below_a_device(path: str, minors: list[int]) -> None:
    assert block_tree.drbd_minors(path) == minors


def test_drbd_below_a_partition_of_it(devices: BlockTree) -> None:
    devices.add("drbd", "147:9")
    devices.add("drbd2", "259:0")
    devices.add("dm-2", "254:2", below=("drbd2",))
    assert block_tree.drbd_minors("/dev/drbd2") == block_tree.drbd_minors("/dev/dm-2") == [9]


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(("path", "is_drbd"), [("/dev/drbd0", True), ("/dev/dm-0", False), ("/dev/gone", False)])
def test_who_is_drbd(path: str, is_drbd: bool) -> None:
    assert block_tree.is_drbd(path) == is_drbd


def test_what_is_no_block_device_is_nowhere() -> None:
    """/dev/null has the number of a RAM disk."""
    assert block_tree.find("/dev/null") == block_tree.find("/etc/hostname") == block_tree.find("/no/such") == ""


@pytest.mark.usefixtures("devices")
def test_the_resource_of_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By udev's links: a folder of volumes, or a single one."""
    (tmp_path / "by-res" / "san").mkdir(parents=True)
    (tmp_path / "by-res" / "san" / "0").symlink_to("/dev/drbd0")
    (tmp_path / "by-res" / "old").symlink_to("/dev/drbd1")
    monkeypatch.setattr(block_device, "_by_resource", str(tmp_path / "by-res"))
    paths = ("/dev/drbd0", "/dev/vg/lv", "/dev/drbd1", "/dev/sda")
    assert [block_device.drbd_resource(path) for path in paths] == ["san", "san", "old", ""]


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("made_of", "device", "counts"),
    [
        ("/dev/drbd0", "/dev/drbd0", True),
        ("/dev/vg/lv", "/dev/drbd0", True),
        ("/dev/dm-1", "/dev/drbd1", True),
        ("/dev/vg/lv", "/dev/drbd1", False),
        # Another volume on the same device does not hold this one.
        ("/dev/dm-1", "/dev/vg/lv", False),
        ("/dev/gone", "/dev/drbd0", False),
    ],
)
def test_the_luns_of_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_of: str, device: str, counts: bool
) -> None:
    storage = tmp_path / "core" / "iblock_0" / "lun1"
    storage.mkdir(parents=True)
    (storage / "udev_path").write_text(f"{made_of}\n")
    monkeypatch.setattr(holders, "LIO_BACKSTORES", str(tmp_path / "core"))
    assert holders.backstores(device) == (["LIO backstore iblock_0/lun1"] if counts else [])
