# SPDX-License-Identifier: GPL-2.0-or-later
"""What would keep a node from fencing the one that died, and from having quorum alone."""

from __future__ import annotations

from twinsan.operate.verdict.report import Obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.facts.cluster_shape import FenceDevice
    from twinsan.operate.verdict.obstacles import Case


def devices(case: Case) -> list[FenceDevice]:
    """The devices that can turn the node off that serves. One that does not say whom it can turn off may be one."""
    return [each for each in case.cluster.fence_devices if case.server in each.targets or not each.targets]


def blocking(case: Case) -> Iterator[Obstacle]:
    """Yield what is in the way for certain."""
    yield from _votes(case)
    able = devices(case)
    if not case.cluster.fencing_enabled or (not able and case.cluster.watchdog_seconds):
        return
    if not able:
        yield Obstacle(
            f"nothing can fence {case.server}, and nobody takes over from a node that may be alive", _CONFIRM
        )
    elif not any(each.node and each.answers is not False for each in able):
        names = " ".join(each.resource for each in able)
        state = "is stopped" if not any(each.node for each in able) else "does not answer"
        command = f"see: crm_mon -1; then: crm_resource --cleanup --resource {able[0].resource}"
        yield Obstacle(f"{names} {state}, so {case.server} could not be fenced", command)


_CONFIRM = "configure a fence device; in need, once it is off for sure: stonith_admin --confirm=NODE"


def unknown(case: Case) -> Iterator[Obstacle]:
    """Yield what is not known."""
    votes = case.facts.votes
    if not case.cluster.fencing_enabled:
        yield Obstacle(
            f"fencing is off: whether {case.other} would take over without knowing that {case.server} is dead",
            "configure fencing, then: crm_attribute --name stonith-enabled --delete",
        )
    if votes is None:
        yield Obstacle(f"whether {case.other} would have quorum alone is unknown", "see: corosync-quorumtool -s")
    elif votes.third_vote and votes.third_vote_present is None:
        yield Obstacle("whether the third vote is there is unknown", "as root: corosync-quorumtool -s")
    able = devices(case)
    if able and not any(each.answers for each in able):
        yield Obstacle(f"whether {' '.join(each.resource for each in able)} answers is unknown", "see: crm_mon -1")


def _votes(case: Case) -> Iterator[Obstacle]:
    votes = case.facts.votes
    if case.cluster.quorum is False:
        yield Obstacle("this part of the cluster has no quorum", "bring the other votes back: corosync-quorumtool -s")
    elif votes is not None and votes.third_vote:
        if votes.third_vote_present is False:
            command = "on the third machine: systemctl status corosync-qnetd; here: journalctl -u corosync-qdevice"
            yield Obstacle(f"the third vote is missing, without which {case.other} has no quorum alone", command)
    elif votes is not None and _loses_quorum(case, two_node=votes.two_node):
        command = "set two_node: 1 in /etc/corosync/corosync.conf on both, then: corosync-cfgtool -R"
        yield Obstacle(f"{case.other} would have no quorum alone: two_node is not set", command)


def _loses_quorum(case: Case, *, two_node: bool) -> bool:
    """Whether one of two nodes would be no majority when it is alone."""
    return len(case.cluster.nodes) == 2 and not two_node and case.cluster.no_quorum_policy != "ignore"
