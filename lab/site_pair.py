# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's pair from a site file: DRBD's resources, corosync and the cluster are those that `twinsan render` makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab import site
from lab.machine import wait_until
from lab.pair import INITIATOR_SETTINGS, Pair
from lab.served import Served
from lab.site import Site

_CIB = "/root/cib.xml"
# A line for each session: target, portal address, disks.
_SESSIONS = """
for session in /sys/class/iscsi_session/session*; do
    [ -e $session ] || continue
    cd $session/device
    echo $(cat $session/targetname connection*/iscsi_connection/*/persistent_address) $(ls -d target*/*:*/block/sd*)
done
"""


class SitePair(Pair):
    """A pair that serves what a site file says."""

    loaded = "cib.xml of the site file"

    def __init__(self, made: Site, suite: str = "trixie") -> None:
        first, *more = made.disks_mb
        super().__init__(suite, disk_mb=first, more_disks_mb=more)
        self.site = made
        self.served = made.served

    def resource_files(self) -> dict[str, str]:
        """The files of DRBD's resources, by their names in /etc/drbd.d."""
        return {f"{served.name}.res": self.site.files[f"drbd/8.4/{served.name}.res"] for served in self.served}

    def corosync_conf(self) -> bytes | Path:
        """What corosync is configured with."""
        return self.site.files["corosync.conf"].encode()

    def install(self) -> None:
        """As for each pair, and the programs that the site file names."""
        super().install()
        for server in self.servers:
            server.copy({path: text.encode() for path, text in site.PROGRAMS.items()})
            server.succeed(f"chmod 700 {' '.join(site.PROGRAMS)}")

    def load_template(self) -> None:
        """Load cib.xml of the site, and wait until all of it serves."""
        self.load(self.site)
        for served in self.served:
            self.wait_until_serving(served=served)

    def load(self, changed: Site) -> None:
        """Load cib.xml of a site into the running cluster."""
        self.atlas.copy({_CIB: changed.files["cib.xml"].encode()})
        self.atlas.succeed(f"cibadmin --modify --allow-create --xml-file {_CIB}")

    def log_in(self, iqn: str = "") -> str:
        """Log the initiator in to all targets, or to one, through all addresses; returns the path of the first disk."""
        esx = self.esx
        esx.succeed("modprobe -a iscsi_tcp sd_mod sg && pgrep -x iscsid >/dev/null || iscsid")
        wanted = [served for served in self.served if iqn in ("", served.iqn)]
        for served in wanted:
            for portal in served.portals:
                esx.succeed(f"iscsiadm -m discovery -t sendtargets -p {portal}")
            for portal in served.portals:
                node = f"iscsiadm -m node -T {served.iqn} -p {portal}"
                for name, value in INITIATOR_SETTINGS.items():
                    esx.succeed(f"{node} -o update -n {name} -v {value}")
                esx.succeed(f"{node} --login")
        return self.disk_of(wanted[0])

    def disk_of(self, served: Served, portal: str = "") -> str:
        """The path of the disk that the initiator has through an address, by default the first."""
        wanted = served.iqn, portal or served.portals[0]
        found: list[str] = []

        def seen() -> bool:
            found[:] = [disk for iqn, address, disk in self._disks() if (iqn, address) == wanted]
            return bool(found)

        wait_until(seen, f"the disk of {served.name} is seen at {wanted[1]}", 60)
        return found[0]

    def _disks(self) -> Iterator[tuple[str, str, str]]:
        """Target, address and path of each disk that the initiator has."""
        for line in self.esx.succeed(_SESSIONS).splitlines():
            iqn, address, *disks = line.split()
            yield from ((iqn, address, f"/dev/{disk.rpartition('/')[2]}") for disk in disks)
