# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder for files that may hold secrets: only this user can read it, and it goes when it is not needed any more."""

from __future__ import annotations

import contextlib
import os
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# In memory, where there are no disks that keep what was deleted.
_IN_MEMORY = "/run"


@contextlib.contextmanager
def made() -> Iterator[str]:
    """Make the folder, and remove it with all in it at the end."""
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="twinsan-", dir=place) as folder:
        yield folder
