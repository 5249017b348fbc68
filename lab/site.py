# SPDX-License-Identifier: GPL-2.0-or-later
"""A site file of examples/ for the lab, and what `twinsan render` makes of it.

The disks are those of the lab's servers, and the password of their BMCs comes from a program, as a site file can have
it. All else is as shipped: the addresses of the examples are those of the lab.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

from lab.bmc import PASSWORD
from lab.errors import LabError
from lab.host import PROJECT
from lab.served import Served

# What a site file says of its BMCs, what the lab adds, and the program on the servers that this names.
_USERNAME = 'username = "twinsan"\n'
_PROGRAM = "/etc/twinsan/bmc-password"
_PROGRAM_LINE = f'password_script = "{_PROGRAM}"\n'
PROGRAMS = {_PROGRAM: f"#!/bin/sh\necho {PASSWORD}\n"}

# MiB: of a disk that is served, and of one for a state volume, as drbd/8.4/san.res says.
_SERVED_MB, _STATE_MB = 128, 160
_DISK = re.compile(r'"(/dev/sd\w+)"')


@dataclass(frozen=True)
class Site:
    """What is made of a site file: the text of each file by its name, what is served, and the sizes of the disks, from
    /dev/ubdb on.
    """

    files: dict[str, str]
    served: tuple[Served, ...]
    disks_mb: tuple[int, ...]


def load(name: str, *changes: tuple[str, str]) -> Site:
    """The site of a file of examples/, with other words in place of some."""
    text = (PROJECT / "examples" / name).read_text(encoding="utf-8")
    for old, new in ((_USERNAME, _USERNAME + _PROGRAM_LINE), *changes):
        if old not in text:
            raise LabError(f"examples/{name} has no {old.strip()!r}")
        text = text.replace(old, new)
    disks = sorted(set(_DISK.findall(text)))
    places = {disk: f"/dev/ubd{chr(ord('b') + number)}" for number, disk in enumerate(disks)}
    text = _DISK.sub(lambda found: f'"{places[found[1]]}"', text)
    tables = tomllib.loads(text)["resources"]
    states = {table["state"]["disk"] for table in tables.values()}
    return Site(
        _render(text),
        tuple(_served(resource, table) for resource, table in tables.items()),
        tuple(_STATE_MB if place in states else _SERVED_MB for place in places.values()),
    )


def _render(text: str) -> dict[str, str]:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        command = [sys.executable, "-IS", str(PROJECT / "bin" / "twinsan"), "render", file.name, "--json"]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {file["name"]: file["text"] for file in json.loads(told)["files"]}


def _served(name: str, table: dict[str, Any]) -> Served:
    devices = [*(lun["device"] for lun in table["luns"]), table["state"]["device"]]
    return Served(
        name,
        table.get("suffix", ""),
        table["target"]["iqn"],
        tuple(portal["ip"] for portal in table["portals"]),
        tuple(int(Path(device).name.removeprefix("drbd")) for device in devices),
        table["state"]["device"],
    )
