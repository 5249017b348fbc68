# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` and pip install: the same files, where Pacemaker, DRBD and man look for them, and they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import agents
from twinsan import __version__
from twinsan.ocf import metadata

pytestmark = pytest.mark.runs_programs

RESOURCES = Path("usr/lib/ocf/resource.d/twinsan")
LEFT_OUT = {"__pycache__"}


def run(*words: str | Path, folder: Path = agents.ROOT, **variables: str) -> str:
    """The output of a program that must succeed without a word on standard error."""
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def files(root: Path) -> dict[str, tuple[bool, str]]:
    """All files below a folder: whether each can be executed, and its content or the target of the link."""
    return {
        str(path.relative_to(root)): (
            os.access(path, os.X_OK),
            os.readlink(path) if path.is_symlink() else path.read_text(),
        )
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and not LEFT_OUT.intersection(path.parts) and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make install` filled."""
    root = tmp_path_factory.mktemp("made")
    run("make", "--silent", "install", f"DESTDIR={root}")
    return root


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip filled, from a copy: a build leaves its traces."""
    copy = tmp_path_factory.mktemp("copy") / "twinsan"
    shutil.copytree(
        agents.ROOT, copy, ignore=shutil.ignore_patterns("build", ".git", ".hypothesis", "docs", "__pycache__")
    )
    root = tmp_path_factory.mktemp("piped")
    options = "--quiet --no-index --no-build-isolation --no-deps --no-cache-dir --disable-pip-version-check".split()
    pip = [sys.executable, "-m", "pip", "install", *options, "--root-user-action=ignore"]
    run(*pip, "--root", root, "--prefix", "/usr", copy, folder=copy, HOME=str(copy))
    return root


@pytest.fixture(params=["made", "piped"])
def root(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def test_both_install_the_same(made: Path, piped: Path) -> None:
    by_pip = {path: found for path, found in files(piped).items() if ".dist-info/" not in path}
    assert by_pip == files(made)


def test_everything_is_there(made: Path) -> None:
    found = set(files(made))
    for folder, place in (
        ("lib", "usr/lib"),
        ("agents", RESOURCES),
        ("cib-templates", "usr/share/twinsan/cib-templates"),
        ("drbd", "usr/share/twinsan/drbd"),
    ):
        shipped = {f"{place}/{path}" for path in files(agents.ROOT / folder) if ".egg-info" not in path}
        assert shipped
        assert shipped <= found
    pages = {f"usr/share/man/man{page.suffix[1:]}/{page.name}" for page in (agents.ROOT / "man").iterdir()}
    assert {"usr/sbin/twinsan", "usr/lib/modules-load.d/twinsan.conf", *pages} <= found


@pytest.mark.parametrize("name", agents.NAMES)
def test_an_agent_runs_from_there(root: Path, name: str) -> None:
    printed = run(root / RESOURCES / name, "meta-data", folder=Path("/"))
    assert printed == metadata.render(agents.load(name))
    assert run(root / RESOURCES / name, "man-page") == (agents.ROOT / "man" / f"ocf_twinsan_{name}.7").read_text()


def test_the_command_runs_from_there(root: Path) -> None:
    assert run(root / "usr/sbin/twinsan", "man-page") == (agents.ROOT / "man" / "twinsan.8").read_text()
    assert run(root / "usr/sbin/twinsan", "--version", folder=Path("/")) == f"twinsan {__version__}\n"


def test_an_agent_takes_the_library_that_was_installed_with_it(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "usr", tmp_path / "usr", symlinks=True)
    text = tmp_path / "usr/lib/twinsan/__init__.py"
    text.write_text(text.read_text().replace(f'"{__version__}"', '"9.9.9"'))
    assert 'version="9.9.9"' in run(tmp_path / RESOURCES / "lio-lun", "meta-data")


def test_another_prefix_is_linked_to_where_pacemaker_looks(tmp_path: Path) -> None:
    run("make", "--silent", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/twinsan")
    links = {path: target for path, (_, target) in files(tmp_path).items() if (tmp_path / path).is_symlink()}
    expected = {f"{RESOURCES}/{name}": f"/opt/twinsan/lib/ocf/resource.d/twinsan/{name}" for name in agents.NAMES}
    assert links == {**expected, "usr/sbin/twinsan": "/opt/twinsan/sbin/twinsan"}
    for target in links.values():
        assert run(f"{tmp_path}{target}", "meta-data" if "ocf" in target else "--version")


def test_it_can_be_installed_over_itself(tmp_path: Path) -> None:
    """Also over the links of an earlier one, without writing through them."""
    (tmp_path / RESOURCES).mkdir(parents=True)
    (tmp_path / RESOURCES / "lio-lun").symlink_to(tmp_path / "earlier")
    (tmp_path / "earlier").write_text("stays")
    (tmp_path / "usr/lib/twinsan/gone").mkdir(parents=True)
    for _ in range(2):
        run("make", "--silent", "install", f"DESTDIR={tmp_path}")
    assert (tmp_path / "earlier").read_text() == "stays"
    assert not (tmp_path / RESOURCES / "lio-lun").is_symlink()
    assert not (tmp_path / "usr/lib/twinsan/gone").exists()
