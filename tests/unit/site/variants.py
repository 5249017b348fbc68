# SPDX-License-Identifier: GPL-2.0-or-later
"""Site files that nobody wrote: a number decides what each has. The same number gives the same site."""

from __future__ import annotations

import random

_HEAD = """
name = "san"
[networks]
storage = "10.0.5.0/24"
second = "10.0.7.0/24"
management = "10.0.6.0/24"
[nodes.atlas]
links = ["10.0.5.2", "10.0.6.12"]
{bmc_atlas}
[nodes.zeus]
links = ["10.0.5.3", "10.0.6.13"]
{bmc_zeus}
[fencing]
{fencing}
{witness}
[policy]
stickiness = {stickiness}
migration_threshold = {threshold}
failure_timeout = {timeout}
"""
_RESOURCE = """
[resources.data{number}]
suffix = "_data{number}"
port = {port}
{preferred}
state = {{ device = "/dev/drbd{state}", disk = "/dev/sdz{number}" }}
portals = [{portals}]
[resources.data{number}.target]
iqn = "iqn.2003-01.org.example:data{number}"
allowed_initiators = ["iqn.1998-01.com.vmware:esx"]
relative_port = {relative}
"""
_LUN = """
[[resources.data{number}.luns]]
lun = {lun}
device = "/dev/drbd{minor}"
disk = "/dev/sd{letter}{number}"
"""


def text(number: int) -> str:
    """The site file of a number."""
    chosen = random.Random(number)
    by = chosen.choice(["ipmi", "ipmi", "sbd", "watchdog"])
    vote = by == "watchdog" or chosen.random() < 0.3
    fencing = {
        "ipmi": 'by = "ipmi"\nusername = "twinsan"',
        "sbd": 'by = "sbd"\ndevices = ["/dev/disk/by-id/third"]',
        "watchdog": 'by = "watchdog"',
    }
    head = _HEAD.format(
        bmc_atlas='bmc = "10.0.6.2"' if by == "ipmi" else "",
        bmc_zeus='bmc = "10.0.6.3"' if by == "ipmi" else "",
        fencing=fencing[by],
        witness='[witness]\nhost = "10.0.6.14"' if vote else "",
        stickiness=chosen.choice([1, 50, 100]),
        threshold=chosen.choice([2, 3]),
        timeout=chosen.choice([60, 150, 600]),
    )
    return head + "".join(_resource(chosen, each) for each in range(chosen.choice([1, 1, 2])))


def _resource(chosen: random.Random, number: int) -> str:
    networks = ["5", "7"][: chosen.choice([1, 2])]
    preferred = chosen.choice(["", "", "atlas", "zeus"])
    lines = [f'preferred = "{preferred}"', *(["failback = true"] if chosen.random() < 0.5 else [])] if preferred else []
    # So that nodes that serve one resource each do not fence each other.
    lines += ["priority = 10"] if number == 0 else []
    resource = _RESOURCE.format(
        number=number,
        port=7788 + number,
        preferred="\n".join(lines),
        state=10 * number + 9,
        portals=", ".join(f'{{ ip = "10.0.{network}.{50 + number}" }}' for network in networks),
        relative=number + 1,
    )
    luns = range(1, chosen.choice([1, 2, 3]) + 1)
    return resource + "".join(
        _LUN.format(number=number, lun=lun, minor=10 * number + lun, letter="abc"[lun - 1]) for lun in luns
    )
