# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan status``."""

from __future__ import annotations

from twinsan.commands import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Shows in one screen who serves what since when, whether the other node would serve if that one died now and in "
    "about how long, everything that is not well with what to type, replication, LUNs, sessions, portals, nodes and "
    "fencing. Whether the other node would serve follows from what it has told beforehand, from the cluster's "
    "configuration and state, and from DRBD; what is not known makes the answer unknown. LUNs and sessions are those "
    "of the node on which it is typed. It takes at most 5 seconds, if --timeout does not say otherwise: what does not "
    "answer by then is said under Not seen. It changes nothing. root sees everything, a member of the group haclient "
    "nearly everything. Colour is for terminals; NO_COLOR=1 switches it off."
)
_EXAMPLES = (
    "Exit status: 0 all is well; 3 it is served, and something is not well, not known or not seen; 4 something is not "
    "served; 1 nothing could be seen. Example: twinsan status --watch 2"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "show who serves, and whether the other node would"
    status = commands.add_parser("status", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    status.add_argument("--json", action="store_true", help="for programs, as docs/status.schema.json describes it")
    status.add_argument("--html", metavar="FILE", help="write it as a page into this file, and print nothing")
    status.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=options.seconds,
        const=5.0,
        help="again after each so many seconds (default: 5), until it is interrupted",
    )
    status.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=options.seconds,
        help="how long to wait for what does not answer, on a node that is very busy (default: 4)",
    )
    status.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import status

    return status.show(as_json=arguments.json, html=arguments.html, watch=arguments.watch, timeout=arguments.timeout)
