# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan remove``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Takes all that twinsan serves out of the cluster's configuration: addresses, LUNs, targets, replicas, their "
    "constraints, and the alert. It shows what goes, asks, stops it, and removes what has stopped. What belongs to "
    "others stays, and so do the fence devices, DRBD's files and all data. While an initiator is logged in, nothing is "
    "removed without --even-so: nobody is answered from then on. twinsan apply with the same site file brings it all "
    "back, with the same disks. Type it on one node, as root; the other one is reached by ssh."
)
_STATUS = (
    "Exit status: 0 it is gone; 1 something is not well, a failure, or the answer was no; 2 the site file has "
    "mistakes. Example: twinsan remove san.toml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "take what twinsan serves out of the cluster"
    remove = commands.add_parser("remove", help=text, description=_DESCRIPTION, epilog=_STATUS)
    remove.add_argument("site", metavar="SITE.toml", help="the site file")
    remove.add_argument("--even-so", action="store_true", help="although initiators are logged in")
    remove.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    remove.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import packages

    # Before anything that needs lxml is imported.
    packages.find()
    from twinsan.operate import remove

    return remove.remove(arguments.site, assume_yes=arguments.yes, even_so=arguments.even_so)
