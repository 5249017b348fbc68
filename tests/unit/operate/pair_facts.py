# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts of a pair that is well, atlas serving, and of the same pair with changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.unit import agents
from twinsan.drbd import events2
from twinsan.operate.facts import cluster, replication, services, votes
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.overview import Overview
from twinsan.operate.facts.shape import Facts, NotSeen, Told
from twinsan.operate.facts.storage_shape import Lun, Reservation

DATA = Path(__file__).parents[1] / "data" / "status"
CIB, OVERVIEW = ((DATA / name).read_text(encoding="utf-8") for name in ("cib.xml", "crm_mon.xml"))
COROSYNC, QNETD = (
    (agents.ROOT / "examples" / f"corosync{name}.conf").read_text(encoding="utf-8") for name in ("", "-qnetd")
)
QUORUM = """\
Expected votes:   3
Total votes:      3
Quorum:           2
Flags:            Quorate Qdevice

    Nodeid      Votes    Qdevice Name
         1          1    A,V,NMW atlas (local)
         2          1    A,V,NMW zeus
         0          1            Qdevice
"""
# As atlas sees it.
_PEER = "name:san peer-node-id:0 conn-name:peer"
_REPLICA = "replication:Established peer-disk:UpToDate resync-suspended:no out-of-sync:0"
DRBD = f"""\
exists resource name:san role:Primary suspended:no
exists connection {_PEER} connection:Connected role:Secondary congested:no
exists device name:san volume:0 minor:0 disk:UpToDate size:131072 lower-pending:0
exists device name:san volume:1 minor:1 disk:UpToDate size:163840 lower-pending:0
exists peer-device {_PEER} volume:0 {_REPLICA}
exists peer-device {_PEER} volume:1 {_REPLICA}
exists -
"""
DISKS = "0:logical_block_size=512 would.0:block_size=512"
TOLD = {
    "atlas": Told("atlas", {}, {"san": DISKS}),
    "zeus": Told("zeus", {"10.0.5.50": "ready"}, {"san": DISKS}),
}
AT = 1795989300

Changes = Iterable[tuple[str, str]]


def changed(text: str, changes: Changes) -> str:
    """A text with replacements, each of which has to be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def make(
    *,
    cib: Changes = (),
    overview: Changes = (),
    drbd: Changes = (),
    node: str = "atlas",
    corosync: str = COROSYNC,
    quorum: str = "",
    told: Iterable[Told] = tuple(TOLD.values()),
    not_seen: Iterable[NotSeen] = (),
    luns: Iterable[Lun] = (),
    replicated: bool = True,
    **of_service: object,
) -> Facts:
    """The facts of the pair, with other words in what the programs print, and other values of its service."""
    configuration = Configuration(changed(CIB, cib))
    joined = cluster.join(configuration, Overview(changed(OVERVIEW, overview)), AT)
    resource = events2.parse(changed(DRBD, drbd), "san") if replicated else None
    seen = [] if resource is None else [replication.of(resource, split=False)]
    found = services.find(configuration, joined, seen)
    return Facts(
        format=1,
        node=node,
        at=AT,
        seconds=0.5,
        not_seen=tuple(not_seen),
        cluster=joined,
        votes=votes.of(votes.parse(corosync), quorum),
        services=tuple(replace(each, **of_service) for each in found),
        replication=tuple(seen) if replicated else None,
        targets=(),
        luns=tuple(luns),
        told=tuple(told),
    )


def reserved(registrants: int = 1) -> Lun:
    """A LUN with registrations."""
    reservation = Reservation(registrants, None, None)
    return Lun(
        None, 1, "p_lun1", "/dev/drbd0", 1, "s", "n", "p", (), None, reservation, None, None, None, None
    )  # fmt: skip
