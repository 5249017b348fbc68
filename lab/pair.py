# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's pair: atlas and zeus with twinsan on them, and esx, which is logged in to what they serve."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from lab import at_rest, counts, evidence, progress
from lab.bmc import PASSWORD
from lab.errors import LabError, MachineLost, WaitTimedOut
from lab.host import PROJECT
from lab.machine import Machine, wait_until
from lab.machines import Machines
from lab.served import Served, volumes_are

TEMPLATE = PROJECT / "cib-templates" / "san.xml"
INITIATOR = "iqn.1998-01.com.vmware:esx"

SAN = Served()
IQN, PORTAL, RESOURCE, STATE_DEVICE = SAN.iqn, SAN.portals[0], SAN.name, SAN.state

_IS_CONNECTED, _IS_UP_TO_DATE = "cs:Connected", "cs:.* ds:UpToDate/UpToDate"
_IS_IN_SYNC = "cs:Connected .* ds:UpToDate/UpToDate"
# Commands for a server that succeed where it holds for both volumes.
CONNECTED, UP_TO_DATE = (volumes_are(state, SAN.minors) for state in (_IS_CONNECTED, _IS_UP_TO_DATE))

# NoopOutInterval and NoopOutTimeout as ESXi ships with; DefaultTime2Wait as README.md advises.
INITIATOR_SETTINGS = {
    "node.conn[0].timeo.noop_out_interval": 15,
    "node.conn[0].timeo.noop_out_timeout": 10,
    "node.session.iscsi.DefaultTime2Wait": 0,
}


class Pair(Machines):
    """The machines as a pair that serves a SAN, and how it gets there."""

    # The DRBD resources, with what is served from them.
    served: tuple[Served, ...] = (SAN,)
    # What the cluster is configured with.
    loaded = "cib-templates/san.xml"

    # -- from bare guests to a cluster ---------------------------------------------------------------------------

    def resource_files(self) -> dict[str, str]:
        """The files of DRBD's resources, by their names in /etc/drbd.d."""
        resource = (PROJECT / "drbd" / "8.4" / "san.res").read_text(encoding="utf-8")
        return {"san.res": resource.replace("/dev/sd", "/dev/ubd")}

    def install(self) -> None:
        """Install this checkout on the servers, with its DRBD resources, and the load on the initiator."""
        resources: dict[str, bytes | Path] = {
            f"/etc/drbd.d/{name}": text.replace("MAKE YOUR OWN", "lab").encode()
            for name, text in self.resource_files().items()
        }
        self.install_on_servers()
        for server in self.servers:
            server.copy(resources)
            # A test may cut the power before the kernel writes it back.
            server.succeed("sync")
        self.esx.copy(
            {
                "/usr/local/lib/lab/load": PROJECT / "lab" / "load.py",
                "/usr/local/lib/lab/scsi": PROJECT / "lab" / "scsi.py",
                "/etc/iscsi/initiatorname.iscsi": f"InitiatorName={INITIATOR}\n".encode(),
            }
        )

    def prepare_disks(self) -> None:
        """Meta data on all disks, declared equal: they are new and empty, so nothing has to be copied."""
        names = " ".join(served.name for served in self.served)
        for server in self.servers:
            server.succeed(f"for each in {names}; do drbdadm create-md --force $each </dev/null || exit; done")
            server.succeed(f"drbdadm up {names}")
        for served in self.served:
            minors = served.minors
            self.atlas.wait_until(volumes_are(_IS_CONNECTED, minors), "the replicas are connected", 60)
            # Each volume has the number of its device.
            for minor in minors:
                self.atlas.succeed(f"drbdadm -- --clear-bitmap new-current-uuid {served.name}/{minor}")
            self.atlas.wait_until(volumes_are(_IS_UP_TO_DATE, minors), "both replicas are up to date", 60)
            make = f"mkfs.btrfs -q {served.state}"
            self.atlas.succeed(f"drbdadm primary {served.name} && {make} && drbdadm secondary {served.name}")

    def corosync_conf(self) -> bytes | Path:
        """What corosync is configured with."""
        return PROJECT / "examples" / "corosync.conf"

    def start_cluster(self) -> None:
        """Start corosync and Pacemaker, now and at every boot."""
        # corosync-keygen(8): at least 1024 bits.
        files: dict[str, bytes | Path] = {
            "corosync.conf": self.corosync_conf(),
            "authkey": os.urandom(256),
        }
        for server in self.servers:
            server.copy({f"/etc/corosync/{name}": content for name, content in files.items()})
            server.succeed("mkdir /etc/lab && touch /etc/lab/cluster && sync && systemctl start --no-block pacemaker")

    def wait_for_cluster(self) -> None:
        """Wait for a coordinator that sees both nodes."""
        self.wait_until_online()
        # A patch of a CIB that the coordinator is still writing its own properties to is refused.
        self.atlas.wait_until("crm_attribute -q -n cluster-infrastructure", "the cluster has its properties", 60)

    def wait_until_online(self, timeout: float = 120) -> float:
        """Wait until both nodes are members."""
        # Seldom: a node that starts has better things to do.
        return self.atlas.wait_until(
            "crm_mon -1 2>/dev/null | grep -q 'Online: .* atlas zeus '", "both nodes are online", timeout, interval=1.0
        )

    def load_template(self) -> None:
        """Load cib-templates/san.xml as the README has it, and wait until the SAN serves."""
        self.atlas.copy({"/root/san.xml": template().encode()})
        self.atlas.succeed("crm configure load xml update /root/san.xml")
        self.wait_until_serving()

    def prepare(self) -> None:
        """All of the above but the template, each step shown."""
        with progress.step("Booting atlas, zeus and esx"):
            self.boot()
            # A new cluster waits 20 seconds for a coordinator (dc-deadtime); until then it needs nothing of ours.
            self.start_cluster()
        with progress.step("Installing twinsan on atlas and zeus"):
            self.install()
        with progress.step("DRBD: both replicas connected and in sync"):
            self.prepare_disks()
        with progress.step("Pacemaker: both nodes online"):
            self.wait_for_cluster()

    def ready(self) -> None:
        """All of the above."""
        self.prepare()
        with progress.step(f"Loading {self.loaded}: the SAN comes up"):
            self.load_template()

    # -- the SAN -------------------------------------------------------------------------------------------------

    def serving(self, served: Served | None = None) -> Machine | None:
        """The server that has the portal address, by default of the first that is served; raises LabError where both
        have it.
        """
        portal = (served or self.served[0]).portals[-1]
        having = [server for server in self.servers if _has_address(server, portal)]
        if len(having) > 1:
            raise LabError(f"both servers have the portal address {portal}")
        return having[0] if having else None

    def wait_until_serving(
        self, on: Machine | None = None, timeout: float = 180, served: Served | None = None
    ) -> Machine:
        """Wait until the portal address is up, on a certain server where one is named."""
        found: list[Machine] = []

        def serves() -> bool:
            server = self.serving(served)
            found[:] = [server] if server is not None else []
            return server is not None and on in (None, server)

        # Seldom: a look costs a server as much time as a step of the take-over that is waited for.
        wait_until(serves, f"{on or 'a server'} has the portal address", timeout, interval=1.0)
        return found[0]

    def wait_until_settled(self, timeout: float = 180) -> None:
        """Wait until both nodes are online, every resource runs and the cluster has nothing left to do."""
        self.wait_until_online(timeout)
        self.atlas.wait_until(at_rest.ALL_RUNS, "every resource runs", timeout)

        def settled() -> bool:
            self._have_scores_told()
            return self.atlas.run(at_rest.IDLE).status == 0

        wait_until(settled, "the cluster has settled", timeout)

    def wait_until_idle(self, timeout: float = 90) -> None:
        """Wait until the cluster has nothing left to do, whatever runs and whatever does not."""
        self.atlas.wait_until(at_rest.IDLE, "the cluster has nothing to do", timeout)

    def _have_scores_told(self) -> None:
        """Have each replica look, as its next monitor would in up to 20 seconds, where one has not told a score:
        its last look was amid a resync, for instance. The cluster is not done before it has them all.
        """
        for name in (served.called("p_drbd") for served in self.served):
            query = f"attrd_updater --query --all --name master-{name} 2>/dev/null | grep -c ' value=\"[1-9]'"
            if self.atlas.run(query).stdout.strip() != str(len(self.servers)):
                for server in self.servers:
                    server.run(f"crm_resource --resource {name} --force-check")

    def wait_until_in_sync(self, timeout: float = 180) -> None:
        """Wait until all replicas are up to date and connected."""
        minors = [minor for served in self.served for minor in served.minors]
        for server in self.servers:
            server.wait_until(volumes_are(_IS_IN_SYNC, minors), "the replicas are in sync", timeout)

    def recover(self) -> None:
        """Wait until all is on, settled and in sync, whatever has been done to it."""
        for guest in self.guests:
            guest.wait_until_on()
            guest.wait_for_boot()
        self.wait_until_online()
        self.wait_until_in_sync()
        self.wait_until_settled()
        self.atlas.wait_until(at_rest.NOBODY_BANNED, "no replica is banned that is complete", 30)

    def forget_failures(self) -> None:
        """Have the cluster forget what has failed, or was degraded, and is mended, as an operator does."""
        if self.atlas.run(at_rest.NOTHING_REMEMBERED).status != 0:
            self.atlas.succeed("crm_resource --cleanup", timeout=60)
            self.wait_until_settled()

    def have_started(self, *resources: str) -> None:
        """Have each of these resources started by the cluster where a probe has only found it running, as after a
        clean-up of a degraded one in a test before: one that was started can be reloaded.
        """
        for server in self.servers:
            if any(server.run(at_rest.found_running(each, server.name)).status == 0 for each in resources):
                self.standby(server)
                self.wait_until_idle()
                self.standby(server, standby=False)
                self.wait_until_settled()

    def move(self, server: Machine) -> None:
        """Move the SAN to `server` as crmsh does, without the time that crmsh takes to start, and take the move's
        constraint away again.
        """
        moved = self.served[0].moved
        server.succeed(f"crm_resource --resource {moved} --move --node {server}")
        self.wait_until_serving(on=server)
        server.succeed(f"crm_resource --resource {moved} --clear")
        counts.add(counts.SWITCHOVERS)

    def standby(self, server: Machine, standby: bool = True) -> None:
        """Put a node to standby, or online again, as crmsh does, without the time that crmsh takes to start."""
        value = "on" if standby else "off"
        self.peer_of(server).succeed(f"crm_attribute --node {server} --name standby --update {value}")

    def log_in(self, iqn: str = IQN) -> str:
        """Log the initiator in; returns the path of its disk."""
        esx = self.esx
        # Started by hand, as open-iscsi's units would also try to log in to targets at boot.
        esx.succeed("modprobe -a iscsi_tcp sd_mod sg && pgrep -x iscsid >/dev/null || iscsid")
        esx.succeed(f"iscsiadm -m discovery -t sendtargets -p {PORTAL}")
        for name, seconds in INITIATOR_SETTINGS.items():
            esx.succeed(f"iscsiadm -m node -T {iqn} -p {PORTAL} -o update -n {name} -v {seconds}")
        esx.succeed(f"iscsiadm -m node -T {iqn} -p {PORTAL} --login")
        esx.wait_until("ls /sys/class/block | grep -q '^sd'", "a disk is seen", 30)
        return "/dev/" + esx.succeed("ls /sys/class/block | grep -m1 '^sd[a-z]*$'").strip()

    def log_out(self) -> None:
        """Log the initiator out, and let it forget what it knows of targets."""
        # There may be none.
        self.esx.run("iscsiadm -m node --logoutall=all; iscsiadm -m node -o delete")

    def verify_replicas(self, timeout: float = 300) -> int:
        """Compare the replicas block by block (online verify); returns how many KiB differ."""
        return sum(self._verify(served, timeout) for served in self.served)

    def _verify(self, served: Served, timeout: float) -> int:
        primary = self.wait_until_serving(served=served)
        primary.succeed(f"drbdadm verify {served.name}")
        primary.wait_until(volumes_are(_IS_CONNECTED, served.minors), "online verify has ended", timeout)
        volumes = re.findall(r"^ *(\d+): cs:.*\n.* oos:(\d+)", primary.read("/proc/drbd"), re.MULTILINE)
        return sum(int(kib) for minor, kib in volumes if int(minor) in served.minors)


def template(path: Path = TEMPLATE) -> str:
    """A template, by default cib-templates/san.xml, with the password of the lab's controllers."""
    shipped = path.read_text(encoding="utf-8")
    return shipped.replace('name="password" value=""', f'name="password" value="{PASSWORD}"')


@contextlib.contextmanager
def used(made: Pair) -> Iterator[Pair]:
    """A pair for the time of the body; on failure its state is collected and the folder's path printed."""
    try:
        yield made
    except Exception:
        where = made.collect(evidence.new_folder("failure"))
        print(f"the state of all guests is in {where}")
        raise
    finally:
        made.close()


def _has_address(server: Machine, address: str) -> bool:
    try:
        return server.is_on and f" {address}/" in server.run("ip -oneline address show", timeout=20).stdout
    except (MachineLost, WaitTimedOut):
        # It has just been shot, or is booting.
        return False
