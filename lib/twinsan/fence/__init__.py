# SPDX-License-Identifier: GPL-2.0-or-later
"""The handler that DRBD calls when it loses its peer: ``handlers { fence-peer ...; unfence-peer ...; }``.

With ``fencing resource-and-stonith`` DRBD freezes all I/O and calls ``fence-peer``; what that exits with decides. It
has to be sure that the peer will not be promoted with data that lacks what is written here from now on. There are two
ways to be sure, and both leave a constraint in the CIB that keeps everybody but this node from the role Promoted:

- The peer lives and can be reached through the cluster: only the replication link is down. The constraint is created,
  and after that the peer's controller has to answer. Corosync delivers in one order everywhere, so a peer that answers
  has the constraint. A peer that was cut off less than a token time-out ago still looks like a member, but cannot
  answer. It has to answer before the constraint is created, too: a constraint that only this side of a partition has
  could win when the CIBs are joined again, and would then ban the side that went on.
- The peer is down: the cluster has fenced it, or it left in good order. The constraint is needed here as well. The peer
  may come back with its cluster but without its replication link, and DRBD 9 was seen to call such a disk UpToDate.

The constraint goes when DRBD has seen the peer's replica complete again (``unfence-peer``).

Until one of the two is certain, I/O stays frozen. ``state`` understands the CIB, ``handler`` decides and acts.
"""

from __future__ import annotations

from twinsan.system import rundir


def marker(resource: str) -> str:
    """The path of a file that is there while a constraint stands that this node has created since it booted: a monitor
    sees one that was left behind without asking the cluster.
    """
    return rundir.path(f"fence-constraint.{resource}")
