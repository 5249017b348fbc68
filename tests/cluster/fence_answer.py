# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fence handler answered DRBD, as the kernel logs it."""

from __future__ import annotations

from lab.machine import Machine

# drbd.conf(5), "fence-peer".
PEER_OUTDATED, PEER_FENCED = 4, 7


def wait_for(server: Machine, code: int, since: str) -> None:
    """Wait until DRBD on a server has got this answer, after a cursor of its journal.

    I/O may go on before: the monitor decides as well, and the handler waits while it does.
    """
    words = rf"/sbin/drbdadm fence-peer \S+ exit code {code}\b"
    log = f"journalctl --quiet --dmesg --after-cursor='{since}' --grep='{words}'"
    server.wait_until(log, f"the fence handler has answered {code}", 40)
