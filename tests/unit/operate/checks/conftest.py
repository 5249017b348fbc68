# SPDX-License-Identifier: GPL-2.0-or-later
"""No test sees what this machine has noted of its own cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinsan.host import rundir


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of notes, which is not made yet."""
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run"
