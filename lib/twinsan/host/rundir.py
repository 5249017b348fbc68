# SPDX-License-Identifier: GPL-2.0-or-later
"""/run/twinsan, the folder for what does not outlive a boot: locks and notes."""

from __future__ import annotations

import os

from twinsan.errors import Failure, Reason

DIRECTORY = "/run/twinsan"

# Linux's NAME_MAX, in bytes.
_LONGEST_NAME = 255

BAD_NAME = Reason(Failure, f"{{name!r}} cannot be the name of a file in {DIRECTORY}", "give it a name like others")


def path(name: str) -> str:
    """Return the path of the file `name` in the folder. If the folder is missing, make it, with mode 0700.

    Raises Failure for an empty name, one with a slash or NUL, and one of more than 255 bytes: some are made of names
    that come from outside.
    """
    if "/" in name or "\0" in name or not 0 < len(os.fsencode(name)) <= _LONGEST_NAME:
        raise BAD_NAME(name=name[:80])
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        pass
    return os.path.join(DIRECTORY, name)
