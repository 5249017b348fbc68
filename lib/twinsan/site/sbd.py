# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of SBD, which resets a node by its watchdog."""

from __future__ import annotations

from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Site

_HEAD = """\
# SBD, for /etc/sysconfig/sbd (Debian: /etc/default/sbd) on both nodes, the same. Then, on both: systemctl enable sbd
# It starts and stops with corosync.
"""
_DISK = """\

# Before the first start, on one node; msgwait (-4) is twice the time of the watchdog (-1):
#     sbd {devices} -1 {watchdog} -4 {msgwait} create
SBD_DEVICE="{listed}"

# A node that was reset waits for msgwait before it joins again: it could otherwise be back before the other one knows
# that it was off.
SBD_DELAY_START=yes
"""
_COMMON = """\

# A watchdog of the hardware. One of the kernel alone (softdog) does not help when the kernel hangs.
SBD_WATCHDOG_DEV={device}

{why}
SBD_WATCHDOG_TIMEOUT={watchdog}

# A node with a pacemaker that is not well resets itself as well.
SBD_PACEMAKER=yes
"""
_WHY_DISK = (
    "# How long the watchdog waits, in seconds: more than a write to the SBD disk may take when a path to it fails."
)
_WHY_DISKLESS = """\
# How long the watchdog waits, in seconds: more than a change of the members may wait for the vote (sync_timeout in
# corosync.conf, 10 s). The cluster takes the node for off after twice that (stonith-watchdog-timeout)."""


def text(site: Site) -> str:
    """Return the settings of SBD for both nodes."""
    seconds = site.watchdog_seconds
    parts = [_HEAD]
    if site.fencing.by == model.SBD:
        devices = " ".join(f"-d {device}" for device in site.fencing.devices)
        listed = ";".join(site.fencing.devices)
        parts.append(_DISK.format(devices=devices, listed=listed, watchdog=seconds, msgwait=2 * seconds))
    why = _WHY_DISK if site.fencing.by == model.SBD else _WHY_DISKLESS
    parts.append(_COMMON.format(device=site.fencing.watchdog, watchdog=seconds, why=why))
    return "".join(parts)
