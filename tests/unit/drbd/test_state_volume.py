# SPDX-License-Identifier: GPL-2.0-or-later
"""Which state volume a LUN's device belongs to, and how it is mounted."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.unit.fake_block_tree import BlockTree
from tests.unit.fake_drbd import FakeHost
from twinsan.deadline import Deadline
from twinsan.drbd import events2, state_mount, state_volume
from twinsan.host import rundir


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlockTree:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    made = BlockTree(tmp_path, monkeypatch)
    made.add("drbd4", "147:4")
    made.add("drbd9", "147:9")
    made.add("dm-0", "254:0", below=("drbd4",), path="/dev/vg/lv")
    made.add("dm-1", "254:1", below=("dm-0",))
    return made


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("path", ["/dev/drbd4", "/dev/vg/lv", "/dev/dm-1"])
def test_the_home_of_a_device_is_found(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    os.symlink("state.san", rundir.path("state-of.drbd4"))
    assert state_volume.folder(path) is None, "it is not mounted"
    mounted = state_volume.place("san")
    monkeypatch.setattr(os.path, "ismount", lambda path: path == mounted)
    assert state_volume.folder(path) == mounted
    assert state_volume.of(path).resource == "san"
    assert state_volume.folder("/dev/drbd9") is None
    assert state_volume.folder("/dev/drbd9", "san") == mounted


@pytest.mark.parametrize("option", ["nodev", "nosuid", "noexec"])
def test_no_file_in_it_is_a_device_or_is_run(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in it came from the other node."""
    host = FakeHost(tmp_path, monkeypatch)
    host.bring_up(role="Primary")
    resource = events2.parse(host.events2(), "san")
    assert resource is not None
    state_mount.mount(resource, "/dev/drbd1", Deadline(10))
    assert list(host.mounts.values()) == ["/dev/drbd1"]
    (call,) = host.ran("mount")
    words = shlex.split(call)
    assert option in words[words.index("-o") + 1].split(",")
