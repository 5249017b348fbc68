# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder for what shall not outlive a boot: locks, and what was last told to the cluster."""

from __future__ import annotations

import os

DIRECTORY = "/run/twinsan"


def path(name: str) -> str:
    """The path of a file in the folder, which is made where it is missing. Only root may look into it."""
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        pass
    return os.path.join(DIRECTORY, name)
