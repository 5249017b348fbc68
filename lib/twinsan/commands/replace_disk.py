# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan replace-disk``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Gives this node another disk for its replica, while the other node has all data. The disk is the one that the "
    "site file names for this node: if the new one has another path, write that into the site file first. For a disk "
    "that still works and has to make room for the new one, type this with --detach first, and exchange them. The "
    "command looks at both nodes (root, by ssh, without a password) and changes nothing if the other node is not "
    "connected or does not have all data, or if the new disk is too small, of another block size, in use, or not "
    "empty. It says what it will do, and asks. It puts the new path into DRBD's file on both nodes, detaches the old "
    "disk, creates DRBD's meta data on the new one, attaches it, and waits until DRBD has copied all data to it. "
    "Nothing is interrupted, but this node cannot take over until the copy has ended. If this node serves, it does so "
    "through the other node meanwhile; move the SAN first (twinsan drill --go), or say that it may stay. Each step "
    "that is done already is left out: after an interruption, type the same again."
)
_OVERWRITE = (
    "lose for ever what is on this disk of this node: the exact words that are printed if there is anything on it; can "
    "be given several times"
)
_STATUS = (
    "Exit status: 0 the disk is replaced; 1 something is in the way, a step failed, or the answer was no; 2 the site "
    "file has mistakes, or what was typed has. Example: twinsan replace-disk san.toml san/0"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "give this node another disk for its replica"
    replace = commands.add_parser("replace-disk", help=text, description=_DESCRIPTION, epilog=_STATUS)
    replace.add_argument("site", metavar="SITE.toml", help="the site file")
    replace.add_argument(
        "replica",
        metavar="RESOURCE[/VOLUME]",
        help="a volume, as san/0; without a number, each volume of the resource that does not have its disk",
    )
    replace.add_argument("--overwrite", metavar="NODE:DEVICE", action="append", help=_OVERWRITE)
    replace.add_argument(
        "--detach", action="store_true", help="only let the present disk go, so that it can be taken out"
    )
    replace.add_argument(
        "--even-if-serving", action="store_true", help="do it on the node that serves, without moving the SAN"
    )
    replace.add_argument("--no-wait", action="store_true", help="do not wait until all data is copied")
    replace.add_argument("--dry-run", action="store_true", help="only look, and say what would be done")
    replace.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    replace.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import packages

    # Before anything that needs lxml is imported.
    packages.find()
    from twinsan.operate.disks import replace

    options = replace.Options(
        overwrite=arguments.overwrite,
        detach=arguments.detach,
        even_if_serving=arguments.even_if_serving,
        wait=not arguments.no_wait,
        dry_run=arguments.dry_run,
        yes=arguments.yes,
    )
    return replace.replace(arguments.site, arguments.replica, options)
