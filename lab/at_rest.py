# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands for a server that succeed where the cluster is at rest."""

from __future__ import annotations

ALL_RUNS = "! crm_mon -1 --inactive | grep -E 'Stopped|FAILED|Starting|Stopping|Promoting|Demoting'"

# A constraint that DRBD's handler has left is lifted by the next monitor of the Primary.
NOBODY_BANNED = "! cibadmin --query --scope constraints | grep drbd-fence-by-handler"

# Failures and degraded results stay in the cluster's memory until failure-timeout.
NOTHING_REMEMBERED = "! crm_mon -1 --inactive | grep '^Failed Resource Actions'"


def found_running(resource: str, node: str) -> str:
    """Succeeds where a probe has found a resource running on a node: what it found is kept as a failure, as it was not
    expected, and Pacemaker restarts the resource when a parameter changes, instead of a reload.
    """
    record = f"lrm_rsc_op[@id='{resource}_last_failure_0' and @operation='monitor' and @interval='0']"
    return f"cibadmin --query --xpath \"//node_state[@uname='{node}']//{record}\" >/dev/null 2>&1"


# Succeeds where the coordinator is idle and would find nothing to do. `crm_resource --wait` asks the same, but does not
# end where a recurring monitor was cancelled before its first result and its resource has moved (Pacemaker 3.0.0: it
# stays "pending" in the status of the node that was left). Monitors alone are not in the summary: one whose result was
# "degraded" is planned anew when failure-timeout is over, and begun with the next plan that has another cause.
IDLE = (
    "dc=$(crmadmin --timeout 2s --dc_lookup 2>/dev/null | sed -n 's/.* is: \\([^ ]*\\).*/\\1/p'); "
    'crmadmin --status "$dc" 2>/dev/null | grep -q S_IDLE && '
    "! crm_simulate --live-check --simulate 2>/dev/null | sed -n '/^Transition Summary/,/^Executing/p'"
    " | grep -q '^ *\\* '"
)
