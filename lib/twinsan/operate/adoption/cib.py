# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's configuration, as far as it says what serves: resources with their values, and constraints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from twinsan.errors import Misconfigured, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NO_XML = Reason(Misconfigured, "{source} is no XML: {error}", "save it with: cibadmin --query >cib.xml")
NO_CIB = Reason(Misconfigured, "{source} is no configuration of a cluster", "save it with: cibadmin --query >cib.xml")

# What a resource may stand in.
_HOLDERS = ("group", "clone", "master")
_CONSTRAINTS = ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")

# The property that switches fencing off, by its older and its newer name; and how.
FENCING = ("stonith-enabled", "fencing-enabled")
_OFF = ("false", "no", "off", "0", "n")

# The attributes of a constraint that name a resource.
_NAMING = ("rsc", "with-rsc", "first", "then")


@dataclass(frozen=True)
class Primitive:
    """A resource: its agent as CLASS:PROVIDER:TYPE; its parameters and meta attributes, with those of its template,
    group and clone; and what it stands in, from the outermost on. `conditional` says whether a rule decides on a value.
    """

    name: str
    agent: str
    values: dict[str, str]
    meta: dict[str, str]
    inside: tuple[str, ...]
    conditional: bool

    @property
    def top(self) -> str:
        """The name of the outermost of its clones and groups; its own if it stands alone."""
        return self.inside[0] if self.inside else self.name

    @property
    def kind(self) -> str:
        """Its agent's type, as in IPaddr2."""
        return self.agent.rpartition(":")[2]


@dataclass(frozen=True)
class Constraint:
    """A constraint: its element's name, its id, and the resources that it names."""

    tag: str
    name: str
    resources: frozenset[str]


class Cib:
    """A configuration. Raises Misconfigured for what is none; `source` is its name for that."""

    def __init__(self, text: str, source: str) -> None:
        try:
            # A file of the administrator's own. What is no plain XML is refused, before it could expand.
            root = None if "<!DOCTYPE" in text else ET.fromstring(text)  # noqa: S314
        except (ET.ParseError, ValueError, RecursionError) as error:
            raise NO_XML(source=source, error=error) from None
        found = None if root is None else root if root.tag == "configuration" else root.find("configuration")
        if found is None or found.find("resources") is None:
            raise NO_CIB(source=source)
        self._root = found
        # Of the schema, as (3, 7); (0, 0) if it is not known.
        version = (
            re.fullmatch(r"pacemaker-(\d{1,3})\.(\d{1,3})", root.get("validate-with", "")) if root is not None else None
        )
        self.schema = (int(version[1]), int(version[2])) if version else (0, 0)
        self._by_id = {element.get("id", ""): element for element in found.iter() if element.get("id")}
        self.primitives = list(self._primitives())
        self.nodes = [str(node.get("uname") or node.get("id", "")) for node in found.iterfind("nodes/node")]
        self.properties = self._pairs(found.findall("crm_config/cluster_property_set"))[0]
        self.constraints = [
            Constraint(element.tag, element.get("id", ""), frozenset(_named(element)))
            for element in found.iterfind("constraints/*")
            if element.tag in _CONSTRAINTS
        ]
        # Outermost resources, with the names of their elements.
        self.tops = {element.get("id", ""): element.tag for element in found.iterfind("resources/*")}
        self.ids = set(self._by_id)

    def of(self, *agents: str) -> list[Primitive]:
        """Return the resources of these agents."""
        return [each for each in self.primitives if each.agent in agents]

    def options(self, names: Iterable[str], but_of: str) -> list[str]:
        """Return the ids of the cluster's properties of these names, in all sets but the one called `but_of`."""
        sets = [each for each in self._root.iterfind("crm_config/cluster_property_set") if each.get("id") != but_of]
        pairs = [pair for given in sets for pair in given.iterfind("nvpair") if pair.get("name", "") in names]
        return [pair.get("id", "") for pair in pairs]

    @property
    def is_fencing_off(self) -> bool:
        """Whether the cluster fences nobody."""
        return any(self.properties.get(name, "true").lower() in _OFF for name in FENCING)

    def linked(self, name: str) -> set[str]:
        """Return the outermost resources that constraints tie to the resource `name`, directly or by others; itself
        among them.
        """
        tops = {part: each.top for each in self.primitives for part in (each.name, *each.inside)}
        edges = [
            {tops.get(resource, resource) for resource in each.resources}
            for each in self.constraints
            if each.tag != "rsc_location"
        ]
        found, size = {tops.get(name, name)}, 0
        while len(found) != size:
            size = len(found)
            found |= {other for edge in edges if edge & found for other in edge}
        return found

    def constraints_of(self, resources: set[str]) -> list[Constraint]:
        """Return the constraints that name one of these resources."""
        return [each for each in self.constraints if each.resources & resources]

    def _primitives(self) -> Iterator[Primitive]:
        resources = self._root.find("resources")
        for element in [] if resources is None else resources:
            yield from self._below(element, ())

    def _below(self, element: ET.Element, around: tuple[ET.Element, ...]) -> Iterator[Primitive]:
        if element.tag == "primitive":
            yield self._primitive(element, around)
        elif element.tag in _HOLDERS and len(around) < len(_HOLDERS):
            for inner in element:
                yield from self._below(inner, (*around, element))

    def _primitive(self, element: ET.Element, around: tuple[ET.Element, ...]) -> Primitive:
        template = self._by_id.get(element.get("template", ""), element)
        agent = ":".join(
            part for key in ("class", "provider", "type") for part in [element.get(key) or template.get(key)] if part
        )
        # The nearest value wins, and of several sets the first one.
        layers = [element, template, *reversed(around)]
        values, ruled = self._pairs([each for layer in layers for each in layer.findall("instance_attributes")])
        meta, _ = self._pairs([each for layer in layers for each in layer.findall("meta_attributes")])
        inside = tuple(each.get("id", "") for each in around)
        return Primitive(element.get("id", ""), agent, values, meta, inside, ruled)

    def _pairs(self, sets: list[ET.Element]) -> tuple[dict[str, str], bool]:
        """Return the names and values in sets, the first one of each name, and whether a rule decides on some."""
        found: dict[str, str] = {}
        holders = [self._by_id.get(given.get("id-ref", ""), given) for given in sets]
        ruled = [holder for holder in holders if holder.find("rule") is not None]
        # What a rule decides on counts where nothing else does.
        for holder in [*(each for each in holders if each not in ruled), *ruled]:
            for pair in holder.findall("nvpair"):
                source = self._by_id.get(pair.get("id-ref", ""), pair)
                name = pair.get("name") or source.get("name")
                if name:
                    found.setdefault(name, source.get("value", ""))
        return found, bool(ruled)


def _named(constraint: ET.Element) -> Iterator[str]:
    """The resources that a constraint names, in itself or in its sets."""
    yield from (constraint.get(key, "") for key in _NAMING if constraint.get(key))
    yield from (reference.get("id", "") for reference in constraint.iter("resource_ref"))
