# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy of a cluster's configuration that is changed, with a list of what was changed."""

from __future__ import annotations

from copy import deepcopy

from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lxml.etree import _Element

_REFERENCES = ("resource_ref", "obj_ref")

# What is shown in place of a secret.
HIDDEN = "(secret)"

CLASH = Reason(
    Failure,
    "the site has {name} as {wanted}, and in the cluster {name} is {present}, which is not twinsan's",
    "rename or remove that one first: crm configure rename {name} NAME",
)


class Change:
    """A change of the part `name`: a resource, what holds it, a constraint, or the options of the cluster. `sign` is +
    for what is new, - for what goes, ~ for another value. `attribute` is "" for the whole part. `about` has the names
    of the resources that it concerns. `moves` says that it is more than a value of a part that stays where it is.
    """

    __slots__ = ("about", "attribute", "moves", "name", "new", "old", "sign")

    def __init__(
        self,
        name: str,
        attribute: str,
        old: str | None,
        new: str | None,
        *,
        about: Iterable[str] = (),
        moves: bool = False,
    ) -> None:
        self.name = name
        self.attribute = attribute
        self.old = old
        self.new = new
        self.sign = "+" if old is None else "-" if new is None else "~"
        self.about = frozenset(about) or frozenset([name])
        self.moves = moves


class Draft:
    """A copy of the configuration `cib`. With `only`, no part but those with these names may be changed."""

    def __init__(self, cib: _Element, only: Collection[str] | None = None) -> None:
        self.cib = deepcopy(cib)
        self.changes: list[Change] = []
        self._only = only
        configuration = self.cib.find("configuration")
        self._configuration = configuration if configuration is not None else self._add(self.cib, "configuration")
        # The id of a reference is that of another element.
        self.elements = {
            str(each.get("id")): each
            for each in self._configuration.iter("*")
            if each.get("id") and each.tag not in _REFERENCES
        }
        self.templates = {str(each.get("id")): each for each in self._configuration.iterfind("resources/template")}

    def may(self, name: str) -> bool:
        """Whether a part may be changed."""
        return self._only is None or name in self._only

    def section(self, name: str) -> _Element:
        """Return a section of the configuration, which is made if there is none."""
        found = self._configuration.find(name)
        return found if found is not None else self._add(self._configuration, name)

    def add(self, parent: _Element, element: _Element, position: int | None = None) -> _Element:
        """Put a copy of an element into `parent`, and return it. Ids in it that others have are changed, except its
        own, which nobody else may have.
        """
        new = deepcopy(element)
        for each in new.iter("*"):
            if each.get("id") and each.tag not in _REFERENCES:
                self._name(each)
        parent.insert(len(parent) if position is None else position, new)
        return new

    def make(self, parent: _Element, tag: str, identity: str, **attributes: str) -> _Element:
        """Put a new element into `parent`, and return it. If another one has that id, it gets another one."""
        new = parent.makeelement(tag, {"id": identity, **attributes})
        self._name(new)
        parent.append(new)
        return new

    def drop(self, element: _Element) -> None:
        """Take an element away, with all in it."""
        for each in element.iter("*"):
            identity = str(each.get("id"))
            if self.elements.get(identity) is each:
                del self.elements[identity]
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)

    def note(
        self,
        name: str,
        attribute: str,
        old: str | None,
        new: str | None,
        *,
        about: Iterable[str] = (),
        moves: bool = False,
    ) -> None:
        """Note a change."""
        self.changes.append(Change(name, attribute, old, new, about=about, moves=moves))

    def _name(self, element: _Element) -> None:
        """Give a new element an id that no other one has."""
        wanted = identity = str(element.get("id"))
        number = 1
        while identity in self.elements:
            number += 1
            identity = f"{wanted}-{number}"
        element.set("id", identity)
        self.elements[identity] = element

    @staticmethod
    def _add(parent: _Element, tag: str) -> _Element:
        new = parent.makeelement(tag, {})
        parent.append(new)
        return new
