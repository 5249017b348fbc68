# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines of the lab: atlas and zeus, which are servers with their BMCs, and esx, the initiator.

Made and used inside lab.namespace.enter; leaving the context ends all of it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab import evidence, host, image, network
from lab.bmc import Bmc
from lab.kernel import Kernel, chosen
from lab.machine import Machine, make_disk

_NUMBERS = {"atlas": 2, "zeus": 3, "esx": 4}
# The disk that is served, and with what the servers keep of it for themselves (both in san.res), spare ones, /dev/ubdd
# to /dev/ubdp, that tests make what they like of: as many as a user-mode kernel takes.
LUN_MB = 128
_MORE_DISKS_MB = (160, *(8,) * 13)
GUEST_MB = 512
# Three guests' memory, their changed disk blocks and two data disks.
_MEMORY_NEEDED_MB = 3072


class Machines:
    """The three of them; `power_events` has what happened to their power, with its time. `packages` are those that the
    guests have besides (see lab.image); `disk_mb` is the size of the disk that is served, and `guest_mb` the memory of
    each guest, in MiB. `more_disks_mb` are the sizes of the disks after that one.
    """

    def __init__(
        self,
        suite: str = "trixie",
        packages: Sequence[str] = (),
        disk_mb: int = LUN_MB,
        guest_mb: int = GUEST_MB,
        more_disks_mb: Sequence[int] = _MORE_DISKS_MB,
        kernel: Kernel | None = None,
    ) -> None:
        place = host.disks_folder(_MEMORY_NEEDED_MB + 2 * (disk_mb - LUN_MB) + 3 * (guest_mb - GUEST_MB))
        self.kernel = kernel or chosen()
        base = image.build(suite, packages)
        # Of its own: another pair may have been here before, with disks and a past that are not this one's.
        self._folder = folder = Path(tempfile.mkdtemp(dir=place))
        network.create(list(_NUMBERS), [_NUMBERS["atlas"], _NUMBERS["zeus"]])
        self.suite = suite
        sizes = (disk_mb, *more_disks_mb)
        self.atlas, self.zeus = (
            Machine(name, _NUMBERS[name], self.kernel, base, folder, f"{guest_mb}M", _make_disks(folder, name, sizes))
            for name in ("atlas", "zeus")
        )
        self.esx = Machine("esx", _NUMBERS["esx"], self.kernel, base, folder, f"{guest_mb}M")
        self.servers = (self.atlas, self.zeus)
        self.guests = (self.atlas, self.zeus, self.esx)
        self.power_events: list[tuple[float, str, str]] = []
        self.disk = ""
        self._bmcs = [Bmc(server, folder, self._power_changed) for server in self.servers]

    def _power_changed(self, machine: Machine, what: str, when: float) -> None:
        self.power_events.append((when, machine.name, what))

    def close(self) -> None:
        """End all guests and controllers, and take away their wires and disks."""
        for bmc in self._bmcs:
            bmc.stop()
        for guest in self.guests:
            guest.power_off(counted_as="")
        network.remove(list(_NUMBERS))
        shutil.rmtree(self._folder, ignore_errors=True)

    def boot(self) -> None:
        """Power all three on and wait until they take commands."""
        for guest in self.guests:
            guest.start()
        for guest in self.guests:
            guest.wait_for_boot()

    def renew(self, packages: Sequence[str] = ()) -> None:
        """Make both servers new ones, which were never configured, with these packages besides."""
        base = image.build(self.suite, packages)
        for server in self.servers:
            server.renew(base)
        for server in self.servers:
            server.wait_for_boot()

    def install_on_servers(self, *servers: Machine) -> None:
        """Install this checkout on these servers, by default on both, and nothing else."""
        with host.installation() as usr:
            for server in servers or self.servers:
                server.copy({"/usr": usr})
        for server in servers or self.servers:
            # As a reboot would do after the installation.
            server.succeed("python3 -m compileall -q /usr/lib/twinsan && systemctl restart systemd-modules-load")

    def bmc_of(self, server: Machine) -> Bmc:
        """The controller of a server."""
        return self._bmcs[self.servers.index(server)]

    def peer_of(self, server: Machine) -> Machine:
        """The other server."""
        return self.zeus if server is self.atlas else self.atlas

    def collect(self, folder: Path) -> Path:
        """Write all state of all guests below `folder`; returns it."""
        return evidence.collect(self.guests, folder)


def _make_disks(folder: Path, name: str, sizes: Sequence[int]) -> list[Path]:
    return [make_disk(folder / f"{name}-{number}.img", size) for number, size in enumerate(sizes)]
