# SPDX-License-Identifier: GPL-2.0-or-later
"""Two fake servers, on one of which the commands are typed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.operate.disks.fake_servers import Servers
from twinsan.cluster import attributes, cib
from twinsan.drbd import setup
from twinsan.host import block_tree, command, rundir
from twinsan.operate import remote
from twinsan.operate.change import settling


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Servers:
    made = Servers()
    monkeypatch.setattr(remote, "pair", made.pair)
    monkeypatch.setattr(setup, "query", made.query)
    monkeypatch.setattr(setup, "all_resources", made.all_resources)
    monkeypatch.setattr(cib, "query", made.cib)
    monkeypatch.setattr(attributes, "get_node_attributes", made.attributes)
    monkeypatch.setattr(command, "run", made.run)
    monkeypatch.setattr(settling, "wait", lambda *_: "")
    monkeypatch.setattr(block_tree, "drbd_minors", lambda path: [int(path[-1])])
    monkeypatch.setattr(block_tree, "is_drbd", lambda path: path.startswith("/dev/drbd"))
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return made
