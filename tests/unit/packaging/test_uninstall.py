# SPDX-License-Identifier: GPL-2.0-or-later
"""`make uninstall` removes what `make install` puts there, and nothing else."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import agents

pytestmark = pytest.mark.runs_programs

_UNINSTALL = agents.ROOT / "packaging" / "uninstall.py"


def make(*words: str) -> None:
    subprocess.run(["make", "--silent", *words], cwd=agents.ROOT, check=True, capture_output=True)


def everything(root: Path) -> set[str]:
    """All files and folders below a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize("prefix", ["/usr", "/opt/twinsan"])
def test_all_of_it_goes_and_nothing_else(tmp_path: Path, prefix: str) -> None:
    words = [f"DESTDIR={tmp_path}", f"PREFIX={prefix}"]
    make("install", *words)
    others = ("share/twinsan/examples/mine.toml", "lib/ocf/resource.d/heartbeat/IPaddr2", "lib/twinsane")
    for name in others:
        path = Path(f"{tmp_path}{prefix}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stays")
    make("uninstall", *words)
    left = {path for path in everything(tmp_path) if (tmp_path / path).is_file() or (tmp_path / path).is_symlink()}
    assert left == {f"{prefix[1:]}/{name}" for name in others}
    # A second time there is nothing to do.
    make("uninstall", *words)


def test_every_version_goes(tmp_path: Path) -> None:
    make("install", f"DESTDIR={tmp_path}")
    (tmp_path / "usr/lib/twinsan-0123456789ab/twinsan").mkdir(parents=True)
    make("uninstall", f"DESTDIR={tmp_path}")
    assert [path for path in everything(tmp_path) if "twinsan" in path] == []


def test_a_link_that_somebody_else_has_made_stays(tmp_path: Path) -> None:
    words = [f"DESTDIR={tmp_path}", "PREFIX=/opt/twinsan"]
    make("install", *words)
    link = tmp_path / "usr/sbin/twinsan"
    link.unlink()
    link.symlink_to("/somewhere/else")
    make("uninstall", *words)
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
