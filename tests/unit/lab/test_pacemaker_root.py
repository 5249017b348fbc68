# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the tools of other versions of Pacemaker come from, and what is said where they cannot be had."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from lab import apt, bootstrap, bootstrap_log, pacemaker_root, pacemaker_tools
from lab.bootstrap_log import BootstrapError
from lab.errors import LabError
from tests.unit.lab.programs import Programs

DEPENDS = """\
pacemaker-cli-utils
 |Depends: pacemaker
  Depends: libcib27
  Depends: <python3:any>
    python3
pacemaker-common
libcib27
  Depends: libxml2
libxml2
pacemaker
  Depends: libcorosync
libcorosync
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pacemaker_root, "_of_this_machine", lambda: "2.1.5")


def of(version: str, failing: str = "") -> Programs:
    """The programs of a mirror that has one version."""

    def unpack(root: Path) -> None:
        (root / "usr" / "sbin").mkdir(parents=True, exist_ok=True)
        os.utime(root, (0, 0))

    return Programs({"policy": f"  Candidate: {version}-2\n", "depends": DEPENDS}, unpack, failing)


def make(monkeypatch: pytest.MonkeyPatch, programs: Programs, log: Path) -> None:
    monkeypatch.setattr(subprocess, "run", programs)
    pacemaker_root.make("2.0.5", "mirror:/debian", log, lambda _: None)


def test_the_machine_s_own_version_is_not_fetched() -> None:
    assert pacemaker_root.missing() == ["2.0.5", "3.0.0"]
    assert pacemaker_root.folder("2.1.5") == Path("/")


def test_a_version_is_its_packages_with_their_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = of("2.0.5")
    make(monkeypatch, programs, tmp_path / "log")
    assert programs.seen == [
        "apt-get update",
        "apt-cache policy",
        "apt-cache depends",
        "apt-get download",
        *["dpkg-deb --extract"] * 4,
    ]
    assert (pacemaker_root.folder("2.0.5") / "usr" / "sbin").is_dir()
    assert pacemaker_root.missing() == ["3.0.0"]
    make(monkeypatch, programs, tmp_path / "log")
    assert len(programs.seen) == 8, "made once"
    assert not list(apt.cache().glob("*.??????*/packages")), "nothing is left of the work"


def test_a_mirror_with_another_version_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabError, match=r"has 2\.1\.0-2 Pacemaker in place of 2\.0\.5; .*TWINSAN_DEBIAN_MIRROR=ADDRESS"):
        make(monkeypatch, of("2.1.0"), tmp_path / "log")
    assert "2.0.5" in pacemaker_root.missing()


def test_a_mirror_without_the_release_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("E: The repository 'mirror: bullseye Release' does not have a Release file.\n")
    monkeypatch.setattr(bootstrap_log, "PATH", log)
    monkeypatch.setattr(apt, "mirror", lambda: "mirror:/debian")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", of("2.0.5", failing="update"))
    with pytest.raises(
        BootstrapError,
        match=r"2\.0\.5 could not be .*have that release of Debian; .*_MIRROR=ADDR",
    ):
        bootstrap.ensure_pacemakers()


def test_what_nobody_has_used_for_a_week_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, used = apt.cache() / "pacemaker-2.0.5-old", apt.cache() / "pacemaker-3.0.0-used"
    for folder, days in ((old, 8), (used, 6)):
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - days * 86400,) * 2)
    make(monkeypatch, of("2.0.5"), tmp_path / "log")
    assert not old.exists()
    assert used.exists()


def test_a_version_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LabError, match=r"Pacemaker 3\.0\.0 is not in .*; on Debian, make check fetches it"):
        pacemaker_tools.command.__wrapped__("3.0.0", "crm_simulate")
