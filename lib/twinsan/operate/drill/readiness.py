# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a failover is safe now, and about how long it will take: from the facts, before anything is done."""

from __future__ import annotations

from twinsan.operate.verdict import obstacles
from twinsan.operate.verdict.report import Obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.facts.shape import Facts, Service
    from twinsan.operate.verdict.report import Prediction

# Until the cluster has a plan: docs/failover-time.md.
_PLAN = 0.5


class Readiness:
    """Whether a failover of a service is safe: it is if there are no `obstacles`. `seconds` is about how long a
    switchover takes, None if that is not known; `prediction` is that of the death of the node that serves.
    """

    def __init__(self, facts: Facts, service: Service, prediction: Prediction) -> None:
        self._service = service
        self._not_seen = facts.not_seen
        self.prediction = prediction
        self.obstacles = [*prediction.because, *_obstacles(facts, service)]
        if not prediction.would_serve and not self.obstacles:
            self.obstacles = [Obstacle("whether the other node would serve is unknown", "twinsan status")]
        self.seconds = _seconds(facts, service)

    @property
    def safe(self) -> bool:
        """Whether a failover is safe."""
        return not self.obstacles

    def text(self) -> str:
        """Return it for a terminal."""
        service, prediction = self._service, self.prediction
        where = (
            f"{service.drbd} is served by {service.node}" if service.node else f"nobody serves all of {service.drbd}"
        )
        if self.obstacles:
            lines = [f"not safe now: {where}"]
            lines += [
                f"  {each.because}" + (f"\n      type: {each.type}" if each.type else "") for each in self.obstacles
            ]
            lines += [f"not seen: {each.what}, because {each.because}" for each in self._not_seen]
            return "\n".join(lines)
        move = (
            "unknown: a node that has started nothing yet has no times"
            if self.seconds is None
            else _about(self.seconds)
        )
        death = "unknown" if prediction.seconds is None else _about(prediction.seconds, at_least=prediction.at_least)
        return (
            f"safe now: {where}, {prediction.other} can take over\n"
            f"  a switchover takes {move}\n"
            f"  the death of {prediction.node} would take {death}\n"
            f"practise it: twinsan drill --go"
        )

    def json(self) -> dict[str, object]:
        """Return it for programs: its names never change."""
        return {
            "safe": self.safe,
            "resource": self._service.drbd,
            "from": self.prediction.node,
            "to": self.prediction.other,
            "switchover_seconds": self.seconds,
            "death_seconds": self.prediction.seconds,
            "obstacles": [{"because": each.because, "type": each.type} for each in self.obstacles],
            "not_seen": [{"what": each.what, "because": each.because} for each in self._not_seen],
        }


def _about(seconds: float, *, at_least: bool = False) -> str:
    return f"{'at least' if at_least else 'about'} {seconds:.0f} s"


def _obstacles(facts: Facts, service: Service) -> Iterator[Obstacle]:
    """What does not keep the other node from serving, and yet speaks against a drill: a pair that is not whole."""
    if service.promoted is not None and service.node is None:
        yield Obstacle(f"{service.promoted} does not serve all of it", "see: twinsan status")
    for replication in facts.replication or ():
        if replication.drbd == service.drbd and replication.ailment:
            yield obstacles.split(replication.ailment)
    for each in facts.cluster.constraints if facts.cluster else ():
        if each.kind in ("move", "ban") and each.resource in service.names:
            yield Obstacle(
                f"the constraint {each.id} of an earlier move is left",
                f"crm_resource --resource {each.resource} --clear",
            )


def _seconds(facts: Facts, service: Service) -> float | None:
    """About how long a switchover takes: a plan, and twice what the start of each took last, for stop and start."""
    took = {
        each.resource: each.action_seconds
        for each in (facts.cluster.instances if facts.cluster else ())
        if each.node == service.promoted and each.role in ("Promoted", "Started")
    }
    # LUNs start side by side, and so do addresses.
    parts = [[service.replica], list(service.luns), list(service.portals)]
    longest = [max((took.get(name) or 0.0 for name in names), default=0.0) for names in parts]
    return round(_PLAN + 2 * sum(longest), 1) if all(longest) else None
