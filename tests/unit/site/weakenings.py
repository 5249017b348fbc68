# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration with one thing weaker than it is: each constraint gone, and each value that matters for a plan.

A check that passes for all of them would prove nothing. What no plan shows is listed here with what shows it instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import NamedTuple

from lxml import etree

Change = Callable[[etree._Element], None]


class Weakening(NamedTuple):
    """What is weaker, in words; and the configuration."""

    name: str
    template: str


# Attributes of constraints and sets, with the value to put in place of theirs; None for no such attribute.
_ATTRIBUTES: dict[str, str | None] = {
    "kind": "Optional",
    "score": "0",
    "first-action": None,
    "then-action": None,
    "rsc-role": None,
    "with-rsc-role": None,
    "role": None,
    "action": None,
    "sequential": None,
}
_META: dict[str, str | None] = {
    "promotable": "false",
    "promoted-max": "2",
    "clone-max": "1",
    "clone-node-max": "2",
    "interleave": "false",
    "notify": "true",
    "priority": None,
    "resource-stickiness": None,
    "migration-threshold": None,
    "failure-timeout": None,
}


def of_template(template: str) -> Iterator[Weakening]:
    """Each way to weaken a configuration in one place."""
    root = etree.fromstring(template.encode())
    for name, change in _changes(root):
        tree = deepcopy(root)
        change(tree)
        yield Weakening(name, etree.tostring(tree, encoding="unicode"))


def _changes(root: etree._Element) -> Iterator[tuple[str, Change]]:
    for constraint in root.iterfind(".//constraints/*"):
        yield f"without {constraint.get('id')}", _removes(constraint)
        for element in constraint.iter("*"):
            yield from _of_attributes(element)
            if element.tag == "resource_ref":
                yield f"{_id(element.getparent())} without {element.get('id')}", _removes_reference(element)
    for pair in root.iterfind(".//meta_attributes/nvpair"):
        yield _of_value(pair, _META[str(pair.get("name"))])
    for pair in root.iterfind(".//crm_config//nvpair"):
        yield _of_value(pair, None)
    for operation in root.iterfind(".//op[@name='monitor']"):
        yield f"without {operation.get('id')}", _removes(operation)
        if operation.get("role"):
            yield f"{operation.get('id')} without role", _sets(operation, "role", None)
    for device in root.iterfind(".//primitive[@class='stonith']"):
        yield f"without {device.get('id')}", _removes_device(device)
    for group in root.iter("group"):
        yield f"{group.get('id')} upside down", _turns(group)


def _id(element: etree._Element | None) -> str:
    return "" if element is None else str(element.get("id"))


def _of_attributes(element: etree._Element) -> Iterator[tuple[str, Change]]:
    for name, weaker in _ATTRIBUTES.items():
        if element.get(name) is not None:
            words = f"without {name}" if weaker is None else f"with {name}={weaker}"
            yield f"{element.get('id')} {words}", _sets(element, name, weaker)
            # A score that is required would be too much, as well as one that is nothing.
            if name == "score" and "INFINITY" not in str(element.get(name)):
                yield f"{element.get('id')} with {name}=INFINITY", _sets(element, name, "INFINITY")


def _of_value(pair: etree._Element, weaker: str | None) -> tuple[str, Change]:
    if weaker is None:
        return f"without {pair.get('id')}", _removes(pair)
    return f"{pair.get('id')}={weaker}", _sets(pair, "value", weaker)


def _find(tree: etree._Element, like: etree._Element) -> etree._Element:
    return next(each for each in tree.iter(like.tag) if each.get("id") == like.get("id"))


def _remove(element: etree._Element) -> None:
    """Remove an element, and what would be empty without it."""
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
    if len(parent) == 0 and parent.tag in ("meta_attributes", "resource_set"):
        _remove(parent)


def _removes(element: etree._Element) -> Change:
    return lambda tree: _remove(_find(tree, element))


def _removes_reference(reference: etree._Element) -> Change:
    holder = reference.getparent()
    assert holder is not None

    def change(tree: etree._Element) -> None:
        _remove(next(each for each in _find(tree, holder) if each.get("id") == reference.get("id")))

    return change


def _removes_device(device: etree._Element) -> Change:
    """With its constraint, which would name nothing."""

    def change(tree: etree._Element) -> None:
        for constraint in tree.findall(f".//constraints/*[@rsc='{device.get('id')}']"):
            _remove(constraint)
        _remove(_find(tree, device))

    return change


def _sets(element: etree._Element, name: str, value: str | None) -> Change:
    def change(tree: etree._Element) -> None:
        found = _find(tree, element)
        if value is None:
            del found.attrib[name]
        else:
            found.set(name, value)

    return change


def _turns(group: etree._Element) -> Change:
    def change(tree: etree._Element) -> None:
        found = _find(tree, group)
        for primitive in reversed(found.findall("primitive")):
            found.append(primitive)

    return change
