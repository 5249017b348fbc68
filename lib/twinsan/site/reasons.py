# SPDX-License-Identifier: GPL-2.0-or-later
"""The reasons that stand in a configuration: a paragraph for each option, priority, score and limit that it has."""

from __future__ import annotations

from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Site

_DELAY = (
    "priority-fencing-delay: if the nodes lose contact, the one that serves fences first: the other one waits so long "
    "before it does. Each begins within a second of the other, and its command takes a second or two to the BMC. When "
    "the serving node is dead, initiators wait so much longer."
)
_DELAY_SBD = (
    "priority-fencing-delay: if the nodes lose contact, the one that serves fences first: the other one waits so long "
    "before it does. A message takes a second or two to the SBD disk, and the other node reads it within a second. "
    "When the serving node is dead, initiators wait so much longer."
)
_NO_DELAY = (
    "priority-fencing-delay: none is needed. If the nodes lose contact, only the one that has the third vote fences. "
    "It is written here because a pair that had san.xml before has 3s."
)
_FREEZE = (
    "no-quorum-policy: a node without quorum goes on with what it runs, and starts, fences and promotes nothing. By "
    "default it would stop all: if one node dies while the third machine is away, the SAN would be stopped on the "
    "other. So it goes on by itself as soon as one of them is back. DRBD freezes its I/O until then, so nothing is "
    "acknowledged that the other node could lack, and the other node starts nothing before it has fenced this one."
)
_FREEZE_WATCHDOG = (
    "no-quorum-policy: a node that loses quorum for less than the time of its watchdog goes on with what it runs. By "
    "default it would stop all at once. DRBD freezes its I/O meanwhile, so nothing is acknowledged that the other "
    "node could lack. If quorum does not come back in time, SBD resets the node: so if one node dies while the third "
    "machine is away, the other one does not serve either. Fencing by a BMC has not that price."
)
_WATCHDOG = (
    "stonith-watchdog-timeout: there is no fence device. A node without quorum resets itself within {watchdog} s "
    "(SBD_WATCHDOG_TIMEOUT), and the other one takes it for off after this time: twice that, because a watchdog may "
    "be late. When the serving node is dead, initiators wait so long."
)
_SBD = (
    "fence_sbd: it writes to the SBD disk that a node has to reset itself, and waits twice the time of the watchdog "
    "(msgwait), {watchdog} s each. Both nodes use the one device, so it may run on either. The disk has to be that of "
    "a third machine: not one of those that this pair serves."
)
_POWER_WAIT = (
    'power_wait: how long fence_ipmilan waits after "off", before it asks whether the server is off, and after "on". '
    'Its default of 2 s can be seen in each take-over. Set it back if a BMC refuses "on" so soon after "off".'
)
_LOAD = (
    "load-threshold: a server under I/O counts as loaded. By default it would get its actions one at a time, just "
    "when it takes over."
)
_START_FAILURE = (
    "start-failure-is-fatal: a failed start is tried again at once, like any other action. By default it would ban "
    "its node. So every resource has a migration-threshold; give your own resources one as well. The agents clear the "
    "failures of a resource 15 s after its stop, if it has not started since. failure-timeout is for the case that "
    "they cannot; a short one would hide degraded monitors."
)
_RECHECK = (
    "cluster-recheck-interval: when maintenance mode ends, a degraded monitor starts again only when its "
    "failure-timeout is over and the scheduler runs next, which is once a minute."
)
_PE_ERRORS = "pe-error-series-max: keep a limited number of scheduler inputs with errors. By default all are kept."
_PROMOTED_WHERE_TARGET = (
    "promoted-where-target: a replica is promoted where a target stands, if it can be; otherwise the cluster would "
    "promote on a node that cannot have a target, and nobody would serve. The score exceeds any promotion score of "
    "drbd-vaai. With INFINITY the cluster would stop the replica on such a node."
)
_STICKINESS = (
    "resource-stickiness: what serves stays where it is, although something prefers the other node with a lower score: "
    "a preferred node, or a constraint of your own. Without it the SAN would move back to a node that returns, at the "
    "price of one more pause."
)
_PRIORITY = (
    "priority of the replicas: it counts one more for the promoted one, so the node that serves has the higher sum, "
    "for which priority-fencing-delay looks."
)
_PRIORITY_NO_DELAY = (
    "priority of the replicas: the node that serves has the higher sum. It counts as soon as there is a "
    "priority-fencing-delay, as in a pair without a third vote."
)
_PRIORITY_OF_RESOURCES = (
    "priority of a portal address: the node that serves it fences first if each node serves something. If both sums "
    "were equal, both would fence at once, and both be off."
)
_TIMEOUTS = (
    "The intervals and time-outs of the operations are those that the agents advise. An action ends before its "
    "time-out by itself, with a reason. Of more than ten LUNs each is looked at every 20 s, of more than twenty every "
    "30 s, and so on to 60: a node that serves them all starts one of these monitors in a second."
)
_CHAIN = (
    "The orders of kind Mandatory and the colocations of score INFINITY are the chain at the head of this file. "
    "Without one of them initiators would reach an address that has no disk, or a disk that is not writable. The "
    "orders are symmetrical: a stop is the mirror of a start."
)
_ROLES = (
    "role: a replica has a monitor for each of its roles; their intervals differ because the cluster tells operations "
    "apart by name and interval. Where an address does not run, the monitor of role Stopped says beforehand what "
    "would keep it from coming."
)
_NOTIFY = (
    "notify, interleave: the agents need no notifications, each of which would be one more agent to start in a "
    "switchover. If you order one of these clones after a clone of your own, as of LVM below DRBD, a fault of that "
    "on the other node restarts nothing here, because of interleave. LUNs and addresses are no clones: when both nodes "
    "start at once, they wait for the instances of both."
)
_MANY_LUNS = (
    "luns-after-promotion, luns-where-promoted: the LUNs are sets without an order, so they start and stop side by "
    "side, and a fault of one restarts no other LUN. It does restart the address, which comes after all LUNs "
    "(Mandatory): a host that reaches the address and misses a LUN may take it for removed for good (VMware: PDL) and "
    "ends its virtual machines, while a host that reaches no address waits. With kind=Optional the address would stay "
    "up meanwhile. A LUN that fails twice moves all to the other node. With influence=false it would not, but then "
    "nothing would be served at all, since the address waits for it. If disks shall not share their faults, give each "
    "a DRBD resource, a target and an address of its own."
)
_TWO_PORTALS = (
    "Several portal addresses: all are on the node that serves, so that a host with multipath has a path through each "
    "network. They start side by side, and a fault of one restarts no other. One that fails twice moves all to the "
    "other node: a host may have no other path. If it can run on neither node, the others go on."
)
_SEVERAL = (
    "Several DRBD resources: each has a replica, a target, LUNs and an address of its own, and no constraint between "
    "them. So a fault of one restarts nothing of another. Each target has a relative_port of its own, because after a "
    "failover both are on one node."
)
_PREFERS = (
    "prefers: where both nodes can serve, it is here. The score is less than the stickiness, so after a failover it "
    "goes back when you move it: crm resource move, then crm resource clear."
)
_ALERTS = (
    "twinsan-alert: the cluster calls it for each result of an action, and for nodes and fencing. It writes a line to "
    "syslog, and calls its command, for what an operator wants to know: failover, fencing, split brain, a disk or a "
    "node that is lost, a standby that could not take over."
)
_FAILBACK = (
    "prefers: where both nodes can serve, it is here. The score exceeds the stickiness, so after a failover it goes "
    "back by itself when the node has all data again, at the price of one more pause. While it cannot start there, "
    "the cluster tries so every 15 s."
)


def paragraphs(site: Site) -> list[str]:
    """Return the reasons for what is in the configuration of a site."""
    several = len(site.resources) > 1
    return [
        *_fencing(site),
        _LOAD,
        _START_FAILURE,
        _RECHECK,
        _PE_ERRORS,
        _PROMOTED_WHERE_TARGET,
        *([_PRIORITY_NO_DELAY] if _undelayed(site) else [_PRIORITY]),
        *([_SEVERAL] if several else []),
        *([_PRIORITY_OF_RESOURCES] if any(each.priority for each in site.resources) else []),
        *([_PREFERS] if any(each.preferred and not each.failback for each in site.resources) else []),
        *([_FAILBACK] if any(each.failback for each in site.resources) else []),
        *([_MANY_LUNS] if any(len(each.luns) > 1 for each in site.resources) else []),
        *([_TWO_PORTALS] if any(len(each.portals) > 1 for each in site.resources) else []),
        *([_ALERTS] if site.alerts is not None else []),
        _STICKINESS,
        _CHAIN,
        _ROLES,
        _NOTIFY,
        _TIMEOUTS,
    ]


def _undelayed(site: Site) -> bool:
    return site.priority_fencing_delay == 0


def _fencing(site: Site) -> list[str]:
    if site.fencing.by == model.WATCHDOG:
        return [_NO_DELAY, _WATCHDOG.format(watchdog=site.watchdog_seconds), _FREEZE_WATCHDOG]
    found = [_DELAY_SBD if site.fencing.by == model.SBD else _DELAY]
    if site.witness:
        found = [_NO_DELAY, _FREEZE]
    elif _undelayed(site):
        found = []
    return [*found, _POWER_WAIT if site.fencing.by == model.IPMI else _SBD.format(watchdog=site.watchdog_seconds)]
