# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of any release of Debian, unpacked into a folder of the cache: nothing is installed, and root is not needed.

apt-get downloads them and dpkg-deb unpacks them. Its lists and its state are in a folder of their own.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

# The address of a mirror, for a release that this machine's own mirror has not.
MIRROR = "TWINSAN_DEBIAN_MIRROR"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# A folder that nobody has used for a week makes room for others.
_KEPT_SECONDS = 7 * 24 * 3600


class ProgramFailed(LabError):
    """A program that fetches or unpacks packages failed; its log tells why."""


def cache() -> Path:
    """The folder that keeps images and unpacked packages between checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinsan"


def mirror() -> str:
    """The Debian mirror that the host's own apt uses. Raises LabError."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        origin, label, address = [*line.split(), "", "", ""][:3]
        if origin == "Debian" and label == "Debian":
            return address
    raise LabError("apt knows no Debian mirror: its sources name none, or its lists are empty; type: apt-get update")


@contextmanager
def making(folder: Path, suite: str, mirror: str, log: Path, megabytes: int) -> Iterator[tuple[Apt, Path] | None]:
    """Make `folder`, one process at a time, of packages of `suite`: gives what fetches them and an empty folder, which
    is put in its place at the end. Gives None where somebody else has made it meanwhile. Raises LabError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder.parent).free >> 20 < megabytes:
        raise LabError(f"the disk is full: {folder.parent} needs {megabytes} MiB for {folder.name}; make room there")
    with (
        (folder.parent / f"{folder.name}.lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as work,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            yield None
            return
        made = Path(work) / "made"
        made.mkdir()
        yield Apt(Path(work), suite, os.environ.get(MIRROR) or mirror, log), made
        made.rename(folder)
        # It has the time of a package's folder.
        folder.touch()


def forget_old(pattern: str, present: Sequence[Path]) -> None:
    """Remove the folders of a pattern that are not `present` and have not been used for long."""
    for old in set(cache().glob(pattern)) - set(present):
        if old.is_dir() and old.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
            old.with_name(f"{old.name}.lock").unlink(missing_ok=True)


class Apt:
    """apt-get for one release, below `work`."""

    def __init__(self, work: Path, suite: str, mirror: str, log: Path) -> None:
        self.mirror = mirror
        self._packages = work / "packages"
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
                cwd=self._packages,
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

    def unpack(self, packages: Sequence[str], folder: Path) -> None:
        """Download packages, without what they depend on, and unpack them into a folder. Raises LabError."""
        self.run("apt-get", "download", *packages)
        for package in sorted(self._packages.glob("*.deb")):
            self.run("dpkg-deb", "--extract", str(package), str(folder))

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
