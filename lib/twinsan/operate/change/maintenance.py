# SPDX-License-Identifier: GPL-2.0-or-later
"""Maintenance mode for a moment: the cluster leaves all resources alone, and it stays known that twinsan has set it.

What is set and the sign of it are one change of the configuration, so that neither is there without the other, whatever
interrupts the command, and on whichever node it is typed again. An operator's own maintenance mode is left as it is.
"""

from __future__ import annotations

from copy import deepcopy

from twinsan.cluster import cib as cluster_cib
from twinsan.cluster import patch, values
from twinsan.site import difference, elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element

    from twinsan.deadline import Deadline

# Our own set of options. Its presence says that the maintenance mode is ours.
SET = "twinsan-maintenance"
_MODE = "maintenance-mode"
# What an option said before that has to be changed; where there was none, the set has the option itself.
_WAS = "twinsan-maintenance-was"
# The set that Pacemaker reads first.
_FIRST = "cib-bootstrap-options"

# For the hand of the operator, if it cannot be ended.
END = f"cibadmin --delete --xml-text '<cluster_property_set id=\"{SET}\"/>'; crm_attribute --name {_MODE} --delete"


def is_ours(cib: _Element) -> bool:
    """Whether there is a maintenance mode in a configuration that twinsan has set, or the rest of one."""
    return _own(cib) is not None


def begin(folder: str, deadline: Deadline) -> bool:
    """Set it. Returns whether it is ours, to be ended. `folder` is one that only this user can read. Raises Failure."""
    ours: list[bool] = []

    def change(cib: _Element) -> bool:
        present = _present(cib)
        is_set = present is not None and values.is_true(present.get("value"))
        ours.append(_own(cib) is not None or not is_set)
        if is_set:
            return False
        own = _own(cib)
        if own is not None:
            # Somebody has ended it by hand.
            _drop(own)
            present = _present(cib)
        section = elements.part(cib, "configuration/crm_config")
        new = section.makeelement("cluster_property_set", {"id": SET})
        section.append(new)
        option = {"id": f"{SET}-option", "name": _MODE, "value": "true"}
        if present is not None:
            option.update(name=_WAS, value=str(present.get("value")))
            present.set("value", "true")
        new.append(new.makeelement("nvpair", option))
        return True

    _change(folder, change, deadline)
    return ours[-1]


def end(folder: str, deadline: Deadline) -> None:
    """End the one that is ours, and restore what was there before. Raises Failure."""
    _change(folder, _restore, deadline)


def without(cib: _Element) -> _Element:
    """Return a configuration as it is when the one that is ours has ended."""
    copied = deepcopy(cib)
    _restore(copied)
    return copied


def _restore(cib: _Element) -> bool:
    """Change a configuration. Returns whether there was anything to change."""
    own = _own(cib)
    if own is None:
        return False
    was = own.find(f"nvpair[@name='{_WAS}']")
    _drop(own)
    present = _present(cib)
    if was is not None and present is not None:
        present.set("value", str(was.get("value")))
    return True


def _own(cib: _Element) -> _Element | None:
    return cib.find(f"configuration/crm_config/cluster_property_set[@id='{SET}']")


def _present(cib: _Element) -> _Element | None:
    """The option that counts, of all sets."""
    found = cib.iterfind("configuration/crm_config/cluster_property_set")
    sets = sorted(found, key=lambda each: each.get("id") != _FIRST)
    return next((pair for each in sets for pair in each.iterfind("nvpair") if pair.get("name") == _MODE), None)


def _drop(element: _Element) -> None:
    elements.part(element, "..").remove(element)


def _change(folder: str, change: Callable[[_Element], bool], deadline: Deadline) -> None:
    """Change the configuration as it is, also if somebody else changes it at the same time."""
    while True:
        cib = difference.parse(cluster_cib.query(deadline))
        before = difference.text(cib)
        if not change(cib):
            return
        try:
            patch.apply(folder, before, difference.text(cib), deadline)
        except patch.ChangedMeanwhile:
            if deadline.expired():
                raise
        else:
            return
