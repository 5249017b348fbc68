# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder for what shall not outlive a boot: locks, and what was last told to the cluster."""

from __future__ import annotations

import os

from twinsan.errors import Failure

DIRECTORY = "/run/twinsan"

_LONGEST_NAME = 255


def path(name: str) -> str:
    """The path of a file in the folder, which is made where it is missing. Only root may look into it.

    Raises Failure for a name that leaves the folder: some are made of names that come from outside.
    """
    if "/" in name or "\0" in name or not 0 < len(os.fsencode(name)) <= _LONGEST_NAME:
        raise Failure(f"{name[:80]!r} cannot be the name of a file in {DIRECTORY}; give it a name like others")
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        pass
    return os.path.join(DIRECTORY, name)


def write(path: str, text: str) -> None:
    """Put a file in the place of another, whole: who reads it meanwhile or after a kill finds the one or the other."""
    temporary = os.path.join(os.path.dirname(path), f".{os.getpid()}.new")
    with open(temporary, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
    os.rename(temporary, path)


def forget(path: str) -> None:
    """Remove a file, which need not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
