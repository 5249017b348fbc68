# SPDX-License-Identifier: GPL-2.0-or-later
"""All faults that ``twinsan check`` knows, by subject."""

from __future__ import annotations

from twinsan.operate.checks import (
    chain,
    fencing,
    hosts,
    identity,
    leftovers,
    paths,
    replicas,
    replication,
    simulation,
    site_file,
    storage,
    structure,
    times,
    votes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.checks.finding import Fault

# In the order of the manual page.
SUBJECTS: tuple[tuple[str, tuple[Fault, ...]], ...] = (
    ("the chain of promotion, target, LUNs and addresses", (*simulation.FAULTS, *chain.FAULTS)),
    ("clones and roles", structure.FAULTS),
    ("fencing", fencing.FAULTS),
    ("operations and what follows their failure", times.FAULTS),
    ("names, addresses and secrets", identity.FAULTS),
    ("what is left over", leftovers.FAULTS),
    ("a site file", site_file.FAULTS),
    ("DRBD's files", (*replicas.FAULTS, *replication.FAULTS)),
    ("corosync", votes.FAULTS),
    ("the hosts", hosts.FAULTS),
    ("disks, and what is on top of them", storage.FAULTS),
    ("networks", paths.FAULTS),
)


def faults() -> list[Fault]:
    """Return all of them."""
    return [fault for _, listed in SUBJECTS for fault in listed]
