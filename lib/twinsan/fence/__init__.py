# SPDX-License-Identifier: GPL-2.0-or-later
"""The handler that DRBD calls when it loses its peer: ``handlers { fence-peer ...; unfence-peer ...; }``.

With ``fencing resource-and-stonith`` DRBD freezes all I/O and calls ``fence-peer``; what that exits with decides. It
has to be sure that the peer will not be promoted with data that lacks what is written here from now on. There are two
ways to be sure, and both leave a constraint in the CIB that keeps everybody from the role Promoted but this node, and
those whose replica is connected and complete:

- The peer lives and can be reached through the cluster: only the replication link is down. The constraint is created,
  and after that the peer's controller has to answer. Corosync delivers in one order everywhere, so a peer that answers
  has the constraint. A peer that was cut off less than a token time-out ago still looks like a member, but cannot
  answer. It has to answer before the constraint is created, too: a constraint that only this side of a partition has
  could win when the CIBs are joined again, and would then ban the side that went on.
- The peer is down: the cluster has fenced it, or it left in good order. The constraint is needed here as well. The peer
  may come back with its cluster but without its replication link, and DRBD 9 was seen to call such a disk UpToDate.

The constraint goes when DRBD has seen the peer's replica complete again (``unfence-peer``).

Until one of the two is certain, I/O stays frozen. No handler can wait for ever (drbdadm gives up after 600 s), and none
can know that the cluster will answer when it is asked. So the monitors do both again: see ``watch``.

``view`` reads the CIB, ``decision`` decides and ``constraint`` acts, ``handler`` does both in the time that there is,
``lifting`` takes the constraint away. The functions below are the notes that these leave for the monitors.
"""

from __future__ import annotations

from twinsan.host.note import Note


def constraint_note(resource: str) -> Note:
    """Return the note that there is a constraint, as far as this node knows."""
    return Note(f"fence-constraint.{resource}")


def undecided_note(resource: str) -> Note:
    """Return the note of why the fate of the peer is not certain yet, as a reason."""
    return Note(f"fence-undecided.{resource}")


def ban_note(resource: str) -> Note:
    """Return the note of who has gone on without this node, which may not be promoted therefore. Its date is when this
    node has seen that first.
    """
    return Note(f"fence-banned.{resource}")


def peer_note(resource: str) -> Note:
    """Return the note of the host name of the peer that DRBD has called the handler for."""
    return Note(f"fence-peer.{resource}")
