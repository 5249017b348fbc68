# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that targetcli has configured: what its file does not hold, and the steps from it to a pair."""

from __future__ import annotations

import shlex

from twinsan.operate.adoption import corosync, drbd_file, migration, pair, remarks, replicas, saveconfig, takeover
from twinsan.operate.adoption.found import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.adoption.found import Found, Replica, Served

_DRBD = "/dev/drbd"

_UNDER_DRBD = (
    "with DRBD below it, {path} ends up to 32 MiB for each TiB earlier, where DRBD keeps its meta-data, and hosts know "
    "its size: enlarge it by that before (lvextend), then drbdadm create-md, which keeps the data"
)
# By the name on Debian, or by the other one. Of two names in one call, one that is missing may keep both as they are.
_DISABLE = "systemctl disable --now rtslib-fb-targetctl || systemctl disable --now target"
_ENABLE = "systemctl enable rtslib-fb-targetctl || systemctl enable target"


def read(text: str, source: str, known: pair.Sources) -> Found:
    """Return what the file of targetcli says, with all else that is known."""
    found = saveconfig.read(text, source)
    conf = corosync.Conf(known.corosync)
    found.name, found.witness, found.nodes = conf.name, conf.witness, conf.nodes
    found.interfaces = list(known.interfaces)
    dumped = replicas.read(known.drbd, known.drbd_name) if known.drbd else []
    for number, served in enumerate(found.served, 1):
        _place(served, number, found, dumped)
    if known.confirm is not None:
        known.confirm([served.target for served in found.served], found.notes)
    for served in found.served:
        remarks.keep_identity(served, found.notes)
    remarks.note_changes(found.notes)
    return found


def _place(served: Served, number: int, found: Found, dumped: list[Replica]) -> None:
    """Find the DRBD resource below a target. Without one, the disks have to get DRBD below them first."""
    below = [replicas.of_path(disk.path, dumped) for disk in served.target.disks]
    named = list(dict.fromkeys(name for name, _, _ in below if name))
    served.resource = named[0] if len(named) == 1 else ""
    served.replica = next((each for each in dumped if each.name == served.resource), None)
    served.suffix = f"_{number}" if len(found.served) > 1 else ""
    if served.replica:
        drbd_file.check(served.replica, found.notes)
        if not found.nodes:
            found.nodes = [Node(name) for name in served.replica.addresses]
    for disk in served.target.disks:
        if not disk.path.startswith(_DRBD):
            found.notes.lose(
                disk.place, f"{disk.path or 'it'} is no device of DRBD", _UNDER_DRBD.format(path=disk.path)
            )
    others = [each.resource for each in found.served[: number - 1]]
    if served.resource in others:
        # No such name of DRBD: the site file is refused until that is put right.
        served.resource = f"{served.resource} ({number})"


def steps(found: Found, site_file: str, source: str) -> list[takeover.Step]:
    """Return the steps."""
    return list(_steps(found, site_file, source))


def _steps(found: Found, site_file: str, source: str) -> Iterator[takeover.Step]:
    both, one, server = "on both nodes", "on one node", "on the server that serves"
    yield takeover.Step("Install twinsan", both, ("make install",))
    yield from (takeover.secret_step(secret) for secret in found.secrets)
    yield takeover.Step(
        "Render the site, and see what is made of it",
        one,
        (f"twinsan render {shlex.quote(site_file)} --output rendered",),
    )
    yield takeover.Step("Start the cluster of the two, with corosync.conf, as in README.md", both, ())
    yield from takeover.drbd_steps(found)
    yield takeover.Step(
        "Keep what targetcli has saved, and remove what it serves. It does not start again",
        server,
        (f"cp -p {shlex.quote(source)} before.json", _DISABLE, "targetcli clearconfig confirm=True"),
        pause="hosts get no answer from here on",
    )
    bare = any(not disk.path.startswith(_DRBD) for served in found.served for disk in served.target.disks)
    if bare:
        yield takeover.Step(
            "Put DRBD below each disk that is without it. Its file is in rendered/drbd, and README.md says how it gets "
            "its secret; but make no file system: this keeps the data. RESOURCE is its name",
            both,
            ("drbdadm create-md RESOURCE", "drbdadm up RESOURCE"),
        )
        yield takeover.Step(
            "Make the data of this server that of both. Typed on the other one, it would lose the data",
            server,
            ("drbdadm primary --force RESOURCE", "drbdadm secondary RESOURCE"),
        )
    yield takeover.Step(
        "Take the portal addresses that move off the server, and load the configuration",
        one,
        (
            "crm configure load xml update rendered/cib.xml || cibadmin -M -c -x rendered/cib.xml",
            "crm_resource --wait",
            "crm_mon -1",
        ),
        pause="ends with the portal address",
    )
    yield takeover.Step("Compare serials and products with those of the site file", server, migration.IDENTITY)
    yield takeover.Step(
        "If anything is wrong, go back. Stop the cluster, which stops DRBD",
        both,
        ("systemctl stop pacemaker corosync", "drbdadm down all" if bare else "drbdadm adjust all"),
    )
    yield takeover.Step(
        "Give this server the portal addresses back, and serve as before",
        server,
        (*(() if bare else ("drbdadm primary all",)), "targetcli restoreconfig before.json", _ENABLE),
    )
