# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools of several versions of Pacemaker, each in a folder of its own: programs, libraries and schemas.

They are packages of Debian, unpacked into the cache beside the images of the lab, under a key of how it was made. The
version that this machine has itself needs none.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab import apt
from lab.errors import LabError

# The versions, each with the release of Debian that has it.
SUITES = {"2.0.5": "bullseye", "2.1.5": "bookworm", "3.0.0": "trixie"}
# pacemaker-cli-utils has the programs, pacemaker-common the schemas. Of what they depend on, libraries are enough.
_PACKAGES = ("pacemaker-cli-utils", "pacemaker-common")
# Where the programs are of the version that this machine has itself.
HERE = Path("/")
_ROOM_MB = 400


def folder(version: str) -> Path:
    """The folder that has a version: / if this machine has it itself."""
    if _of_this_machine() == version:
        return HERE
    key = hashlib.sha256(f"{platform.machine()} {Path(__file__).read_text(encoding='utf-8')}".encode()).hexdigest()
    return apt.cache() / f"pacemaker-{version}-{key[:16]}"


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
    with apt.making(folder(version), SUITES[version], mirror, log, _ROOM_MB) as making:
        if making is None:
            return
        packages, made = making
        note("the package lists")
        packages.run("apt-get", "update")
        found = packages.version_of(_PACKAGES[0])
        if not found.startswith(f"{version}-"):
            raise LabError(
                f"Debian's {SUITES[version]} at {packages.mirror} has {found or 'no'} Pacemaker in place of {version}; "
                f"give the address of a mirror that has it, as in: {apt.MIRROR}=ADDRESS make check"
            )
        note("the packages")
        packages.unpack(packages.libraries_and(_PACKAGES), made)
        for unused in ("doc", "locale", "man"):
            shutil.rmtree(made / "usr" / "share" / unused, ignore_errors=True)
    apt.forget_old("pacemaker-*", [folder(each) for each in SUITES])


def _of_this_machine() -> str:
    """The version of SUITES that is installed here, as the name of its library tells; "" if none is."""
    told = Path("/etc/os-release")
    text = told.read_text(encoding="utf-8") if told.exists() else ""
    suite = re.search(r"(?m)^VERSION_CODENAME=(\w+)$", text)
    programs = Path("/usr/sbin/crm_simulate").exists()
    return next((version for version, name in SUITES.items() if programs and suite and name == suite[1]), "")
