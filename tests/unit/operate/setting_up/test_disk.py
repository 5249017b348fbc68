# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk is looked at without being changed: what is on it, who uses it, and whether it is zero throughout."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from twinsan.deadline import Deadline
from twinsan.host import block_tree, command, kernel_files
from twinsan.operate.setting_up import disk

SIZE = 24 << 20


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that stands for a block device, with its folder in sysfs."""
    path = tmp_path / "sdx"
    with path.open("wb") as file:
        file.truncate(SIZE)
    place = tmp_path / "sys"
    (place / "queue").mkdir(parents=True)
    (place / "holders").mkdir()
    for name, text in {
        "size": str(SIZE // 512),
        "ro": "0",
        "dev": "8:16",
        "queue/rotational": "1",
        "queue/logical_block_size": "512",
        "queue/discard_max_bytes": "4096",
    }.items():
        (place / name).write_text(f"{text}\n")
    monkeypatch.setattr(block_tree, "find", lambda _path: str(place))
    monkeypatch.setattr(stat, "S_ISBLK", lambda _mode: True)
    return path


def write(path: Path, where: int, text: bytes = b"x") -> None:
    with path.open("r+b") as file:
        file.seek(where)
        file.write(text)


def in_time() -> Deadline:
    return Deadline(20)


def hold(device: Path, name: str, size: int) -> None:
    (device.parent / "sys" / "holders" / name).mkdir()
    (device.parent / "sys" / "holders" / name / "size").write_text(f"{size // 512}\n")


def test_an_empty_disk(device: Path) -> None:
    found = disk.look(str(device), in_time())
    assert found == disk.Disk(str(device), number="8:16", size=SIZE, rotational=True, discards=True)
    assert found.content == ""


@pytest.mark.parametrize("where", [0, 438, (1 << 20) - 1, SIZE // 2 + 10, SIZE - (1 << 20), SIZE - 1])
def test_what_is_written_is_seen(device: Path, monkeypatch: pytest.MonkeyPatch, where: int) -> None:
    write(device, where)
    printed = command.Result(("wipefs",), 0, "", "")
    monkeypatch.setattr(command, "run", lambda *_, **__: printed)
    assert disk.look(str(device), in_time()).content == "data of an unknown kind"


@pytest.mark.runs_programs
def test_a_file_system_is_named_and_nothing_is_changed(device: Path) -> None:
    command.run("mkfs.ext4", "-q", str(device), deadline=in_time())
    before = device.read_bytes()
    found = disk.look(str(device), in_time())
    assert (found.signatures, found.content) == (("ext4",), "ext4")
    assert device.read_bytes() == before


@pytest.mark.runs_programs
def test_meta_data_that_were_not_finished_are_no_data(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create-md that is killed has written the activity log, and not the superblock."""
    command.run("drbdmeta", "--force", "0", "v08", str(device), "internal", "create-md", deadline=in_time())
    superblock = SIZE - 4096
    whole = device.read_bytes()
    assert any(whole[superblock:])
    assert any(whole[:superblock])
    assert disk.look(str(device), in_time()).signatures == ("drbd",)
    write(device, superblock, bytes(4096))
    assert disk.look(str(device), in_time()).content == ""
    printed = command.Result(("wipefs",), 0, "", "")
    monkeypatch.setattr(command, "run", lambda *_, **__: printed)
    for where in (0, SIZE // 2 + 10, superblock - 9 * 4096, superblock - 8 * 4096, superblock):
        write(device, where)
        assert disk.look(str(device), in_time()).content == "data of an unknown kind"
        write(device, where, whole[where : where + 1] if where < superblock else b"\0")


def test_who_uses_it(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = device.parent / "sys"
    hold(device, "dm-1", SIZE)
    (place / "sdx1" / "holders" / "md0").mkdir(parents=True)
    (place / "sdx1" / "partition").write_text("1\n")
    (place / "sdx1" / "dev").write_text("8:17\n")
    text = kernel_files.text
    mounts = "36 35 8:17 / /srv rw - ext4 /dev/sdx1 rw\n37 35 8:99 / /other rw - ext4 /dev/sdz rw\n"
    monkeypatch.setattr(kernel_files, "text", lambda path: mounts if path.endswith("mountinfo") else text(path))
    found = disk.look(str(device), in_time())
    assert found.holders == ("dm-1",)
    assert found.users == ("md0 on sdx1", "mounted on /srv")
    assert found.drbd == ()


def test_what_is_no_disk_is_told(tmp_path: Path) -> None:
    assert disk.look(str(tmp_path / "none"), in_time()).fault == "No such file or directory"
    assert disk.look(str(tmp_path), in_time()).fault == "it is no block device"


def test_each_byte_counts(device: Path) -> None:
    assert disk.is_zero(str(device), in_time()) is True
    write(device, SIZE - 1)
    assert disk.is_zero(str(device), in_time()) is False
    # The meta data of DRBD are behind its device.
    hold(device, "drbd0", SIZE - 4096)
    assert disk.is_zero(str(device), in_time()) is True
    write(device, SIZE - 4097)
    assert disk.is_zero(str(device), in_time()) is False


def test_a_disk_that_was_not_read_whole_is_not_called_zero(device: Path) -> None:
    assert disk.is_zero(str(device), Deadline(0)) is None


def test_the_places_that_are_read_lie_on_the_disk() -> None:
    for size in (512, 4096, 1 << 20, SIZE, 5 << 40):
        places = list(disk._samples(size))
        assert all(begin >= 0 and begin + length <= size and begin % 512 == 0 for begin, length in places)
        assert sum(length for _, length in places) <= 8 << 20


def test_what_has_no_size_is_not_known_to_be_zero(device: Path) -> None:
    """Two replicas that count as zero are not copied."""
    hold(device, "drbd0", 0)
    assert disk.is_zero(str(device), in_time()) is None
