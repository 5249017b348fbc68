# SPDX-License-Identifier: GPL-2.0-or-later
"""Two bare servers: Debian with its packages and twinsan, and nothing configured but ssh between them.

As on any Debian, corosync and Pacemaker run on each as a cluster of that node alone.
"""

from __future__ import annotations

from lab import image
from lab.bmc import PASSWORD
from lab.host import PROJECT
from lab.machine import Machine
from lab.pair import Pair

SITE = "/root/data0.toml"
IQN = "iqn.2003-01.org.example:data0"
_PASSWORD_FILE = "/root/bmc-password"  # noqa: S105  the name of a file
INIT = f"twinsan init {SITE} --yes --bmc-password-file {_PASSWORD_FILE}"

# What the disks of examples/data0.toml are in the lab.
_DISKS = {"/dev/sda5": "/dev/ubdb", "/dev/sda6": "/dev/ubdc"}


def make(pair: Pair) -> None:
    """Make the servers of a pair bare, and log the initiator out before."""
    pair.log_out()
    pair.renew(image.MORE_PACKAGES)
    pair.install_on_servers()
    for server in pair.servers:
        _start(server)
    introduce(pair)
    pair.atlas.copy({SITE: site().encode(), _PASSWORD_FILE: f"{PASSWORD}\n".encode()})
    pair.atlas.succeed(f"chmod 600 {_PASSWORD_FILE}")


def replace(pair: Pair, server: Machine) -> None:
    """Have a bare server in place of one that is dead."""
    server.power_off(counted_as="")
    server.renew(image.build(pair.suite, image.MORE_PACKAGES))
    server.wait_for_boot()
    # The cluster may fence it as it boots.
    pair.peer_of(server).wait_until(f"crm_mon -1 | grep -q 'OFFLINE: .* {server} '", "it was given up", 60)
    server.wait_until_on()
    server.wait_for_boot()
    pair.install_on_servers(server)
    _start(server)
    _make_key(server)
    _know(server, pair.peer_of(server))
    _know(pair.peer_of(server), server)


def configure(pair: Pair) -> None:
    """Make new servers again that are set up as all tests expect them, and log the initiator in."""
    pair.log_out()
    pair.renew()
    pair.ready()
    pair.disk = pair.log_in()


def with_ssh(pair: Pair) -> None:
    """Make new servers that are set up as all tests expect them and reach each other by ssh; log the initiator in."""
    pair.log_out()
    pair.renew(image.MORE_PACKAGES)
    pair.ready()
    for server in pair.servers:
        server.succeed("systemctl start --no-block ssh")
    introduce(pair)
    pair.disk = pair.log_in()


def site() -> str:
    """The site file of the published example, with the disks of the lab."""
    text = (PROJECT / "examples" / "data0.toml").read_text(encoding="utf-8")
    for disk, ours in _DISKS.items():
        text = text.replace(disk, ours)
    return text


def _start(server: Machine) -> None:
    server.succeed("mkdir /etc/lab && touch /etc/lab/cluster && systemctl start --no-block pacemaker ssh")


def introduce(pair: Pair) -> None:
    """Let each server log in to the other."""
    for server in pair.servers:
        _make_key(server)
    for server in pair.servers:
        _know(server, pair.peer_of(server))


def part(pair: Pair) -> None:
    """Let no server log in to the other any more."""
    for server in pair.servers:
        server.succeed("rm -r /root/.ssh")


def _make_key(server: Machine) -> None:
    server.wait_until("systemctl is-active --quiet ssh", "ssh can be used", 60)
    server.succeed("ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")


def _know(server: Machine, other: Machine) -> None:
    other_key = other.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    server.succeed("mkdir -p -m 700 /root/.ssh")
    server.copy(
        {
            "/root/.ssh/authorized_keys": other.read("/root/.ssh/id_ed25519.pub").encode(),
            "/root/.ssh/known_hosts": " ".join([other.name, *other_key, "\n"]).encode(),
        }
    )
    server.succeed("chmod 600 /root/.ssh/authorized_keys")
