# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of the cluster's configuration, written and read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element


def add(parent: _Element, tag: str, **attributes: str) -> _Element:
    """Add an element to `parent`, and return it. An underscore at the end of an attribute's name is left out, and one
    inside becomes a hyphen.
    """
    element = parent.makeelement(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    parent.append(element)
    return element


def pairs(parent: _Element, tag: str, identity: str, owner: str, values: dict[str, str]) -> None:
    """Add a set of names and values, unless there are none."""
    if values:
        inner = add(parent, tag, id=identity)
        for name, value in values.items():
            add(inner, "nvpair", id=f"{owner}-{name}", name=name, value=value)


def values(element: _Element, what: str) -> dict[str, str]:
    """Return the names and values of the set `what` in an element."""
    return {str(pair.get("name")): str(pair.get("value")) for pair in element.iterfind(f"{what}/nvpair")}


def attributes(element: _Element) -> dict[str, str]:
    """Return the attributes of an element, without its id."""
    return {str(name): str(value) for name, value in element.attrib.items() if name != "id"}


def part(element: _Element, path: str) -> _Element:
    """Return the element at `path`, which has to be there."""
    found = element.find(path)
    assert found is not None, path
    return found
