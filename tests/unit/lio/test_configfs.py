# SPDX-License-Identifier: GPL-2.0-or-later
"""The places and verbs of LIO's tree, on a plain directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from twinsan.errors import Misconfigured
from twinsan.lio import configfs


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(configfs, "root", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b", "x" * 256])
def test_no_name_leaves_its_place(name: str) -> None:
    with pytest.raises(Misconfigured):
        configfs.place("iscsi", name)


def test_a_place(root: Path) -> None:
    assert configfs.place("iscsi", "iqn.x:y", "tpgt_1") == f"{root}/iscsi/iqn.x:y/tpgt_1"


def test_what_is_missing_is_nothing(root: Path) -> None:
    assert configfs.names(f"{root}/none") == []
    assert configfs.links(f"{root}/none") == []
    assert configfs.read(f"{root}/none") is None
    assert not configfs.exists(f"{root}/none")
    assert not configfs.remove(f"{root}/none")
    assert not configfs.unlink(f"{root}/none")


def test_an_attribute_is_neither_a_folder_nor_a_parent(root: Path) -> None:
    (root / "enable").write_text("1\n")
    assert configfs.names(f"{root}/enable") == []
    assert configfs.read(f"{root}/enable/deeper") is None


def test_values_go_without_a_newline_and_come_without_one(root: Path) -> None:
    (root / "enable").write_text("0\n")
    assert configfs.read(f"{root}/enable") == "0"
    configfs.write(f"{root}/enable", "1")
    assert (root / "enable").read_text()[:1] == "1"


def test_no_attribute_is_made(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        configfs.write(f"{root}/enable", "1")
    assert list(root.iterdir()) == []


def test_an_equal_value_is_not_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "enable").write_text("1\n")
    monkeypatch.setattr(configfs, "write", lambda *_: pytest.fail("was written"))
    configfs.set_if_different(f"{root}/enable", "1")


def test_verbs_say_whether_they_did_anything(root: Path) -> None:
    place = f"{root}/x"
    assert configfs.make(place)
    assert not configfs.make(place)
    assert configfs.link(place, f"{root}/link")
    assert not configfs.link(place, f"{root}/link")
    assert configfs.links(str(root)) == ["link"]
    assert configfs.unlink(f"{root}/link")
    assert configfs.remove(place)
    assert os.listdir(root) == []


def test_a_refused_value_names_the_attribute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "enable").write_text("0\n")

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="enable") as caught:
        configfs.write(f"{root}/enable", "1")
    assert configfs.describe(caught.value) == "Invalid argument (EINVAL)"
