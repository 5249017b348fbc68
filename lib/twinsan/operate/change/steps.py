# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a change: first what interrupts nothing, then all else at once, at last what has been stopped goes."""

from __future__ import annotations

from twinsan.operate.change import forecast
from twinsan.site import difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.deadline import Deadline
    from twinsan.operate.change.forecast import Forecast
    from twinsan.site.difference import Difference
    from twinsan.site.draft import Change
    from twinsan.site.model import Site


_HARMLESS = (forecast.NOTHING, forecast.STARTS)


def harmless(
    cib: _Element, site: Site, found: Difference, whole: Forecast, folder: str, deadline: Deadline
) -> _Element | None:
    """Return the configuration with all changes that interrupt nothing, if others interrupt something; None if there
    are none, or if the scheduler does not agree.
    """
    if whole.why_unknown or not (whole.interrupting or found.going):
        return None
    names = _harmless_names(whole.judge(found.changes))
    if not names:
        return None
    tree = difference.partly(cib, site, names)
    if difference.text(tree) == difference.text(cib):
        return None
    alone = forecast.Forecast(cib, tree).ask(folder, deadline)
    # What the cluster does nothing for need not come first.
    return None if alone.why_unknown or alone.interrupting or not alone.actions else tree


def _harmless_names(judged: dict[Change, str]) -> set[str]:
    """The parts of which no change interrupts, moves or removes anything. What is about a part of which one does comes
    with it, and what is new comes with all that is about it: no part starts without its constraints.
    """
    worse = {
        change.name
        for change, consequence in judged.items()
        if change.moves or (change.new is None and not change.attribute) or consequence not in _HARMLESS
    }
    new = {change.name for change in judged if change.old is None and not change.attribute}
    while True:
        more = {change.name for change in judged if change.about & worse}
        more |= {name for change in judged if change.name in worse for name in change.about & new}
        if more <= worse:
            break
        worse |= more
    return {change.name for change in judged} - worse
