# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's tree of block devices, as sysfs has it, on a folder of a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.fake_configfs import disk
from twinsan.host import block_tree


class BlockTree:
    """Devices below `folder`/devices, and the links that lead there. A device is found by the last part of its path, or
    by the whole of it where it was given another one.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._devices, self._numbers = folder / "devices", folder / "dev-block"
        self._devices.mkdir()
        self._numbers.mkdir()
        self._known: dict[str, str] = {}
        monkeypatch.setattr(block_tree, "sysfs", str(self._numbers))
        monkeypatch.setattr(block_tree, "find", self._find)

    def _find(self, path: str) -> str:
        number = self._known.get(path) or self._known.get(os.path.basename(path))
        return str(self._numbers / number) if number else ""

    def add(
        self, name: str, number: str, *, size: int = 8, below: tuple[str, ...] = (), path: str = "", **limits: int
    ) -> None:
        """A device; "sda1" is a partition of "sda". `path` is a further path of it."""
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
        if path:
            self._known[path] = number

    def remove(self, name: str, file: str) -> None:
        (self._devices / name / "queue" / file).unlink()
