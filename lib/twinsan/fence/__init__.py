# SPDX-License-Identifier: GPL-2.0-or-later
"""The handlers that DRBD calls about a lost peer: ``handlers { fence-peer ...; unfence-peer ...; }``.

With ``fencing resource-and-stonith`` DRBD freezes all I/O and calls ``fence-peer``, whose exit status decides. The
handler has to be sure that the peer will not be promoted without the data that is written here from now on. In two
cases it is sure. In both it creates a constraint in the CIB that keeps all nodes from the role Promoted, except this
one and those whose replica is connected and complete:

- The peer is alive and can be reached through the cluster: only the replication link is down. The constraint is
  created, and after that the peer's controller has to answer. Corosync delivers in the same order everywhere, so a peer
  that answers has the constraint. A peer that was cut off less than a token time-out ago still looks like a member, but
  cannot answer. The peer has to answer before the constraint is created, too: a constraint that only this side of a
  partition has could win when the CIBs are joined again, and would then ban the side that went on.
- The peer is down: the cluster has fenced it, or it was shut down cleanly. The constraint is needed here as well: the
  peer may come back with its cluster but without its replication link, and DRBD 9 was seen to call such a disk
  UpToDate.

Until one of the two cases is certain, I/O stays frozen. When DRBD has seen the peer's replica complete again,
``unfence-peer`` removes the constraint. No handler can wait for ever (drbdadm gives up after 600 s), and the cluster
may not answer when a handler asks. So the monitors repeat the work of both handlers: see ``watch``. ``view`` reads the
CIB, ``decision`` decides, ``constraint`` changes the CIB, ``handler`` repeats the decision within the available time,
``lifting`` removes the constraint. The functions below return the notes for the monitors.
"""

from __future__ import annotations

from twinsan.host.note import Note


def constraint_note(resource: str) -> Note:
    """Return the note that exists while there is a constraint, as far as this node knows."""
    return Note(f"fence-constraint.{resource}")


def undecided_note(resource: str) -> Note:
    """Return the note that holds the reason why the state of the peer is not certain yet."""
    return Note(f"fence-undecided.{resource}")


def ban_note(resource: str) -> Note:
    """Return the note that names the node that has gone on without this one, so that this one may not be promoted. Its
    modification time is when this node first saw that.
    """
    return Note(f"fence-banned.{resource}")


def peer_note(resource: str) -> Note:
    """Return the note that holds the host name of the peer for which DRBD has called the handler."""
    return Note(f"fence-peer.{resource}")
