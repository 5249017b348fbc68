# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan adopt``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Reads what serves today, and makes a site file of it: the configuration of a cluster with the agents of "
    "ClusterLabs and LINBIT (iSCSITarget, iSCSILogicalUnit, IPaddr2, portblock, linbit:drbd), or what targetcli has "
    "saved. Each disk keeps its serial, NAA name, vendor, product and LUN number, the target its iqn and portals; "
    "values that an agent takes by default are written out. A report says what is kept, what changes and why that "
    "does no harm, what cannot be kept, and what is missing: in the site file that is an empty value, which twinsan "
    "render names. Then come the steps of the take-over, with all that is to be typed. No secret gets into the site "
    "file: the steps say how each gets into a file that only root can read. Nothing is changed. Without an option the "
    "running cluster is read, on one of its nodes: at best on the one that serves, because its kernel knows the "
    "identity of each disk. The site file is printed to standard output and the report to standard error."
)
_EXAMPLES = (
    "Exit status: 0 the site file is complete and all is kept; 1 the report names what is missing or cannot be kept; 2 "
    "a file or the cluster cannot be read, or is not what it should be. Example: twinsan adopt --output san.toml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "make a site file of what serves today, and show how to take over"
    adopt = commands.add_parser("adopt", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    source = adopt.add_mutually_exclusive_group()
    source.add_argument(
        "--cib", metavar="FILE", help="read the cluster's configuration from this file (cibadmin --query)"
    )
    source.add_argument(
        "--saveconfig",
        metavar="FILE",
        nargs="?",
        const="",
        help="read what targetcli has saved (default: /etc/target or /etc/rtslib-fb-target, saveconfig.json)",
    )
    adopt.add_argument("--drbd", metavar="FILE", help="read DRBD's resources from this file (drbdadm dump-xml)")
    adopt.add_argument("--corosync", metavar="FILE", help="read the nodes' links from this corosync.conf")
    adopt.add_argument(
        "--output", metavar="SITE.toml", help="write the site file, which must not exist; print the report"
    )
    adopt.add_argument("--json", action="store_true", help="for programs, with names that stay")
    adopt.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import adopt

    return adopt.adopt(
        cib=arguments.cib,
        saved=arguments.saveconfig,
        drbd=arguments.drbd,
        corosync=arguments.corosync,
        output=arguments.output,
        as_json=arguments.json,
    )
