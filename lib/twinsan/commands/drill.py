# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan drill``."""

from __future__ import annotations

import sys

from twinsan.commands import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

# What was typed has to be changed.
_WRONG = 2

_DESCRIPTION = (
    "Says whether a switchover is safe now, and about how long it will take. With --go it does one: the SAN moves to "
    "the other node, the command sees by DRBD when each LUN was written last and when again, and says how long the "
    "pause was and where each part of it went. With --power-cut the cluster fences the node that serves instead, which "
    "is asked twice; type that on the other node. Hosts see a pause and no error, as in any failover. What the other "
    "node did is read over ssh (root, without a password), with times by its own clock; without ssh the command says "
    "what it could not see. A LUN that nobody writes to shows no pause: name a host that reads one, by --initiator, to "
    "see what it notices. Interrupted, it takes its constraint away. What is not safe is not done: the exit status is "
    "1 then."
)
_EXAMPLES = "Example: twinsan drill --go --picture drill.svg"


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "practise a failover, and see where its time goes"
    drill = commands.add_parser("drill", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    drill.add_argument("--go", action="store_true", help="switch over, if it is safe")
    drill.add_argument("--power-cut", action="store_true", help="fence the node that serves, if it is safe")
    drill.add_argument(
        "--fence", metavar="NODE", help="the answer to both questions of --power-cut, for a script: the node's name"
    )
    drill.add_argument("--resource", metavar="RESOURCE", help="DRBD's name of what moves, if there are several")
    drill.add_argument(
        "--initiator", metavar="HOST:DEVICE", help="a host, by ssh, that reads this disk of the SAN meanwhile"
    )
    drill.add_argument("--picture", metavar="FILE", help="draw the failover into this file, as SVG")
    drill.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=options.seconds,
        help="how long to wait for what does not answer, on a node that is very busy (default: 4)",
    )
    drill.add_argument("--json", action="store_true", help="for programs, with names that stay")
    drill.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.errors import Misconfigured
    from twinsan.operate.drill import order

    wish = order.Wish(
        go=arguments.go,
        power_cut=arguments.power_cut,
        fence=arguments.fence,
        resource=arguments.resource,
        initiator=arguments.initiator,
        picture=arguments.picture,
        timeout=arguments.timeout,
        as_json=arguments.json,
    )
    try:
        return order.drill(wish)
    except Misconfigured as mistake:
        print(f"twinsan: {mistake}", file=sys.stderr)
        return _WRONG
