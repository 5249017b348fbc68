# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan fence-peer``, ``unfence-peer`` and ``split-brain``: what DRBD calls."""

from __future__ import annotations

import argparse
import os

from twinsan.errors import Failure, Reason
from twinsan.host import child

NO_RESOURCE = Reason(Failure, "which resource? Type: twinsan {command} RESOURCE", "see 'drbdadm status' for the names")

_FENCE_PEER = (
    "DRBD's handler fence-peer. Makes sure, through the cluster, that the peer cannot be promoted with data that lacks "
    "what is written here from now on: by a constraint that the living peer has, or by its fencing."
)
_FENCE_PEER_STATUS = (
    "Exit status: 4 the peer lives and may not be promoted; 7 the peer is down; 6 the peer has gone on alone; 0 the "
    "peer is connected again; 1 nothing is certain, I/O stays frozen. Example: twinsan fence-peer san --peer zeus"
)
_UNFENCE_PEER = (
    "DRBD's handler unfence-peer. Removes the constraint that fence-peer has left, once both replicas are UpToDate. "
    "Called by DRBD it answers at once and works in the background, because DRBD's worker waits for it: there it tries "
    "for ten minutes."
)
_SPLIT_BRAIN = (
    "DRBD's handler split-brain. Notes the time, so that the monitor of drbd-vaai can tell a split brain from a "
    "connection that was taken down, and say what to type. It changes nothing: whose changes are thrown away is for "
    "the operator to decide. The note goes when the replicas are equal again."
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the handlers of DRBD."""
    text = "find out what became of a lost DRBD peer"
    fence = commands.add_parser("fence-peer", help=text, description=_FENCE_PEER, epilog=_FENCE_PEER_STATUS)
    _add_resource(fence)
    fence.add_argument("--peer", metavar="HOST", default="", help="the peer's host name (default: as DRBD says)")
    fence.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="give up after this time (default: 60, on a Primary 580)"
    )
    fence.set_defaults(run=_fence_peer)

    text = "let a DRBD peer be promoted again"
    example = "Example: twinsan unfence-peer san"
    unfence = commands.add_parser("unfence-peer", help=text, description=_UNFENCE_PEER, epilog=example)
    _add_resource(unfence)
    unfence.add_argument("--force", action="store_true", help="although the peer's replica is not complete")
    unfence.set_defaults(run=_unfence_peer)

    text = "note that DRBD has found a split brain"
    example = "Example: twinsan split-brain san"
    split = commands.add_parser("split-brain", help=text, description=_SPLIT_BRAIN, epilog=example)
    _add_resource(split)
    split.set_defaults(run=_split_brain)


def _add_resource(command: argparse.ArgumentParser) -> None:
    command.add_argument("resource", metavar="RESOURCE", nargs="?", help="DRBD's name of it (default: as DRBD says)")


def _seconds(text: str) -> float:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds above 0")
    return float(text)


def _resource(arguments: argparse.Namespace) -> str:
    name: str = arguments.resource or os.environ.get("DRBD_RESOURCE", "")
    if not name:
        raise NO_RESOURCE(command=arguments.command)
    return name


def _fence_peer(arguments: argparse.Namespace) -> int:
    from twinsan.fence import handler
    from twinsan.fence.decision import Call

    resource = _resource(arguments)
    call = Call(resource, arguments.peer) if arguments.peer else Call.of(resource, os.environ)
    return handler.fence_peer(call, arguments.timeout)


def _unfence_peer(arguments: argparse.Namespace) -> int:
    from twinsan.fence import lifting

    resource = _resource(arguments)
    if arguments.resource:
        return lifting.unfence_peer(resource, force=arguments.force)
    if not child.continue_in_background():
        return 0
    lifting.publish_score(resource)
    return lifting.unfence_peer(resource, force=arguments.force, seconds=lifting.SECONDS_FOR_DRBD)


def _split_brain(arguments: argparse.Namespace) -> int:
    from twinsan.drbd import split_brain

    split_brain.record(_resource(arguments))
    return 0
