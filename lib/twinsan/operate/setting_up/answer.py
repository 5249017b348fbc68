# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan inventory``: what this node answers ``twinsan init``, on either node."""

from __future__ import annotations

import json
import threading

from twinsan.deadline import Deadline
from twinsan.operate import packages
from twinsan.operate.setting_up import disk, look
from twinsan.operate.setting_up import facts as told


def facts(disks: list[str], *, candidates: bool) -> int:
    """Print what this node is and has. Returns the exit status."""
    packages.find()
    print(look.here(disks, Deadline(told.SECONDS), candidates=candidates).json())
    return 0


def zero(disks: list[str], seconds: int) -> int:
    """Print of each disk whether each byte is zero; null if it could not be read in time. Returns the exit status."""
    deadline = Deadline(seconds)
    found: dict[str, bool | None] = dict.fromkeys(disks)

    def read(path: str) -> None:
        try:
            found[path] = disk.is_zero(path, deadline)
        except OSError:
            found[path] = None

    # Several disks are read at the same time, and a node's two volumes may be two disks.
    threads = [threading.Thread(target=read, args=(path,)) for path in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"zero": found}))
    return 0
