# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's wires: a bridge each for the SAN, for management and for the lab itself, and a tap for each guest's end."""

from __future__ import annotations

import subprocess

from lab.errors import LabError

# SAN: replication, iSCSI and the first corosync link. Management: the BMCs and the second corosync link.
# Lab: the driver's own wire, which no product traffic uses and nobody unplugs.
WIRES = {"san": "10.0.5", "management": "10.0.6", "lab": "10.0.7"}
_HOST_NUMBER = {"management": 1, "lab": 1}


def tap(guest: str, wire: str) -> str:
    """The name of the tap at `guest`'s end of `wire`."""
    return f"{wire[0]}-{guest}"


def create(guests: list[str], bmc_numbers: list[int]) -> None:
    """Make bridges, taps and the host's addresses in this network namespace."""
    lines = ["link set lo up"]
    for wire, prefix in WIRES.items():
        lines += [f"link add {wire} type bridge", *_up(wire)]
        if wire in _HOST_NUMBER:
            lines.append(f"address add {prefix}.{_HOST_NUMBER[wire]}/24 dev {wire}")
        for guest in guests:
            name = tap(guest, wire)
            lines += [f"tuntap add dev {name} mode tap", f"link set {name} master {wire}", *_up(name)]
    lines += [f"address add {WIRES['management']}.{number}/24 dev management" for number in bmc_numbers]
    _ip(lines)


def remove(guests: list[str]) -> None:
    """Take the bridges and taps away, those that there are."""
    names = [tap(guest, wire) for guest in guests for wire in WIRES] + list(WIRES)
    commands = "".join(f"link del {name}\n" for name in names)
    subprocess.run(["ip", "-force", "-batch", "-"], input=commands.encode(), capture_output=True, check=False)


def plug(guest: str, wire: str, connected: bool) -> None:
    """Plug or pull the cable of `guest` on `wire`."""
    # At the bridge's end: a tap that is down gives the guest's driver errors, after which it does not read on.
    _ip([f"link set {tap(guest, wire)} {f'master {wire}' if connected else 'nomaster'}"])


def _up(name: str) -> list[str]:
    # A user-mode guest cannot take segments that the host's stack has not cut to size (lab/guest: network).
    return [f"link set {name} gso_max_segs 1 gso_max_size 1514", f"link set {name} up"]


def _ip(lines: list[str]) -> None:
    result = subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise LabError(f"the lab's network cannot be made: {result.stderr.strip()}")
