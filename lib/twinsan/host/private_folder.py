# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder for files that may hold secrets: only this user can read it, and it goes when it is not needed any more."""

from __future__ import annotations

import contextlib
import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# In memory, where there are no disks that keep what was deleted.
_IN_MEMORY = "/run"


def make() -> str:
    """Make the folder, and return its path; who makes it removes it. The import of tempfile would take longer than all
    else that a check imports.
    """
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else "/tmp"  # noqa: S108  made anew, or it fails
    path = f"{place}/twinsan-{os.urandom(8).hex()}"
    os.mkdir(path, 0o700)
    return path


def remove(path: str) -> None:
    """Remove the folder with all in it."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def made() -> Iterator[str]:
    """Make the folder, and remove it with all in it at the end."""
    path = make()
    try:
        yield path
    finally:
        remove(path)
