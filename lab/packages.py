# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages that a purpose of the bootstrap needs: those that are installed, and those that are unpacked."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from lab import bootstrap_log, progress, xstate
from lab.bootstrap_log import BootstrapError

_UNPACKED_TO = bootstrap_log.BUILD / "unpacked"

# pacemaker-common has the schemas of the CIB, pacemaker-cli-utils the scheduler's simulator, drbd-utils reads the
# resource files, groff-base formats the man pages.
INSTALLED = {
    "check": ("python3-venv", "pacemaker-common", "pacemaker-cli-utils", "drbd-utils", "groff-base"),
    "lab": (
        "python3-venv",
        "mmdebstrap",
        "debian-archive-keyring",
        "openipmi",
        "iproute2",
        "e2fsprogs",
        "uidmap",
        "kmod",
        "tshark",
    ),
}

# What the lab runs without installing it: on a server its packages would start services.
_UNPACKED = {"check": (), "lab": ("prometheus", "prometheus-node-exporter")}

# Where user-mode Linux needs it (see lab.xstate).
_COMPILER = ("gcc", "libc6-dev")


def missing(purposes: Sequence[str]) -> list[str]:
    """The packages that are declared and not installed. Raises BootstrapError where there can be no lab."""
    wanted = list(dict.fromkeys(package for purpose in purposes for package in INSTALLED[purpose]))
    if "lab" in purposes and xstate.is_needed():
        wanted += _COMPILER
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        if "lab" in purposes:
            raise BootstrapError(
                "the lab is made of Debian's packages and runs on Debian 12 or newer; make check works here"
            )
        return []
    listing = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        text=True,
    ).stdout
    installed = {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def install(packages: Sequence[str]) -> None:
    """Install packages, with fresh package lists where the present ones do not do. Raises BootstrapError."""
    if not packages:
        return
    prefix = _become_root(packages)
    with progress.step(f"Installing {_some(packages)}"):
        command = [*prefix, "apt-get", "install", "--yes", "--no-install-recommends", *packages]
        if _has_candidates(packages) and bootstrap_log.run(command) == 0:
            return
        bootstrap_log.run([*prefix, "apt-get", "update"])
        if bootstrap_log.run(command) != 0:
            raise BootstrapError(f"apt-get could not install {' '.join(packages)}: {bootstrap_log.cause()}")


def unpack(purposes: Sequence[str]) -> None:
    """Unpack packages into folders of their names, unless they are there. Raises BootstrapError."""
    wanted = [package for purpose in purposes for package in _UNPACKED[purpose]]
    absent = [package for package in wanted if not (_UNPACKED_TO / package).is_dir()]
    if not absent:
        return
    with progress.step(f"Fetching {_some(absent)}"):
        for package in absent:
            place = _UNPACKED_TO / package
            building = place.with_name(f"{package}.new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            # It writes into the present folder.
            fetch = ["sh", "-c", f"cd {shlex.quote(str(building))} && apt-get download {package}"]
            if bootstrap_log.run(fetch) != 0:
                raise BootstrapError(f"apt-get could not fetch {package}: {bootstrap_log.cause()}")
            (archive,) = building.glob("*.deb")
            if bootstrap_log.run(["dpkg-deb", "--extract", str(archive), str(building)]) != 0:
                raise BootstrapError(f"{archive} could not be unpacked: {bootstrap_log.cause()}")
            archive.unlink()
            building.rename(place)


def _become_root(packages: Sequence[str]) -> list[str]:
    """What to put before a command that needs root."""
    if os.geteuid() == 0:
        return []
    allowed = (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    )
    if allowed:
        return ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    raise BootstrapError(
        "some Debian packages are missing and only root may install them; as root, type: "
        f"apt-get install --no-install-recommends {' '.join(packages)}"
    )


def _has_candidates(packages: Sequence[str]) -> bool:
    """Whether the present package lists know all `packages`."""
    known = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages], check=False, capture_output=True)
    return known.returncode == 0 and b"Unable to locate" not in known.stderr


def _some(packages: Sequence[str]) -> str:
    if len(packages) == 1:
        return packages[0]
    return f"{len(packages)} packages: {', '.join(packages[:2])}{', ...' if len(packages) > 2 else ''}"
