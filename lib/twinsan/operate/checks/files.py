# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that both nodes have to have, the same: what is told of them without their content."""

from __future__ import annotations

import os

from twinsan.host import digest as digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGEST = 1 << 20


def of(paths: list[str], root: str = "") -> dict[str, dict[str, Any]]:
    """Return digest, mode and owner of each file that there is."""
    found = {}
    for path in paths:
        try:
            with open(root + path, "rb") as file:
                content = file.read(_LARGEST)
            status = os.stat(root + path)
        except OSError:
            continue
        digest = digest_of.sha256(content)
        found[path] = {"digest": digest, "mode": f"{status.st_mode & 0o777:o}", "owner": status.st_uid}
    return found
