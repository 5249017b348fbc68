# SPDX-License-Identifier: GPL-2.0-or-later
"""What sysfs tells of block devices, on a tree as the kernel makes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.fake_configfs import disk
from twinsan.system import device_limits
from twinsan.system.device_limits import Limits


class Sysfs:
    """Devices below /sys/devices, and the links that lead there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._devices, self._numbers, self.nodes = folder / "devices", folder / "dev-block", folder / "dev"
        for made in (self._devices, self._numbers, self.nodes):
            made.mkdir()
        self._known: dict[str, str] = {}
        monkeypatch.setattr(device_limits, "sysfs", str(self._numbers))
        monkeypatch.setattr(device_limits, "_place", self._place)

    def _place(self, path: str) -> str:
        number = self._known.get(os.path.basename(path))
        return str(self._numbers / number) if number else ""

    def add(self, name: str, number: str, *, size: int = 8, below: tuple[str, ...] = (), **limits: int) -> None:
        """A device; "sda1" is a partition of "sda"."""
        parent = self._devices / name.rstrip("0123456789")
        is_partition = name != parent.name and parent.is_dir()
        place = parent / name if is_partition else self._devices / name
        (place / "slaves").mkdir(parents=True)
        if is_partition:
            (place / "partition").write_text("1\n")
        else:
            (place / "queue").mkdir()
            shape = "minimum_io_size=4096,optimal_io_size=65536"
            for word in f"{disk(**limits)},{shape}".split(","):
                file, _, value = word.partition("=")
                (place / "queue" / file).write_text(f"{value}\n")
        (place / "dev").write_text(f"{number}\n")
        (place / "size").write_text(f"{size}\n")
        for device in below:
            (place / "slaves" / device).symlink_to(self._numbers / self._known[device])
        (self._numbers / number).symlink_to(place)
        self._known[name] = number

    def remove(self, name: str, file: str) -> None:
        (self._devices / name / "queue" / file).unlink()


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    made = Sysfs(tmp_path, monkeypatch)
    made.add("sda", "8:0", max_hw_sectors_kb=512)
    made.add("sda1", "8:1")
    made.add("sdb", "8:16", size=2, discard_max_bytes=0)
    made.add("drbd0", "147:0", size=7, below=("sda1", "sdb"))
    made.add("drbd1", "147:1")
    made.add("dm-0", "254:0", below=("drbd0",))
    made.add("dm-1", "254:1", below=("dm-0", "drbd1"))
    return made


@pytest.mark.usefixtures("sysfs")
def test_a_device_its_partition_and_none() -> None:
    assert str(device_limits.of("/dev/sda")) == str(disk(max_hw_sectors_kb=512))
    assert str(device_limits.of("/dev/sda1")) == str(disk(max_hw_sectors_kb=512))
    assert device_limits.of("/dev/gone") is None


def test_a_kernel_that_does_not_know_a_limit(sysfs: Sysfs) -> None:
    sysfs.remove("sda", "write_zeroes_max_bytes")
    limits = device_limits.of("/dev/sda")
    assert limits is not None
    assert limits.write_zeroes_max_bytes == 0


@pytest.mark.usefixtures("sysfs")
@pytest.mark.parametrize(
    ("path", "minors"),
    [("/dev/drbd0", [0]), ("/dev/dm-0", [0]), ("/dev/dm-1", [0, 1]), ("/dev/sda1", []), ("/dev/gone", [])],
)
def test_drbd_below_a_device(path: str, minors: list[int]) -> None:
    assert device_limits.drbd_below(path) == minors


def test_drbd_below_a_partition_of_it(sysfs: Sysfs) -> None:
    sysfs.add("drbd", "147:9")
    sysfs.add("drbd2", "259:0")
    sysfs.add("dm-2", "254:2", below=("drbd2",))
    assert device_limits.drbd_below("/dev/drbd2") == device_limits.drbd_below("/dev/dm-2") == [9]


@pytest.mark.usefixtures("sysfs")
def test_what_hosts_learn_of_a_queue() -> None:
    shape = {"physical_block_size": "4096", "minimum_io_size": "4096", "optimal_io_size": "65536"}
    assert device_limits.shape("/dev/sda1") == device_limits.shape("/dev/drbd0") == shape
    assert device_limits.shape("/dev/gone") == {}
    assert device_limits.shape_of_drbd(0) == {"block_size": "512", **shape}


@pytest.mark.usefixtures("sysfs")
@pytest.mark.parametrize(("path", "is_drbd"), [("/dev/drbd0", True), ("/dev/dm-0", False), ("/dev/gone", False)])
def test_who_is_drbd(path: str, is_drbd: bool) -> None:
    assert device_limits.is_drbd(path) == is_drbd


@pytest.mark.usefixtures("sysfs")
def test_the_disk_below_drbd_is_the_one_with_room_for_it() -> None:
    assert str(device_limits.behind_drbd(0)) == str(disk(max_hw_sectors_kb=512))
    assert device_limits.behind_drbd(1) is None
    assert device_limits.behind_drbd(5) is None


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
