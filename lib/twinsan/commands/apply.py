# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan apply``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Makes the running cluster what a site file says. It shows what twinsan render --diff shows, asks, and changes the "
    "cluster's configuration: first what interrupts nothing, then all that must restart, in one step. What the site "
    "does not have any more is stopped first and removed when it has stopped. Each step is refused if somebody else "
    "has changed the configuration since it was shown, and waits until the cluster has settled. What belongs to others "
    "stays as it is: other resources, their constraints, those of crm resource move, passwords, standby, target-role. "
    "A resource file of DRBD that differs is put in place on this node, unless it differs in a disk, a device or an "
    "address; no disk is changed, and corosync.conf is only shown. If a LUN needs a volume that DRBD does not have, "
    "nothing is changed. Type it on one node, as root."
)
_STATUS = (
    "Exit status: 0 the cluster is as the site says and well; 1 something is not well, a failure, or the answer was "
    "no; 2 the site file has mistakes. Example: twinsan apply san.toml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "make the running cluster what a site file says"
    apply = commands.add_parser("apply", help=text, description=_DESCRIPTION, epilog=_STATUS)
    apply.add_argument("site", metavar="SITE.toml", help="the site file")
    apply.add_argument("--yes", action="store_true", help="do not ask; without a terminal this is needed")
    apply.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import packages

    # Before anything that needs lxml is imported.
    packages.find()
    from twinsan.operate import apply

    return apply.apply(arguments.site, assume_yes=arguments.yes)
