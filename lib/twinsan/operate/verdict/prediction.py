# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether another node would serve if the one that serves died now, and in about how long. From the facts alone.

What would keep it from that is an `Obstacle` (module `obstacles`). What is not known of it makes the answer
unknown, never yes: a standby that has told nothing may have any fault.
"""

from __future__ import annotations

from twinsan.operate.verdict import obstacles, takeover_time
from twinsan.operate.verdict.report import Obstacle, Prediction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.facts.shape import Facts, Service
    from twinsan.operate.verdict.obstacles import Case

_NOT_SEEN = Obstacle("the cluster could not be seen", "see below what could not be seen, and why")
_NOBODY = Obstacle("nobody serves it now", "see below what is wrong, and: crm_mon -1")
_ALONE = Obstacle("the cluster has no other node for it", "see: crm_mon -1")


def of(facts: Facts) -> tuple[Prediction, ...]:
    """Return the prediction for each service."""
    return tuple(_of_service(facts, service) for service in facts.services)


def _of_service(facts: Facts, service: Service) -> Prediction:
    if facts.cluster is None:
        return Prediction(service.drbd, None, None, None, (_NOT_SEEN,), None, at_least=False, rests_on=())
    server = service.promoted
    if server is None:
        return Prediction(service.drbd, None, None, None, (_NOBODY,), None, at_least=False, rests_on=())
    others = [node.name for node in facts.cluster.nodes if node.name != server]
    answers = [_of_case(obstacles.Case(facts, facts.cluster, service, server, other)) for other in others]
    if not answers:
        return Prediction(service.drbd, server, None, False, (_ALONE,), None, at_least=False, rests_on=())
    # Of several other nodes, the one that would; or else the one of which most is unknown.
    return min(answers, key=lambda each: (each.would_serve is not True, each.would_serve is False, len(each.because)))


def _of_case(case: Case) -> Prediction:
    blocking, unknown = obstacles.find(case)
    would_serve = False if blocking else None if unknown else True
    time = takeover_time.estimate(case) if would_serve else None
    return Prediction(
        drbd=case.service.drbd,
        node=case.server,
        other=case.other,
        would_serve=would_serve,
        because=(*blocking, *unknown),
        seconds=round(time.seconds, 1) if time is not None else None,
        at_least=time is not None and time.at_least,
        rests_on=time.parts if time is not None else (),
    )
