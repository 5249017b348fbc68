# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs and schemas of the versions of Pacemaker that `pacemaker_root` keeps."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from lab import pacemaker_root
from lab.errors import LabError

VERSIONS = tuple(pacemaker_root.SUITES)
# Where Debian and others have programs that only root is thought to need.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def installed() -> str:
    """The version that this machine has itself; the oldest that twinsan is for if it has another one or none."""
    return next((each for each in VERSIONS if pacemaker_root.folder(each) == pacemaker_root.HERE), "2.1.5")


@functools.cache
def command(version: str, program: str) -> tuple[str, ...]:
    """The words that start a program of a version. Raises LabError."""
    root = pacemaker_root.folder(version)
    if root == pacemaker_root.HERE:
        found = shutil.which(program, path=PATH)
        if found is None:
            raise LabError(f"{program} is not installed; type: apt-get install pacemaker-cli-utils")
        return (found,)
    places = [place for top in ("lib", "usr/lib") for place in (*root.glob(f"{top}/*-linux-gnu*"), root / top)]
    # Its links in lib64 may lead out of the folder.
    loaders = [found for place in places for found in place.glob("ld-linux*.so.*")]
    if not loaders:
        raise LabError(
            f"Pacemaker {version} is not in {root}; on Debian, make check fetches it, elsewhere it has to run in a "
            "container of Debian"
        )
    libraries = ":".join(map(str, places))
    return (str(loaders[0]), "--library-path", libraries, str(root / "usr" / "sbin" / program))


def schemas(version: str) -> Path:
    """The folder with the schemas of a version, where its programs look if PCMK_schema_directory names it."""
    return pacemaker_root.folder(version) / "usr" / "share" / "pacemaker"
