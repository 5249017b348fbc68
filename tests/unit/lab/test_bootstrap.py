# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bootstrap says and does on machines other than this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import bootstrap, bootstrap_log, packages, xstate
from lab.bootstrap_log import BootstrapError


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bootstrap.log"
    path.touch()
    monkeypatch.setattr(bootstrap_log, "PATH", path)
    return path


class Commands:
    """Stands for programs: each call ends with the next of the given statuses."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.seen: list[str] = []

    def run(self, command: list[str]) -> int:
        self.seen.append(" ".join(word for word in command if not word.startswith("-")))
        return self._statuses.pop(0)


@pytest.fixture
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_another_architecture_has_no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    bootstrap.require_architecture(["check"])
    with pytest.raises(BootstrapError, match=r"x86-64.*aarch64; make check works here"):
        bootstrap.require_architecture(["check", "lab"])


def test_another_distribution_has_no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert packages.missing(["check"]) == []
    with pytest.raises(BootstrapError, match="Debian 12 or newer"):
        packages.missing(["lab"])


def test_only_what_is_installed_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "python3-venv installed\npacemaker-common config-files\n"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=listing))
    missing = ["pacemaker-common", "pacemaker-cli-utils", "drbd-utils", "groff-base"]
    assert packages.missing(["check"]) == missing


@pytest.mark.parametrize("needed", [False, True])
def test_a_compiler_is_wanted_where_the_processor_has_more_registers(
    monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=""))
    monkeypatch.setattr(xstate, "is_needed", lambda: needed)
    assert ("gcc" in packages.missing(["lab"])) is needed
    assert "gcc" not in packages.missing(["check"])


@pytest.mark.usefixtures("_as_root")
@pytest.mark.parametrize(
    ("known", "statuses", "commands"),
    [
        (True, [0], ["apt-get install a b"]),
        (False, [0, 0], ["apt-get update", "apt-get install a b"]),
        (True, [100, 0, 0], ["apt-get install a b", "apt-get update", "apt-get install a b"]),
    ],
    ids=["known", "no package lists", "stale package lists"],
)
def test_package_lists_are_refreshed_only_where_needed(
    known: bool, statuses: list[int], commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = Commands(*statuses)
    monkeypatch.setattr(bootstrap_log, "run", apt.run)
    monkeypatch.setattr(packages, "_has_candidates", lambda _: known)
    packages.install(["a", "b"])
    assert apt.seen == commands


def test_nothing_missing_needs_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    packages.install([])


def test_an_ordinary_user_learns_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(BootstrapError, match=r"as root, type: apt-get install --no-install-recommends a b$"):
        packages.install(["a", "b"])


@pytest.mark.usefixtures("_as_root")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
        ("Err:1 ... Temporary failure resolving 'mirror'\nE: Unable to locate package a", "look at the network"),
        ("E: Unable to locate package a", "do not have what is needed"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", "another package manager"),
        ("SSLError(... CERTIFICATE_VERIFY_FAILED ...)\nERROR: No matching distribution found for a", "PIP_CERT"),
        ("E: something new", "E: something new"),
    ],
)
def test_a_failure_is_explained(said: str, told: str, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_text(f"+ apt-get install a\n{said}\n")
    monkeypatch.setattr(bootstrap_log, "run", lambda _: 100)
    monkeypatch.setattr(packages, "_has_candidates", lambda _: False)
    with pytest.raises(BootstrapError, match=told) as caught:
        packages.install(["a"])
    assert str(log) in str(caught.value)


def test_the_tools_are_made_once_for_each_set_of_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements, venv = tmp_path / "requirements.txt", tmp_path / "venv"
    requirements.write_text("a==1\n")
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    monkeypatch.setattr(bootstrap, "_REQUIREMENTS", requirements)
    monkeypatch.setattr(bootstrap, "_VENV", venv)
    commands = Commands(*[0] * 4)
    monkeypatch.setattr(bootstrap_log, "run", commands.run)
    for text, count in (("a==1\n", 2), ("a==1\n", 2), ("a==2\n", 4)):
        requirements.write_text(text)
        bootstrap.ensure_venv()
        assert len(commands.seen) == count


def test_an_unknown_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["coffee"]) == 2
    assert capsys.readouterr().err.startswith("usage: python3 -m lab.bootstrap {check|lab}")


def test_what_a_lab_runs_without_installing_it_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_UNPACKED_TO", tmp_path / "unpacked")
    monkeypatch.setattr(packages, "_UNPACKED", {"check": (), "lab": ("prometheus",)})
    ran: list[list[str]] = []

    def run(command: list[str]) -> int:
        ran.append(command)
        if command[0] == "sh":
            (tmp_path / "unpacked" / "prometheus.new" / "prometheus_1_amd64.deb").touch()
        return 0

    monkeypatch.setattr(bootstrap_log, "run", run)
    packages.unpack(["check"])
    assert ran == []
    packages.unpack(["lab"])
    packages.unpack(["lab"])
    assert [command[0] for command in ran] == ["sh", "dpkg-deb"]
    assert list((tmp_path / "unpacked").iterdir()) == [tmp_path / "unpacked" / "prometheus"]
    assert list((tmp_path / "unpacked" / "prometheus").iterdir()) == []


@pytest.mark.usefixtures("log")
def test_a_package_that_cannot_be_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_UNPACKED_TO", tmp_path / "unpacked")
    monkeypatch.setattr(bootstrap_log, "run", lambda _: 100)
    bootstrap_log.PATH.write_text("E: Temporary failure resolving 'packages.example'")
    with pytest.raises(BootstrapError, match="could not fetch prometheus: the packages cannot be reached"):
        packages.unpack(["lab"])
