# SPDX-License-Identifier: GPL-2.0-or-later
"""Print the metrics, or write them into a file for node_exporter."""

from __future__ import annotations

import sys

from twinsan.alert.memory import Memory
from twinsan.deadline import Deadline
from twinsan.operate import output as output_file
from twinsan.operate.facts import gathering
from twinsan.operate.metrics import collection, thin_pools

# Nobody waits for it, so a busy node may take its time; what it cannot see in the end is left out. systemd ends the
# service after 25 s.
_SECONDS = 14.0
_SECONDS_FOR_POOLS = 1.0

_FOLDER = (
    "give the folder of node_exporter's --collector.textfile.directory; on Debian /var/lib/prometheus/node-exporter"
)


def report(output: str | None) -> int:
    """Print the metrics, or replace the file `output` by them, at once. Returns the exit status. Raises Failure."""
    facts = gathering.gather(_SECONDS)
    pools = thin_pools.look(Deadline(_SECONDS_FOR_POOLS))
    text = collection.of(facts, pools, Memory().failovers()).text()
    if output is None:
        sys.stdout.write(text)
    else:
        output_file.replace(output, text, remedy=_FOLDER)
    return 0
