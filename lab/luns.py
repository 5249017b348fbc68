# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair with many LUNs, in a set: they start and stop side by side."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile

from lab.host import PROJECT
from lab.machine import Machine
from lab.pair import RESOURCE, Pair

# Spare disks of the servers, of 8 MiB each; see lab.machines. Each gets the four partitions that a master boot record
# has room for: a user-mode kernel takes no more disks.
_SPARE = "defghijklmnop"
_PARTITIONS, _FIRST_SECTOR, _SECTORS = 4, 64, 4080
MOST = 1 + len(_SPARE) * _PARTITIONS

_SITE = PROJECT / "examples" / "many-luns.toml"
_LUN = """
[[resources.san.luns]]
lun = {number}
device = "{device}"
disk = "{disk}"
"""


def configuration(count: int) -> str:
    """What twinsan render makes of the example with `count` LUNs, p_lun1 to p_lunN, each on a DRBD device."""
    luns = "".join(
        _LUN.format(number=number, device=device(number), disk=_disk(number)) for number in range(1, count + 1)
    )
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as site:
        site.write(_SITE.read_text(encoding="utf-8").partition("[[resources.san.luns]]")[0] + luns)
        site.flush()
        command = [sys.executable, "-IS", str(PROJECT / "bin" / "twinsan"), "render", site.name, "--only", "cib.xml"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def device(number: int) -> str:
    """The DRBD device of LUN `number`. Device 1 is the state volume."""
    return f"/dev/drbd{number if number > 1 else 0}"


def make_volumes(pair: Pair, first: int, last: int) -> None:
    """Add the volumes of LUNs `first` to `last`, `first` more than 1, to the DRBD resource, which has those before.
    It must be stopped in the cluster, and stays stopped.
    """
    numbers = range(first, last + 1)
    volumes = "".join(
        f"  volume {number} {{ device {device(number)}; disk {_disk(number)}; meta-disk internal; }}\n"
        for number in numbers
    )
    place = f"/etc/drbd.d/{RESOURCE}.res"
    for server in pair.servers:
        _partition(server, sorted({_disk(number)[:-1] for number in numbers}))
        present = server.read(place)
        server.copy(
            {place: present.replace(f"resource {RESOURCE} {{\n", f"resource {RESOURCE} {{\n{volumes}", 1).encode()}
        )
        made = (f"drbdadm create-md --force {RESOURCE}/{number} </dev/null" for number in numbers)
        server.succeed(" && ".join([*made, f"drbdadm up {RESOURCE}"]))
    connected = f"! drbdadm cstate {RESOURCE} | grep -qvx Connected"
    pair.atlas.wait_until(connected, "the replicas of all volumes are connected", 60)
    equal = (f"drbdadm -- --clear-bitmap new-current-uuid {RESOURCE}/{number}" for number in numbers)
    pair.atlas.succeed(" && ".join(equal))
    for server in pair.servers:
        server.succeed(f"drbdadm down {RESOURCE}")


def _disk(number: int) -> str:
    """The partition that has the volume of LUN `number`; of LUN 1 the disk."""
    if number == 1:
        return "/dev/ubdb"
    disk, partition = divmod(number - 2, _PARTITIONS)
    return f"/dev/ubd{_SPARE[disk]}{partition + 1}"


def _partition(server: Machine, disks: list[str]) -> None:
    """Write a partition table to each of these disks, which may have the same already."""
    # A boot record of no code, then for each partition: status, first and last cylinder (unused), type, sectors.
    begins = (_FIRST_SECTOR + number * _SECTORS for number in range(_PARTITIONS))
    entries = b"".join(struct.pack("<B3sB3sII", 0, b"\xff" * 3, 0x83, b"\xff" * 3, at, _SECTORS) for at in begins)
    for disk in disks:
        server.succeed(["dd", f"of={disk}", "conv=fsync"], stdin=bytes(446) + entries + b"\x55\xaa")
        server.succeed(f"test -b {disk}1 || blockdev --rereadpt {disk}")
