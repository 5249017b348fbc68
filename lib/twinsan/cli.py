# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``twinsan``: what operators type, and what DRBD calls."""

from __future__ import annotations

import argparse
import os
import sys

from twinsan import __version__
from twinsan.errors import Failure, Reason
from twinsan.host import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NO_RESOURCE = Reason(Failure, "which resource? Type: twinsan {command} RESOURCE", "see 'drbdadm status' for the names")
NO_LUN = Reason(Failure, "of which LUN? Type: twinsan reservations --remove {initiator} --lun RESOURCE")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`, by default that of the process. Returns the exit status."""
    _open_standard_streams()
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.run(arguments)
        return status
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"twinsan: {arguments.command} failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("twinsan: interrupted", file=sys.stderr)
    return 1


def _open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed. The kernel starts DRBD's handlers without any open file:
    the next file to be opened would become a standard stream.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. The manual page is generated from it."""
    parser = argparse.ArgumentParser(prog="twinsan", description="Two Linux servers as one iSCSI SAN.")
    parser.add_argument("--version", action="version", version=f"twinsan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    text = "find out what became of a lost DRBD peer"
    fence = commands.add_parser("fence-peer", help=text, description=_FENCE_PEER, epilog=_FENCE_PEER_STATUS)
    fence.add_argument("resource", metavar="RESOURCE", nargs="?", help="DRBD's name of it (default: as DRBD says)")
    fence.add_argument("--peer", metavar="HOST", default="", help="the peer's host name (default: as DRBD says)")
    fence.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="give up after this time (default: 60, on a Primary 580)"
    )
    fence.set_defaults(run=_fence_peer)

    text = "let a DRBD peer be promoted again"
    unfence = commands.add_parser("unfence-peer", help=text, description=_UNFENCE_PEER)
    unfence.add_argument("resource", metavar="RESOURCE", nargs="?", help="DRBD's name of it (default: as DRBD says)")
    unfence.add_argument("--force", action="store_true", help="although the peer's replica is not complete")
    unfence.set_defaults(run=_unfence_peer)

    text = "note that DRBD has found a split brain"
    split = commands.add_parser("split-brain", help=text, description=_SPLIT_BRAIN)
    split.add_argument("resource", metavar="RESOURCE", nargs="?", help="DRBD's name of it (default: as DRBD says)")
    split.set_defaults(run=_split_brain)

    text = "show the persistent reservations of all LUNs, or take one away"
    reservations = commands.add_parser(
        "reservations", help=text, description=_RESERVATIONS, epilog=_RESERVATIONS_EXAMPLES
    )
    reservations.add_argument("--json", action="store_true", help="for programs, with names that stay")
    reservations.add_argument(
        "--remove", metavar="INITIATOR", help="take the registrations of this initiator away; needs --lun"
    )
    reservations.add_argument("--lun", metavar="RESOURCE", help="the LUN that it is about, by the name of its resource")
    reservations.set_defaults(run=_reservations)

    text = "make of a site file all that the pair needs"
    render = commands.add_parser("render", help=text, description=_RENDER, epilog=_RENDER_EXAMPLES)
    render.add_argument("site", metavar="SITE.toml", help="the site file; /usr/share/twinsan/examples has some")
    render.add_argument("--output", metavar="FOLDER", help="write the files into this folder, and nowhere else")
    render.add_argument("--only", metavar="FILE", help="this file alone, such as cib.xml; without --output print it")
    render.add_argument("--json", action="store_true", help="for programs, with names that stay")
    render.set_defaults(run=_render)
    return parser


_FENCE_PEER = (
    "DRBD's handler fence-peer. Makes sure, through the cluster, that the peer cannot be promoted with data that lacks "
    "what is written here from now on: by a constraint that the living peer has, or by its fencing."
)
_FENCE_PEER_STATUS = (
    "Exit status: 4 the peer lives and may not be promoted; 7 the peer is down; 6 the peer has gone on alone; 0 the "
    "peer is connected again; 1 nothing is certain, I/O stays frozen."
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
_RESERVATIONS = (
    "Shows who is registered with each LUN, with what key, which reservation each holds, and where that is kept: in "
    "the state volume of a DRBD resource, or in the cluster. A LUN that another node serves is shown in full there. "
    "With --remove a registration is taken away for good, and the reservation that its initiator holds: of a host that "
    "is gone for ever, or that the kernel refuses. The LUN has to be stopped for that, because a kernel that serves it "
    "lets nobody but initiators change it; where it is not, the command says how to stop it and changes nothing. A LUN "
    "with a state volume is changed on the node where that is mounted."
)
_RESERVATIONS_EXAMPLES = "Example: twinsan reservations --lun p_lun1 --remove iqn.1998-01.com.vmware:esx7"
_RENDER = (
    "Reads a site file: the nodes of a pair, how they fence, and what they serve, in TOML. Makes of it the "
    "configuration of the cluster as XML and as commands of crmsh and pcs, the resource files of DRBD 8.4 and 9, "
    "corosync.conf, the settings of SBD if it is used, and what to type on the hosts that use the SAN. Without an "
    "option it lists these files. It changes nothing but the files of the folder that you name, each at once, and it "
    "needs neither root nor a cluster. A file with mistakes is not rendered: all of them are printed, each with its "
    "line, its key, and what would be right. It needs lxml, and tomli with Python before 3.11."
)
_RENDER_EXAMPLES = "Example: twinsan render san.toml --output rendered"


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


def _reservations(arguments: argparse.Namespace) -> int:
    from twinsan.operate import reservations

    if arguments.remove is None:
        return reservations.show(arguments.lun, as_json=arguments.json)
    if not arguments.lun:
        raise NO_LUN(initiator=arguments.remove)
    return reservations.remove(arguments.remove, arguments.lun)


def _render(arguments: argparse.Namespace) -> int:
    from twinsan.operate import render

    return render.render(arguments.site, output=arguments.output, only=arguments.only, as_json=arguments.json)


def _split_brain(arguments: argparse.Namespace) -> int:
    from twinsan.drbd import split_brain

    split_brain.record(_resource(arguments))
    return 0
