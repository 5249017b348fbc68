# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pair serves: a DRBD resource, with the names that its parts have in the cluster and on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Served:
    """A DRBD resource with what is served from it. By default it is that of cib-templates/san.xml and drbd/8.4/san.res.

    `suffix` ends the names of its resources in the cluster; `minors` are the numbers of its DRBD devices, and `state`
    is the device of its state volume.
    """

    name: str = "san"
    suffix: str = ""
    iqn: str = "iqn.2003-01.org.example:san"
    portals: tuple[str, ...] = ("10.0.5.50",)
    minors: tuple[int, ...] = (0, 1)
    state: str = "/dev/drbd1"

    def called(self, name: str) -> str:
        """The name of one of its resources in the cluster."""
        return f"{name}{self.suffix}"

    @property
    def moved(self) -> str:
        """The resource of the cluster that an operator moves: several addresses are in no group."""
        return self.called("g_san" if len(self.portals) == 1 else "p_portal")


def volumes_are(state: str, minors: Sequence[int]) -> str:
    """A command for a server that succeeds where all of these volumes have that state, in /proc/drbd. It is the start
    of a small program, the dear thing in a guest: with drbdadm it would be two for each volume.
    """
    numbers = "|".join(map(str, minors))
    return f"test $(grep -cE '^ *({numbers}): {state} ' /proc/drbd) = {len(minors)}"
