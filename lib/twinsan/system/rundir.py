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
    """Put a note of `text` in the place of another at once: who reads meanwhile, or after a kill, has the one or the
    other, whole. What is no ASCII becomes "?".

    It need not be on the disk, which /run has none of; see state.write for what has to.
    """
    temporary = _complete(path, text)
    try:
        os.rename(temporary, path)
    except BaseException:
        forget(temporary)
        raise


def write_first(path: str, text: str) -> bool:
    """The same where there is no note yet; False, and nothing changed, where there is one."""
    if os.path.exists(path):
        return False
    temporary = _complete(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        forget(temporary)
    return True


def _complete(path: str, text: str) -> str:
    """A file of `text` beside a note. It is not named after it: the note's name may be as long as a name can be, and
    its beginning says what it is.
    """
    temporary = os.path.join(os.path.dirname(path), f".new.{os.getpid()}")
    with open(temporary, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
    return temporary


def forget(path: str) -> None:
    """Remove a file, which need not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
