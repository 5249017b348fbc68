# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan alert``: what Pacemaker's alerts call."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Pacemaker's alerts call it, by /usr/share/twinsan/alert, with an event in the environment. What an operator wants "
    "to know becomes one line in syslog, with what to type: a failover and why, fencing, a node that is lost, a split "
    "brain, a lost disk, a standby that is not ready, a resource that is degraded or failed, and its recovery. What "
    "goes on is said once a day. The command that is the alert's parameter `command` is called with each line as its "
    "last argument and its input. Its environment has TWINSAN_KIND, TWINSAN_SEVERITY, TWINSAN_LINE, TWINSAN_NODE, "
    "TWINSAN_RESOURCE, and Pacemaker's CRM_alert_ variables. It runs as hacluster and has 15 s; its failure is logged "
    "and changes nothing. TWINSAN_KIND is failover, restarted, serves, fencing, fencing-failed, node-lost, node-left, "
    "node-back, split-brain, disk-lost, standby-not-ready, degraded, failed, well or test; TWINSAN_SEVERITY critical, "
    "warning or notice. A site file gets both by [alerts]."
)
_EXAMPLES = 'Example: twinsan alert --test --command "/usr/local/sbin/page --to ops"'


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    alert = commands.add_parser(
        "alert", help="report an event of the cluster", description=_DESCRIPTION, epilog=_EXAMPLES
    )
    alert.add_argument("--test", action="store_true", help="report that this is a test, instead of an event")
    alert.add_argument(
        "--command", metavar="COMMAND", dest="test_command", default="", help="with --test: the command to call"
    )
    alert.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.alert import program

    return program.test(arguments.test_command) if arguments.test else program.handle(os.environ)
