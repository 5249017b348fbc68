# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``twinsan status`` says: the facts, and what follows from them."""

from __future__ import annotations

from twinsan.operate.facts.fact import Record, fact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.facts.shape import Facts


class Obstacle(Record):
    """Something that would keep a node from serving, or that is not known of it."""

    because: str = fact("what it is")
    type: str = fact("what to type about it; empty if nothing can be typed")


class Prediction(Record):
    """What would happen to a service if the node that serves it died now."""

    drbd: str = fact("the DRBD resource of the service")
    node: str | None = fact("the node that serves it now; null for nobody")
    other: str | None = fact("the node that would have to; null if there is none or several")
    would_serve: bool | None = fact("whether that node would serve; null if it is unknown")
    because: tuple[Obstacle, ...] = fact("why not, or what is unknown; empty if it would")
    seconds: float | None = fact("in about how long; null if it would not, or if the time cannot be told")
    at_least: bool = fact("whether some part of that time is not known, so that it will be longer")
    rests_on: tuple[str, ...] = fact("what the time is made of, in words")


class Finding(Record):
    """Something that is not well."""

    about: str = fact("the resource, node or subject")
    node: str | None = fact("where; null if it is about no node or several")
    what: str = fact("what is wrong")
    type: str = fact("what to type; empty if the reason does not say it")


class Status(Record):
    """What ``twinsan status --json`` prints."""

    verdict: str = fact("well, degraded, not served, or not seen; the exit status is 0, 3, 4 or 1")
    predictions: tuple[Prediction, ...] = fact("for each service, what would happen if the node that serves died now")
    findings: tuple[Finding, ...] = fact("everything that is not well")
    facts: Facts = fact("what was seen")
