# SPDX-License-Identifier: GPL-2.0-or-later
"""A site file: what its rules allow and a demanding owner wants to know, and all that is made of it."""

from __future__ import annotations

from twinsan.operate.checks import cluster, corosync_conf, votes
from twinsan.operate.checks.configuration import Configuration
from twinsan.operate.checks.finding import NOTE, Fault
from twinsan.site import cib, corosync, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.operate.checks.report import Report
    from twinsan.site.model import Site

NO_WITNESS = Fault(
    "third-vote-missing",
    NOTE,
    "the site has no third vote",
    why="if the nodes lose each other, a delay has to decide who fences first, and each takeover is longer by it",
    mend='if there is a third machine, write: witness = {{ host = "10.0.6.14" }}',
)
ONE_LEVEL = Fault(
    "fencing-by-bmc-alone",
    NOTE,
    "a node is fenced by its BMC alone",
    why="a BMC that loses its power with its server does not answer: nothing is taken over until somebody confirms it",
    mend="two power supplies on two circuits, or a second level, as of a switched socket: man 8 crm, fencing_topology",
)

FAULTS = (NO_WITNESS, ONE_LEVEL)


def check(site: Site, deadline: Deadline) -> Report:
    """Return what is to be said of a site."""
    from lxml import etree

    made = Configuration.read(etree.tostring(cib.tree(site)), "the configuration of the site")
    report = cluster.check(made, deadline, third_vote=bool(site.witness), watchdog=float(_watchdog(site)))
    report.add(votes.of_file(corosync_conf.parse(corosync.text(site)), ""))
    if not site.witness:
        report.add([NO_WITNESS.at("witness")])
    if site.fencing.by == model.IPMI:
        report.add([ONE_LEVEL.at("fencing")])
    return report


def _watchdog(site: Site) -> int:
    return site.watchdog_seconds if site.fencing.by == model.WATCHDOG else 0
