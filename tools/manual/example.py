# SPDX-License-Identifier: GPL-2.0-or-later
"""The example of a manual page: the commands that create a resource of the shipped configuration.

The commands of all pages together create the configuration of the template, without fencing and the cluster's
properties. The commands of a page are one change of the configuration, so that no resource starts before its
constraints exist.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

# The longest line, in characters, so that a page fits a terminal of 80 columns.
_WIDTH = 58

# The lines before and after the commands of one change.
_CRM = (["crm configure <<'END'"], ["commit", "END"])
_PCS = (
    ["pcs cluster cib before.xml", "cp before.xml after.xml"],
    ["pcs cluster cib-push after.xml diff-against=before.xml"],
)


class Example:
    """The resource of an agent in a configuration, with its clone or group and their constraints."""

    def __init__(self, configuration: Element, primitive: Element) -> None:
        self.name = primitive.get("id", "")
        self._primitive = primitive
        self._agent = ":".join(primitive.get(part, "") for part in ("class", "provider", "type"))
        self._clone = next(_parents(configuration, "clone", primitive), None)
        self._group = next(_parents(configuration, "group", primitive), None)
        members = self._group.findall("primitive") if self._group is not None else []
        self._opens_group = primitive in members[:1]
        # A constraint stands on the page of the later one of the two that it is about.
        outer = [each.get("id", "") for each in configuration.findall("configuration/resources/*")]
        holder = next((each for each in (self._clone, self._group) if each is not None), primitive).get("id", "")
        known = set(outer[: outer.index(holder) + 1]) if self._group is None or self._opens_group else set()
        self._order = [
            each for each in configuration.iter("rsc_order") if _is_about(each, "first", "then", holder, known)
        ]
        self._colocation = [
            each for each in configuration.iter("rsc_colocation") if _is_about(each, "rsc", "with-rsc", holder, known)
        ]

    @property
    def parameters(self) -> list[str]:
        """The parameters as NAME=VALUE words."""
        return _pairs(self._primitive, "instance_attributes")

    def has(self, operation: str) -> bool:
        """Whether the resource has an operation, written as in crmsh and pcs."""
        return operation in (" ".join(words) for words in _operations(self._primitive))

    def crmsh(self) -> list[str]:
        """Return the lines to type for crmsh."""
        return [*_CRM[0], *self._crm(), *_CRM[1]]

    def pcs(self) -> list[str]:
        """Return the lines to type for pcs."""
        return [*_PCS[0], *self._pcs(), *_PCS[1]]

    def _crm(self) -> Iterator[str]:
        meta = _pairs(self._primitive, "meta_attributes")
        yield from _continued(
            f"primitive {self.name} {self._agent}",
            *_folded("params", self.parameters),
            *(f"op {' '.join(words)}" for words in _operations(self._primitive)),
            *([f"meta {' '.join(meta)}"] if meta else []),
        )
        if self._clone is not None:
            meta = _pairs(self._clone, "meta_attributes")
            yield from _continued(f"clone {self._clone.get('id')} {self.name}", *_folded("meta", meta))
        if self._group is not None and self._opens_group:
            meta = _pairs(self._group, "meta_attributes")
            yield from _continued(f"group {self._group.get('id')} {self.name}", *_folded("meta", meta))
        elif self._group is not None:
            yield f"modgroup {self._group.get('id')} add {self.name}"
        for order in self._order:
            sides = (":".join(_said(order, side, f"{side}-action")) for side in ("first", "then"))
            yield f"order {order.get('id')} {order.get('kind')}: {' '.join(sides)}"
        for place in self._colocation:
            score = place.get("score", "").replace("INFINITY", "inf")
            sides = (":".join(_said(place, side, f"{side}-role")) for side in ("rsc", "with-rsc"))
            yield f"colocation {place.get('id')} {score}: {' '.join(sides)}"

    def _pcs(self) -> Iterator[str]:
        pcs = "pcs -f after.xml"
        meta = _pairs(self._primitive, "meta_attributes")
        operations = [" ".join(words) for words in _operations(self._primitive)]
        yield from _continued(
            f"{pcs} resource create {self.name} {self._agent}",
            *_folded("", self.parameters),
            f"op {operations[0]}",
            *(f"   {operation}" for operation in operations[1:]),
            *([f"meta {' '.join(meta)}"] if meta else []),
        )
        if self._clone is not None:
            meta = _pairs(self._clone, "meta_attributes")
            verb = "promotable" if "promotable=true" in meta else "clone"
            meta = [pair for pair in meta if not pair.startswith("promotable=")]
            clone = f"{pcs} resource {verb} {self.name} {self._clone.get('id')}"
            yield from _continued(clone, *_folded("meta", meta))
        if self._group is not None:
            yield f"{pcs} resource group add {self._group.get('id')} {self.name}"
            if self._opens_group:
                meta = _pairs(self._group, "meta_attributes")
                yield from _continued(f"{pcs} resource meta {self._group.get('id')}", *_folded("", meta))
        for order in self._order:
            first, then = (" ".join(_said(order, f"{side}-action", side)) for side in ("first", "then"))
            last = f"kind={order.get('kind')} id={order.get('id')}"
            yield from _continued(f"{pcs} constraint order {first} then {then}", last)
        for place in self._colocation:
            one, other = (" ".join(_said(place, f"{side}-role", side)) for side in ("rsc", "with-rsc"))
            last = f"score={place.get('score')} id={place.get('id')}"
            yield from _continued(f"{pcs} constraint colocation add {one} with {other}", last)


def of(template: str, provider: str, agent: str) -> Example | None:
    """Return the first resource of an agent in the file `template`; None if it has none."""
    from xml.etree import ElementTree as ET

    configuration = ET.parse(template).getroot()  # noqa: S314  the page's own template
    for primitive in configuration.iter("primitive"):
        if (primitive.get("provider"), primitive.get("type")) == (provider, agent):
            return Example(configuration, primitive)
    return None


def _parents(configuration: Element, tag: str, child: Element) -> Iterator[Element]:
    return (parent for parent in configuration.iter(tag) if child in list(parent))


def _is_about(constraint: Element, one: str, other: str, holder: str, known: set[str]) -> bool:
    """Whether a constraint, between the resources that its attributes `one` and `other` name, is about `holder` and a
    `known` resource.
    """
    sides = {constraint.get(one), constraint.get(other)}
    return holder in sides and sides <= known


def _said(constraint: Element, *attributes: str) -> list[str]:
    """The values of those of the attributes that a constraint has."""
    return [value for value in map(constraint.get, attributes) if value]


def _pairs(element: Element, what: str) -> list[str]:
    found = ((pair.get("name", ""), pair.get("value", "")) for pair in element.findall(f"{what}/nvpair"))
    return [f'{name}="{value}"' if " " in value else f"{name}={value}" for name, value in found]


def _operations(primitive: Element) -> Iterator[list[str]]:
    """Yield the words of each operation. An interval of 0 is left out."""
    for operation in primitive.iter("op"):
        said = ((name, operation.get(name, "")) for name in ("interval", "timeout", "role"))
        words = [f"{name}={value}" for name, value in said if value not in ("", "0s")]
        yield [operation.get("name", ""), *words, *_pairs(operation, "instance_attributes")]


def _folded(word: str, pairs: list[str]) -> list[str]:
    """Return `word` and `pairs` in as many lines as they need, the pairs aligned."""
    lines = [word]
    for pair in pairs:
        if len(lines[-1]) + len(pair) > _WIDTH:
            lines.append(" " * len(word))
        lines[-1] += f" {pair}" if lines[-1] else pair
    return lines


def _continued(first: str, *more: str) -> Iterator[str]:
    """Yield a command over several lines, with a backslash at the end of each but the last."""
    lines = [first, *(f"    {line}" for line in more)]
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]
