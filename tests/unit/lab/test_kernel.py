# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel the guests have, where it comes from, and what is said where it cannot be had."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab import apt, bootstrap, bootstrap_log, xstate
from lab.bootstrap_log import BootstrapError
from lab.errors import LabError
from lab.kernel import CHOICE, Kernel, chosen, chosen_with_iptables
from tests.unit.lab.programs import Programs

LOADER = b"/lib64/ld-linux-x86-64.so.2\0"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(CHOICE, raising=False)


def of(program: bytes, failing: str = "") -> Programs:
    """The programs of a mirror whose packages have `program` and the modules of Linux 7.2.7."""

    def unpack(folder: Path) -> None:
        root = folder / "usr"
        libraries = root / "lib" / "x86_64-linux-gnu"
        for each in (root / "bin", libraries, root / "lib64", root / "lib" / "uml" / "modules" / "7.2.7"):
            each.mkdir(parents=True, exist_ok=True)
        (root / "bin" / "linux.uml").write_bytes(program)
        for library in ("ld-linux-x86-64.so.2", "libc.so.6"):
            (libraries / library).write_text(library)
        link = root / "lib64" / "ld-linux-x86-64.so.2"
        link.unlink(missing_ok=True)
        link.symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")

    return Programs({}, unpack, failing)


def make(monkeypatch: pytest.MonkeyPatch, programs: Programs, log: Path) -> Kernel:
    monkeypatch.setattr(subprocess, "run", programs)
    kernel = chosen()
    kernel.make("mirror:/debian", log, lambda _: None)
    return kernel


def test_it_is_the_packages_with_a_loader_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen().is_missing()
    programs = of(b"ELF " + LOADER + b" code")
    kernel = make(monkeypatch, programs, tmp_path / "log")
    assert not kernel.is_missing()
    folder = kernel.folder()
    assert sorted(path.name for path in folder.iterdir()) == ["lib", "linux", "modules"]
    assert (folder / "linux").read_bytes() == b"ELF lib/ld-linux-x86-64.so.2\0\0\0\0 code"
    assert (folder / "lib" / "ld-linux-x86-64.so.2").read_text() == "ld-linux-x86-64.so.2"
    assert kernel.release() == "7.2.7"
    assert kernel.modules() == folder / "modules" / "7.2.7"
    assert os.access(kernel.command()[0], os.X_OK)
    make(monkeypatch, programs, tmp_path / "log")
    assert programs.seen == ["apt-get update", "apt-get download", *["dpkg-deb --extract"] * 2], "made once"


def test_a_program_without_that_loader_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabError, match="names its loader in a way that is not known"):
        make(monkeypatch, of(b"ELF code"), tmp_path / "log")
    assert chosen().is_missing()
    assert [path.name for path in apt.cache().iterdir()] == [f"{chosen().folder().name}.lock"]


def test_packages_without_a_part_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match=r"user-mode-linux and libc6 at that mirror have no ld-linux-x86-64\.so\.2"):
        make(monkeypatch, Programs({}, lambda _: None), tmp_path / "log")
    assert chosen().is_missing()


def test_where_it_was_not_fetched_the_lab_says_what_to_type() -> None:
    with pytest.raises(LabError, match=r"not been fetched; type: python3 -m lab\.bootstrap lab"):
        chosen().release()


def test_the_newest_runs_below_seccomp_and_needs_no_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xstate, "is_needed", lambda: True)
    assert chosen().suite == "forky"
    assert chosen().command()[1:] == ["seccomp=auto"]
    assert list(chosen().environment()) == ["LD_LIBRARY_PATH"]


@pytest.mark.parametrize("needed", [False, True])
def test_an_older_one_can_be_chosen_which_the_processor_may_ask_to_help(
    monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    monkeypatch.setenv(CHOICE, "bookworm")
    monkeypatch.setattr(xstate, "environment", lambda _: {"LD_PRELOAD": "xstate.so"} if needed else {})
    assert chosen().folder().name.startswith("kernel-bookworm-")
    assert chosen().command()[1:] == []
    assert ("LD_PRELOAD" in chosen().environment()) is needed


@pytest.mark.parametrize(("suite", "with_iptables"), [("", "trixie"), ("trixie", "trixie"), ("bookworm", "bookworm")])
def test_what_needs_iptables_has_a_kernel_that_has_it(
    monkeypatch: pytest.MonkeyPatch, suite: str, with_iptables: str
) -> None:
    monkeypatch.setenv(CHOICE, suite)
    assert chosen_with_iptables().suite == with_iptables


def test_an_unknown_choice_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "sarge")
    with pytest.raises(LabError, match=r"KERNEL=sarge .* choose forky, trixie, bookworm"):
        bootstrap.ensure_kernels()


def test_a_mirror_without_the_release_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("E: The repository 'mirror: forky Release' does not have a Release file.\n")
    monkeypatch.setattr(bootstrap_log, "PATH", log)
    monkeypatch.setattr(apt, "mirror", lambda: "mirror:/debian")
    monkeypatch.setattr(subprocess, "run", of(b"", failing="update"))
    with pytest.raises(BootstrapError, match=r"kernel from Debian's forky could not be .*TWINSAN_DEBIAN_MIRROR=ADDR"):
        bootstrap.ensure_kernels()
