# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools of several versions of Pacemaker, each in a folder of its own: programs, libraries and schemas.

They are packages of Debian, which apt-get downloads and dpkg-deb unpacks. Nothing is installed, and root is not needed.
A folder stays in the cache beside the images of the lab, under a key of how it was made. The version that this machine
has itself needs none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import image
from lab.errors import LabError

# The versions, each with the release of Debian that has it.
SUITES = {"2.0.5": "bullseye", "2.1.5": "bookworm", "3.0.0": "trixie"}
# The address of a mirror, for a release that this machine's own mirror has no more.
MIRROR = "TWINSAN_DEBIAN_MIRROR"
# pacemaker-cli-utils has the programs, pacemaker-common the schemas. Of what they depend on, libraries are enough.
_PACKAGES = ("pacemaker-cli-utils", "pacemaker-common")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Where the programs are of the version that this machine has itself.
HERE = Path("/")
# A folder that nobody has used for a week makes room for others.
_KEPT_SECONDS = 7 * 24 * 3600
_ROOM_MB = 400


class ProgramFailed(LabError):
    """A program that fetches or unpacks packages failed; its log tells why."""


def folder(version: str) -> Path:
    """The folder that has a version: / if this machine has it itself."""
    if _of_this_machine() == version:
        return HERE
    key = hashlib.sha256(f"{platform.machine()} {Path(__file__).read_text(encoding='utf-8')}".encode()).hexdigest()
    return image.cache() / f"pacemaker-{version}-{key[:16]}"


def missing() -> list[str]:
    """The versions that have to be made. Those that are there are marked as used."""
    found = []
    for version in SUITES:
        root = folder(version)
        if not root.is_dir():
            found.append(version)
        elif root != HERE:
            root.touch()
    return found


def make(version: str, mirror: str, log: Path, note: Callable[[str], None]) -> None:
    """Make the folder of a version from the packages of a mirror. Raises LabError."""
    root = folder(version)
    mirror = os.environ.get(MIRROR) or mirror
    root.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(root.parent).free >> 20 < _ROOM_MB:
        raise LabError(f"the disk is full: {root.parent} needs {_ROOM_MB} MiB for Pacemaker {version}; make room there")
    with _alone(root), tempfile.TemporaryDirectory(prefix=f"{root.name}.", dir=root.parent) as work:
        if root.is_dir():
            return
        apt = _Apt(Path(work), SUITES[version], mirror, log)
        note("the package lists")
        apt.run("apt-get", "update")
        found = apt.version_of(_PACKAGES[0])
        if not found.startswith(f"{version}-"):
            raise LabError(
                f"Debian's {SUITES[version]} at {mirror} has {found or 'no'} Pacemaker in place of {version}; give the "
                f"address of a mirror that has it, as in: {MIRROR}=ADDRESS make check"
            )
        note("the packages")
        apt.run("apt-get", "download", *apt.libraries_and(_PACKAGES))
        made = Path(work) / "root"
        for package in sorted(apt.folder.glob("*.deb")):
            note(package.name.partition("_")[0])
            apt.run("dpkg-deb", "--extract", str(package), str(made))
        for unused in ("doc", "locale", "man"):
            shutil.rmtree(made / "usr" / "share" / unused, ignore_errors=True)
        made.rename(root)
        # It has the time of a package's folder.
        root.touch()
    _forget_old()


def _of_this_machine() -> str:
    """The version of SUITES that is installed here, as the name of its library tells; "" if none is."""
    told = Path("/etc/os-release")
    text = told.read_text(encoding="utf-8") if told.exists() else ""
    suite = re.search(r"(?m)^VERSION_CODENAME=(\w+)$", text)
    programs = Path("/usr/sbin/crm_simulate").exists()
    return next((version for version, name in SUITES.items() if programs and suite and name == suite[1]), "")


class _Apt:
    """apt-get for another release: its lists and its cache are in a folder of its own."""

    def __init__(self, work: Path, suite: str, mirror: str, log: Path) -> None:
        self.folder = work / "packages"
        for each in ("state/lists/partial", "cache/archives/partial", "packages"):
            (work / each).mkdir(parents=True)
        source = work / "sources.list"
        source.write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n", encoding="utf-8")
        self._log = log
        self._options = [
            f"--option={name}={value}"
            for name, value in (
                ("Dir::State", work / "state"),
                ("Dir::State::status", "/dev/null"),
                ("Dir::Cache", work / "cache"),
                ("Dir::Etc::SourceList", source),
                ("Dir::Etc::SourceParts", "-"),
                ("Acquire::Languages", "none"),
                ("Acquire::Retries", "3"),
                # Where root runs it: its own user, which the work of apt-get is given to, may not enter the folder.
                ("APT::Sandbox::User", "root"),
            )
        ]

    def run(self, program: str, *words: str) -> str:
        """Run a program, with what it says in the log. Raises LabError."""
        options = self._options if program.startswith("apt-") else []
        with self._log.open("a", encoding="utf-8") as log:
            print(f"+ {program} {' '.join(words)}", file=log, flush=True)
            done = subprocess.run(
                [program, *options, *words],
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
            )
            log.write(done.stdout)
        if done.returncode != 0:
            raise ProgramFailed(f"{program} {words[0]} failed")
        return done.stdout

    def version_of(self, package: str) -> str:
        """The version that would be installed, "" if there is none."""
        policy = re.search(r"(?m)^ *Candidate: (\S+)$", self.run("apt-cache", "policy", package))
        return policy[1] if policy and policy[1] != "(none)" else ""

    def libraries_and(self, packages: Sequence[str]) -> list[str]:
        """Packages with all libraries that they depend on."""
        kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        words = ["depends", "--recurse", *(f"--no-{kind}" for kind in kinds), *packages]
        needs: dict[str, list[str]] = {}
        for line in self.run("apt-cache", *words).splitlines():
            if not line.startswith((" ", "|", "<")):
                last = needs.setdefault(line, [])
            elif "Depends: lib" in line:
                last.append(line.split()[-1])
        found: dict[str, None] = {}
        waiting = list(packages)
        while waiting:
            package = waiting.pop()
            if package in needs and package not in found:
                found[package] = None
                waiting += needs[package]
        return sorted(found)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time makes a folder."""
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old() -> None:
    """Remove what was made for earlier states of this file and has not been used for long."""
    present = {folder(version) for version in SUITES}
    for old in set(image.cache().glob("pacemaker-*")) - present:
        if old.is_dir() and old.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
            old.with_name(f"{old.name}.lock").unlink(missing_ok=True)
