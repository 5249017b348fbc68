# SPDX-License-Identifier: GPL-2.0-or-later
"""The walks over LIO's tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import fake_configfs
from tests.unit.fake_configfs import Kernel
from twinsan.lio import tree

ONE, OTHER = "iqn.2003-01.org.example:one", "iqn.2003-01.org.example:other"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    return fake_configfs.install(monkeypatch, tmp_path)


def test_where_nothing_is(kernel: Kernel) -> None:
    assert list(tree.storage_objects()) == []
    assert tree.targets() == []
    assert list(tree.portal_groups()) == []
    assert list(tree.portal_groups(ONE)) == []


def test_storage_objects_are_those_of_all_adapters_and_nothing_else(kernel: Kernel) -> None:
    made = [f"{kernel.root}/core/{name}" for name in ("fileio_1/image", "iblock_0/a", "iblock_0/b")]
    for place in made:
        if not Path(place).parent.exists():
            kernel.mkdir(str(Path(place).parent))
        kernel.mkdir(place)
    kernel.mkdir(f"{kernel.root}/core/iblock_7")
    assert Path(kernel.root, "core/alua/lu_gps").is_dir()
    assert Path(kernel.root, "core/iblock_0/hba_info").is_file()
    assert list(tree.storage_objects()) == made


def test_portal_groups_are_those_of_all_targets_or_of_one(kernel: Kernel) -> None:
    for name in ("", f"/{ONE}", f"/{ONE}/tpgt_1", f"/{ONE}/tpgt_2", f"/{OTHER}", f"/{OTHER}/tpgt_1"):
        kernel.mkdir(f"{kernel.root}/iscsi{name}")
    Path(kernel.root, "iscsi/discovery_auth").mkdir(exist_ok=True)
    Path(kernel.root, f"iscsi/{ONE}/fabric_statistics").mkdir(exist_ok=True)
    groups = [f"{kernel.root}/iscsi/{name}" for name in (f"{ONE}/tpgt_1", f"{ONE}/tpgt_2", f"{OTHER}/tpgt_1")]
    assert tree.targets() == [ONE, OTHER]
    assert list(tree.portal_groups()) == groups
    assert list(tree.portal_groups(OTHER)) == groups[2:]
