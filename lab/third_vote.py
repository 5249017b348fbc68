# SPDX-License-Identifier: GPL-2.0-or-later
"""A third vote for the pair: corosync-qnetd on esx, reached over the management network, with certificates of its own.

A pair takes it and gives it back while it serves, with the commands of examples/corosync-qnetd.conf; where these use
ssh between the machines, the lab copies the files.
"""

from __future__ import annotations

import base64
from pathlib import Path

from lab.host import PROJECT
from lab.machine import Machine
from lab.pair import Pair, template

_CONFIGURATIONS = PROJECT / "examples"
TEMPLATE = PROJECT / "cib-templates" / "san-qnetd.xml"

_CLUSTER = "san"
# Debian's package makes it when it is installed.
_AUTHORITY = "/etc/corosync/qnetd/nssdb/qnetd-cacert.crt"
_SIGNED = f"/etc/corosync/qnetd/nssdb/cluster-{_CLUSTER}.crt"
_CERTIFICATES = "/etc/corosync/qdevice/net/nssdb"
_REQUEST = f"{_CERTIFICATES}/qdevice-net-node.crq"
_KEY_AND_CERTIFICATE = f"{_CERTIFICATES}/qdevice-net-node.p12"
_RECEIVED = "/root/qdevice-received"

# A command for a server that succeeds where it counts so many votes.
VOTES = "corosync-quorumtool -s | grep -q '^Total votes: *{votes}$'"
_TWO_NODES = "corosync-quorumtool -s | grep -q '^Flags: .*2Node'"


def give(pair: Pair) -> None:
    """Have the third machine vote. The pair serves all the time."""
    _make_certificates(pair)
    start(pair)
    _load_corosync_conf(pair, "corosync-qnetd.conf")
    for server in pair.servers:
        server.succeed("systemctl enable --now corosync-qdevice")
    wait_for_votes(pair, 3)
    _load_template(pair, TEMPLATE)
    _keep(pair)


def take_back(pair: Pair) -> None:
    """Have the pair as it was before `give`."""
    _load_template(pair, PROJECT / "cib-templates" / "san.xml")
    pair.atlas.succeed("crm_attribute --type crm_config --name no-quorum-policy --delete")
    for server in pair.servers:
        server.succeed("systemctl disable --now corosync-qdevice")
    _load_corosync_conf(pair, "corosync.conf")
    for server in pair.servers:
        server.wait_until(_TWO_NODES, "the votes of two nodes decide", 30)
        server.succeed(f"rm -r {_CERTIFICATES}")
    stop(pair)
    _keep(pair)


def start(pair: Pair) -> None:
    """Start the third machine's program."""
    pair.esx.succeed("systemctl start corosync-qnetd")


def stop(pair: Pair) -> None:
    """Stop it: the third machine is gone."""
    pair.esx.succeed("systemctl stop corosync-qnetd")


def wait_for_votes(pair: Pair, votes: int) -> None:
    """Wait until both servers count so many votes."""
    for server in pair.servers:
        server.wait_until(VOTES.format(votes=votes), f"there are {votes} votes", 60)


def _make_certificates(pair: Pair) -> None:
    """One certificate for both servers, signed by the authority that the third machine has made."""
    first, second = pair.servers
    for server in pair.servers:
        _carry(pair.esx, _AUTHORITY, server)
        server.succeed(f"corosync-qdevice-net-certutil -i -c {_RECEIVED}")
    first.succeed(f"corosync-qdevice-net-certutil -r -n {_CLUSTER}")
    _carry(first, _REQUEST, pair.esx)
    pair.esx.succeed(f"corosync-qnetd-certutil -s -c {_RECEIVED} -n {_CLUSTER}")
    _carry(pair.esx, _SIGNED, first)
    first.succeed(f"corosync-qdevice-net-certutil -M -c {_RECEIVED}")
    _carry(first, _KEY_AND_CERTIFICATE, second)
    second.succeed(f"corosync-qdevice-net-certutil -m -c {_RECEIVED}")


def _carry(source: Machine, path: str, target: Machine) -> None:
    """Copy a file, which need not be text, from guest to guest."""
    target.copy({_RECEIVED: base64.b64decode(source.succeed(["base64", path]))})


def _load_corosync_conf(pair: Pair, name: str) -> None:
    for server in pair.servers:
        server.copy({"/etc/corosync/corosync.conf": _CONFIGURATIONS / name})
    pair.atlas.succeed("corosync-cfgtool -R")


def _load_template(pair: Pair, path: Path) -> None:
    pair.atlas.copy({"/root/san.xml": template(path).encode()})
    pair.atlas.succeed("cibadmin -M -c -x /root/san.xml")


def _keep(pair: Pair) -> None:
    """Have the files on the disks: the next thing may be a power cut."""
    for server in pair.servers:
        server.succeed("sync")
