# SPDX-License-Identifier: GPL-2.0-or-later
"""Installed trees that several tests look at."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import agents


def _filled(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled once, by the first of the processes that run tests which needs it."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            unfinished.mkdir()
            fill(unfinished)
            unfinished.rename(folder)
    return folder


def _run(words: list[str], folder: Path) -> None:
    """Run a program that must succeed without a word on standard error."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def _make_install(root: Path, prefix: str) -> None:
    _run(["make", "--silent", "install", f"DESTDIR={root}", f"PREFIX={prefix}"], agents.ROOT)


def _pip_install(root: Path) -> None:
    """From a copy: a build leaves its traces."""
    copy = root.with_name("copy") / "twinsan"
    left_out = shutil.ignore_patterns("build", ".git", ".hypothesis", "docs", "__pycache__", "tests", "lab")
    shutil.copytree(agents.ROOT, copy, ignore=left_out)
    options = "--quiet --no-index --no-build-isolation --no-deps --no-cache-dir --disable-pip-version-check".split()
    pip = [sys.executable, "-m", "pip", "install", *options, "--root-user-action=ignore"]
    _run([*pip, "--root", str(root), "--prefix", "/usr", str(copy)], copy)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make install` filled. No test changes it."""
    return _filled(tmp_path_factory, "made", lambda root: _make_install(root, "/usr"))


@pytest.fixture(scope="session")
def made_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the prefix /opt/twinsan."""
    return _filled(tmp_path_factory, "made-elsewhere", lambda root: _make_install(root, "/opt/twinsan"))


@pytest.fixture(scope="session")
def piped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip filled. No test changes it."""
    return _filled(tmp_path_factory, "piped", _pip_install)
