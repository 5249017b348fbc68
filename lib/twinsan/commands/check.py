# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan check``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Finds what is wrong with a pair before it matters: in a configuration of the cluster, written by whatever tool, "
    "for the agents of twinsan or of ClusterLabs and LINBIT. Pacemaker's scheduler is asked what it would do when a "
    "node dies and comes back, at a standby, after faults of a disk, a LUN or a target, and after a failed stop. Each "
    "finding has its severity (error: data or service is lost when it matters; warning; note), where it is, why it "
    "matters, and what to type. It changes nothing. It needs lxml and the program crm_simulate."
)
_EXAMPLES = (
    "Exit status: 0 nothing was found, or notes alone; 3 there are warnings; 4 there are errors; 1 not all could be "
    "seen, and what was seen is well; 2 the file is no configuration. Example: twinsan check cib.xml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "find what is wrong with a pair before it matters"
    check = commands.add_parser("check", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    check.add_argument("file", metavar="CIB.xml", help="what 'cibadmin --query' prints, or a template")
    check.add_argument("--json", action="store_true", help="for programs, with names that stay")
    check.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import check

    return check.check(arguments.file, as_json=arguments.json)
