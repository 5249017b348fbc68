# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan check``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Finds what is wrong with a pair before it matters. Without a file: the cluster's configuration, this node, and "
    "the other node over ssh, in about 2 s on a small server and within 5 s in any case, typed on either node. With a "
    "file: a configuration of the cluster, written by whatever tool, for the agents of twinsan or of ClusterLabs "
    "and LINBIT; or a site file. Pacemaker's scheduler is asked what it would do with the configuration when a node "
    "dies and comes back, at a standby, after faults of a disk, a LUN or a target, and after a failed stop. Each "
    "finding has its severity (error: data or service is lost when it matters; warning; note), where it is, why it "
    "matters, and what to type. What could not be seen is told as well. It changes nothing of the pair. What the "
    "scheduler would do takes seconds to find on a small server, so root's check keeps it in /run/twinsan until the "
    "configuration, Pacemaker or twinsan changes. One that is not known yet goes on in the background, for 120 s at "
    "most, after a check that ends before: that one says so, and the same command some seconds later has the "
    "answer. It needs lxml and the program crm_simulate, and psutil to see whose a process is that holds a disk."
)
_JSON = (
    "for programs, with names that stay: findings (fault, severity, node, where, what, why, mend) and unseen (what, "
    "why)"
)
_EXAMPLES = (
    "Exit status: 0 nothing was found, or notes alone; 3 there are warnings; 4 there are errors; 1 not all could be "
    "seen, and what was seen is well; 2 the file is wrong by itself. Example: twinsan check cib.xml"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "find what is wrong with a pair before it matters"
    check = commands.add_parser("check", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    check.add_argument(
        "file", metavar="FILE", nargs="?", help="a site file, what 'cibadmin --query' prints, a template"
    )
    check.add_argument("--json", action="store_true", help=_JSON)
    check.add_argument(
        "--facts", action="store_true", help="print what this node sees of itself: the other one asks so"
    )
    check.add_argument(
        "--seconds", metavar="N", type=_seconds, help="look for so long at most (default: 4; a file: 30)"
    )
    check.set_defaults(run=_run)


def _seconds(text: str) -> float:
    import argparse

    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 3600):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds from 1 to 3600")
    return float(text)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import check

    if arguments.facts:
        return check.facts(arguments.seconds)
    return check.check(arguments.file, as_json=arguments.json, most=arguments.seconds)
