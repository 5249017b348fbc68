# SPDX-License-Identifier: GPL-2.0-or-later
"""`make uninstall` removes what `make install` puts there, and nothing else."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import agents

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

_UNINSTALL = agents.ROOT / "packaging" / "uninstall.py"


def uninstall(root: Path, prefix: str = "/usr") -> None:
    words = ["make", "--silent", "uninstall", f"DESTDIR={root}", f"PREFIX={prefix}"]
    subprocess.run(words, cwd=agents.ROOT, check=True, capture_output=True)


@pytest.fixture
def installed(made: Path, tmp_path: Path) -> Path:
    """What `make install` has put into a folder."""
    return Path(shutil.copytree(made, tmp_path / "root", symlinks=True))


@pytest.fixture
def elsewhere(made_elsewhere: Path, tmp_path: Path) -> Path:
    """The same with the prefix /opt/twinsan."""
    return Path(shutil.copytree(made_elsewhere, tmp_path / "elsewhere", symlinks=True))


def everything(root: Path) -> set[str]:
    """All files and folders below a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize(("folder", "prefix"), [("installed", "/usr"), ("elsewhere", "/opt/twinsan")])
def test_all_of_it_goes_and_nothing_else(request: pytest.FixtureRequest, folder: str, prefix: str) -> None:
    root: Path = request.getfixturevalue(folder)
    assert everything(root)
    others = ("share/twinsan/examples/mine.toml", "lib/ocf/resource.d/heartbeat/IPaddr2", "lib/twinsane")
    for name in others:
        path = Path(f"{root}{prefix}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stays")
    uninstall(root, prefix)
    left = {path for path in everything(root) if (root / path).is_file() or (root / path).is_symlink()}
    assert left == {f"{prefix[1:]}/{name}" for name in others}
    # A second time there is nothing to do.
    uninstall(root, prefix)


def test_every_version_goes(installed: Path) -> None:
    (installed / "usr/lib/twinsan-0123456789ab/twinsan").mkdir(parents=True)
    uninstall(installed)
    assert [path for path in everything(installed) if "twinsan" in path] == []


def test_a_link_that_somebody_else_has_made_stays(elsewhere: Path) -> None:
    link = elsewhere / "usr/sbin/twinsan"
    link.unlink()
    link.symlink_to("/somewhere/else")
    uninstall(elsewhere, "/opt/twinsan")
    assert os.readlink(link) == "/somewhere/else"


@pytest.mark.parametrize(("printed", "needs"), [('<primitive provider="twinsan"/>', True), ("<cib/>", False)])
def test_a_cluster_that_runs_its_agents_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, needs: bool
) -> None:
    program = tmp_path / "cibadmin"
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert runpy.run_path(str(_UNINSTALL))["cluster_needs_agents"]() is needs
    if needs:
        # Where it would be removed from the system itself.
        ended = subprocess.run(
            [sys.executable, "-IS", _UNINSTALL, "--prefix", str(tmp_path / "usr")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert "take them out first: twinsan remove SITE.toml" in ended.stderr


def test_without_a_cluster_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert runpy.run_path(str(_UNINSTALL))["cluster_needs_agents"]() is False
