# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that a power cut does not harm."""

from __future__ import annotations

from pathlib import Path

from twinsan.host import durable_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert durable_file.read(path) is None
    durable_file.write(path, "one\n")
    durable_file.write(path, "two\n")
    assert durable_file.read(path) == "two\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_kernels_own_file_ends_with_a_nul(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text\n\0rest")
    assert durable_file.read(str(tmp_path / "file")) == "text\n"
