# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan apply``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Makes the running cluster what a site file says. It shows what twinsan render --diff shows, asks, and changes "
    "the cluster's configuration: first what interrupts nothing, then all that must restart, in one step. What the "
    "site does not have any more is stopped first and removed when it has stopped. Each step is refused if somebody "
    "else has changed the configuration since it was shown, and waits until the cluster has settled. What belongs to "
    "others stays as it is: other resources, their constraints, those of crm resource move, passwords, standby, "
    "target-role. A resource file of DRBD that differs is put in place on this node, unless it differs in a disk, a "
    "device or an address; corosync.conf is only shown. If a LUN needs a volume that DRBD does not have, it makes "
    "that first, on both nodes: on the other one by ssh, as twinsan init does. The list says which disks it takes and "
    "what is on them; one that has anything on it is refused, unless it is named with --overwrite. DRBD's file gets "
    "the volume on both nodes, the disks get meta data, and if every byte of both is zero nothing has to be copied. "
    "The SAN serves meanwhile, and the cluster is in maintenance mode for some seconds, for it would stop a resource "
    "with a volume that has no data yet. After an interruption, type the same again. The volume of a LUN that is "
    "removed stays in DRBD, with its data, and it says how to take it away. At the end it prints what to type on the "
    "hosts. Type it on one node, as root."
)
_OVERWRITE = (
    "for a new LUN, lose for ever what is on this disk of this node: the exact words that are printed if there is "
    "anything on it; can be given several times"
)
_STATUS = (
    "Exit status: 0 the cluster is as the site says and well; 1 something is not well, a failure, or the answer was "
    "no; 2 the site file has mistakes, or --overwrite names no disk of it. Example: twinsan apply san.toml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "make the running cluster what a site file says"
    apply = commands.add_parser("apply", help=text, description=_DESCRIPTION, epilog=_STATUS)
    apply.add_argument("site", metavar="SITE.toml", help="the site file")
    apply.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    apply.add_argument("--overwrite", metavar="NODE:DEVICE", action="append", help=_OVERWRITE)
    apply.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import packages

    # Before anything that needs lxml is imported.
    packages.find()
    from twinsan.operate import apply

    return apply.apply(arguments.site, assume_yes=arguments.yes, overwrite=frozenset(arguments.overwrite or ()))
