# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan grow``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Makes a LUN as large as the disks below it, while hosts use it. Make the disk larger first, on both nodes, as "
    "with lvextend. The command looks at both nodes (root, by ssh, without a password), says the old and the new size, "
    "and asks. It has DRBD grow the volume on both nodes, waits until both have the new size, and has the LUN tell it. "
    "Nothing is interrupted: writes wait at most for some seconds while DRBD moves its meta data. The new part is "
    "copied to the other node in the background; until that has ended, the other node cannot take over. The command "
    "then prints what to type on the hosts, which have to rescan. If only one of the disks has grown, if the replicas "
    "are not connected or not equal, or if a resync or a verify runs, nothing is changed. Type it on either node, as "
    "often as you like: a LUN that is as large as it can be stays as it is."
)
_STATUS = (
    "Exit status: 0 the LUN is as large as it can be; 1 something is in the way, or the answer was no; 2 there is no "
    "such LUN. Example: twinsan grow p_lun1"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    grow = commands.add_parser(
        "grow", help="make a LUN as large as its disks", description=_DESCRIPTION, epilog=_STATUS
    )
    grow.add_argument("lun", metavar="LUN", help="the name of its resource, as p_lun1, or of its volume, as san/0")
    grow.add_argument("--dry-run", action="store_true", help="only look, and say what would be done")
    grow.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    grow.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate.disks import grow

    return grow.grow(arguments.lun, yes=arguments.yes, dry_run=arguments.dry_run)
