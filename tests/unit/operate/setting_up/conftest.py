# SPDX-License-Identifier: GPL-2.0-or-later
"""Two fake servers, and what is typed on one of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.operate.setting_up import fake_pair
from tests.unit.operate.setting_up.fake_pair import FakePair
from twinsan.host import rundir
from twinsan.operate import remote


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePair:
    made = FakePair()
    monkeypatch.setattr(remote, "pair", fake_pair.pair_of(made))
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """What is typed."""
    return ["init", fake_pair.write_site(tmp_path), "--bmc-password-file", fake_pair.write_password(tmp_path)]
