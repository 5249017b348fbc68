# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads of a status: headlines and sections. `screen` and `page` show the same view."""

from __future__ import annotations

from twinsan.operate.display import inventory, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.display.inventory import Section
    from twinsan.operate.facts.shape import Facts, Service
    from twinsan.operate.verdict.report import Prediction, Status

GOOD, UNSURE, BAD = "good", "unsure", "bad"


class Headline:
    """One of the lines that matter most: its `level`, the `text`, and `details` below it."""

    __slots__ = ("details", "level", "text")

    def __init__(self, level: str, text: str, details: tuple[str, ...] = ()) -> None:
        self.level = level
        self.text = text
        self.details = details


class View:
    """The `title`, the `headlines`, what is not well (what, where and what to type), the `sections`, and what was not
    seen.
    """

    __slots__ = ("headlines", "ills", "sections", "title", "unseen")

    def __init__(self, status: Status) -> None:
        facts = status.facts
        self.title = f"twinsan status on {facts.node}, {words.clock(facts.at)}"
        self.headlines = [line for each in status.predictions for line in _headlines(facts, each)] or [_nothing(facts)]
        self.ills = [(each.what, _place(each.about, each.node), each.type) for each in status.findings]
        self.sections: list[Section] = inventory.sections(facts)
        self.unseen = [(each.what, each.because) for each in facts.not_seen]


def _place(about: str, node: str | None) -> str:
    return about if node in (None, about) else f"{about} on {node}"


def _nothing(facts: Facts) -> Headline:
    if facts.cluster is not None:
        return Headline(BAD, "Nothing is served: the cluster has no drbd-vaai.")
    shown = [each for each in facts.targets if each.enabled and any(portal.here for portal in each.portals)]
    if shown:
        text = f"{facts.node} serves {' '.join(each.target for each in shown)}; the cluster could not be seen."
        return Headline(UNSURE, text)
    return Headline(BAD, "Who serves could not be seen.")


def _headlines(facts: Facts, prediction: Prediction) -> list[Headline]:
    service = next(each for each in facts.services if each.drbd == prediction.drbd)
    return [_who(facts, service), *_what_if(prediction)]


def _who(facts: Facts, service: Service) -> Headline:
    on = f" on {' '.join(service.addresses)}" if service.addresses else ""
    if facts.cluster is None:
        return Headline(UNSURE, f"Who serves {service.drbd} could not be seen.")
    if service.node is None:
        where = f"; its replica is promoted on {service.promoted}" if service.promoted else ""
        return Headline(BAD, f"NOBODY SERVES {service.drbd}{on}{where}.")
    since = f" for {words.duration(facts.at - service.since)}" if service.since is not None else ""
    return Headline(GOOD, f"{service.node} serves {service.drbd}{on}{since}.")


def _what_if(prediction: Prediction) -> list[Headline]:
    if prediction.node is None:
        return []
    died = f"If {prediction.node} died now, "
    reasons = tuple(f"{each.because}{f'; {each.type}' if each.type else ''}" for each in prediction.because)
    if prediction.would_serve is None:
        return [Headline(UNSURE, f"{died}it is UNKNOWN whether {prediction.other} would serve.", reasons)]
    if not prediction.would_serve:
        return [Headline(BAD, f"{died}{prediction.other or 'nobody'} WOULD NOT SERVE.", reasons)]
    rests = (f"{', '.join(prediction.rests_on)}; actions as they took last",) if prediction.rests_on else ()
    return [Headline(GOOD, f"{died}{prediction.other} would serve{_about(prediction)}.", rests)]


def _about(prediction: Prediction) -> str:
    if prediction.seconds is None:
        return ""
    return f" in {'at least' if prediction.at_least else 'about'} {words.duration(prediction.seconds)}"
