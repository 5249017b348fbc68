# SPDX-License-Identifier: GPL-2.0-or-later
"""dm-multipath on the initiator, as its distribution has it."""

from __future__ import annotations

import re

from lab.machine import Machine

_MODULES = "dm-multipath dm-service-time dm-round-robin"
# A path is well where the kernel uses it and its checker finds it ready.
_WELL = {("active", "ready")}


def turn_on(initiator: Machine) -> None:
    """Take back what the lab's image has turned off. No server gets this: it would look at the replicas."""
    initiator.succeed(
        'for rule in /etc/udev/rules.d/*; do [ "$(readlink $rule)" != /dev/null ] || rm $rule; done;'
        " systemctl unmask multipathd.service multipathd.socket multipath-tools.service && udevadm control --reload"
        f" && modprobe -a {_MODULES}"
    )


def paths(initiator: Machine) -> dict[str, tuple[str, str]]:
    """The state of each path, by the name of its disk: for the kernel, and for the checker."""
    told = initiator.run("multipathd show paths raw format '%d %t %T'").stdout
    return {
        disk: (kernel, checker) for disk, kernel, checker in re.findall(r"^(sd\w+) (\S+) (\S+)", told, re.MULTILINE)
    }


def all_well(initiator: Machine, count: int) -> bool:
    """Whether there are so many paths, and all are well."""
    found = paths(initiator)
    return len(found) == count and set(found.values()) == _WELL


def disk(initiator: Machine) -> str:
    """The disk that the paths are made one of."""
    maps = initiator.succeed("multipathd show maps raw format '%n'").split()
    assert len(maps) == 1, maps
    found = f"/dev/mapper/{maps[0]}"
    # udev makes it when it has looked at the disk.
    initiator.wait_until(f"test -b {found}", f"{found} is there", 60)
    return found
