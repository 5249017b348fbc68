# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan stop``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Stops the whole pair, for a planned shutdown: first the node that stands by, then the one that serves, whose data "
    "are then known to be the newest. It looks first: while an initiator is logged in, or a replica is not complete, "
    "nothing is stopped without --even-so. Shut the hosts down first: nobody answers them from then on. It asks before "
    "it begins. Type it on either node, as root; the other one is reached by ssh. After an interruption, type it again "
    "where the cluster still runs."
)
_STATUS = (
    "Exit status: 0 both are stopped; 1 something speaks against it, the answer was no, or a failure; 2 there is no "
    "terminal to ask on. Example: twinsan stop --power-off"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "stop both nodes, for a planned shutdown"
    stop = commands.add_parser("stop", help=text, description=_DESCRIPTION, epilog=_STATUS)
    stop.add_argument(
        "--even-so", action="store_true", help="although initiators are logged in, or a replica is not complete"
    )
    stop.add_argument("--power-off", action="store_true", help="then power both nodes off")
    stop.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    stop.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import stop

    options = stop.Options(yes=arguments.yes, even_so=arguments.even_so, power_off=arguments.power_off)
    return stop.stop(options)
