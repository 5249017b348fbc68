# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan metrics``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Prints numbers about this node and the pair for Prometheus, in the text format of OpenMetrics: who serves what, "
    "whether the other node would serve if this one died now and in about how long, replication, resync and what is "
    "out of sync, I/O and reservations of each LUN, sessions, fencing, failovers and their stalls, how full thin pools "
    "are. Each has its description. What this node cannot see is left out and counted. With --output it replaces a "
    "file at once, for the textfile collector of node_exporter: the timer twinsan-metrics.timer does so every 30 s "
    "when it is enabled (systemctl enable --now twinsan-metrics.timer). /usr/share/twinsan/prometheus has rules for "
    "alerts, and a dashboard for Grafana. Failovers are those that the alert agent has seen (see alert). It needs root "
    "to see everything."
)
_EXAMPLES = "Example: twinsan metrics --output /var/lib/prometheus/node-exporter/twinsan.prom"


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "print numbers for Prometheus"
    metrics = commands.add_parser("metrics", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    metrics.add_argument("--output", metavar="FILE.prom", help="replace this file instead")
    metrics.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate.metrics import report

    return report.report(arguments.output)
