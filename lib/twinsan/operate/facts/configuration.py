# SPDX-License-Identifier: GPL-2.0-or-later
"""The CIB: the configuration of the cluster, and the status that it keeps of its nodes. Parses XML, runs nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from twinsan.cluster import values
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Values of target-role with which a resource serves nobody.
_NOT_SERVING = ("Stopped", "Unpromoted")

UNREADABLE = Reason(Failure, "the CIB cannot be read: {error}", "try: cibadmin --query")


class Primitive:
    """A primitive: its `id`, its `agent` such as ocf:twinsan:lio-lun, its `parameters`, its `meta` attributes with
    those that it inherits, and the ids of the groups and clones that it is `within`, the closest first.
    """

    def __init__(
        self,
        identifier: str,
        agent: str,
        parameters: dict[str, str],
        meta: dict[str, tuple[str, str]],
        within: list[str],
    ) -> None:
        self.id = identifier
        self.agent = agent
        self.parameters = parameters
        self.meta = {name: value for name, (value, _) in meta.items()}
        self._owners = {name: owner for name, (_, owner) in meta.items()}
        self.within = within

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a constraint may mean it."""
        return (self.id, *self.within)

    @property
    def enabling_command(self) -> str:
        """What to type if an administrator has it stopped or not managed; "" if that is not so."""
        holding = (
            ("target-role", values.role(self.meta.get("target-role", "Started")) in _NOT_SERVING),
            ("is-managed", not values.is_true(self.meta.get("is-managed", "true"))),
            ("maintenance", values.is_true(self.meta.get("maintenance", "false"))),
        )
        name = next((name for name, holds in holding if holds), "")
        return f"crm_resource --resource {self._owners[name]} --meta --delete-parameter {name}" if name else ""


class Configuration:
    """A CIB as `cibadmin --query` prints it. Raises Failure if that is no XML."""

    def __init__(self, text: str) -> None:
        try:
            self.root = ET.fromstring(text)  # noqa: S314  the cluster's own
        except ET.ParseError as error:
            raise UNREADABLE(error=error) from None
        self.primitives = list(self._primitives())
        self._parents = {child: parent for parent in self.root.iter() for child in parent}

    def option(self, name: str, default: str) -> str:
        """An option of the cluster. Of several sets the one that Pacemaker made itself counts first."""
        sets = self.root.findall("configuration/crm_config/cluster_property_set")
        sets.sort(key=lambda each: each.get("id") != "cib-bootstrap-options")
        return next((found[name] for found in map(_pairs, sets) if name in found), default)

    def of_agent(self, kind: str) -> list[Primitive]:
        """The primitives of one of our agents, such as lio-lun."""
        return [each for each in self.primitives if each.agent == f"ocf:twinsan:{kind}"]

    def find(self, identifier: str) -> Primitive | None:
        """The primitive with this id; None if there is none."""
        return next((each for each in self.primitives if each.id == identifier), None)

    def node_names(self) -> list[str]:
        """The names of the configured nodes."""
        return [node.get("uname", "") for node in self.root.findall("configuration/nodes/node")]

    def attributes(self) -> Iterator[tuple[str, str, str]]:
        """(node, name, value) of each node attribute in the status: promotion scores, failures."""
        for state in self.root.findall("status/node_state"):
            for pair in state.findall("transient_attributes/instance_attributes/nvpair"):
                yield state.get("uname", ""), pair.get("name", ""), pair.get("value", "")

    def history(self, node: str, resource: str) -> list[ET.Element]:
        """The last result of each operation of a resource on a node, as lrm_rsc_op."""
        found = []
        for state in self.root.findall("status/node_state"):
            if state.get("uname") == node:
                for entry in state.findall("lrm/lrm_resources/lrm_resource"):
                    if without_number(entry.get("id", "")) == resource:
                        found += entry.findall("lrm_rsc_op")
        return found

    def _primitives(self) -> Iterator[Primitive]:
        resources = self.root.find("configuration/resources")
        if resources is None:
            return
        defaults: dict[str, tuple[str, str]] = {}
        for each in self.root.findall("configuration/rsc_defaults/meta_attributes"):
            # Those with a rule may not hold; none of them matters here.
            if each.find("rule") is None:
                defaults.update({name: (value, "RESOURCE") for name, value in _pairs(each).items()})
        templates = {each.get("id", ""): each for each in resources.iter("template")}
        yield from self._below(resources, templates, defaults, [])

    def _below(
        self, place: ET.Element, templates: dict[str, ET.Element], meta: dict[str, tuple[str, str]], within: list[str]
    ) -> Iterator[Primitive]:
        for element in place:
            identifier = element.get("id", "")
            if element.tag in ("clone", "master", "group", "bundle"):
                yield from self._below(element, templates, {**meta, **_meta(element)}, [identifier, *within])
            elif element.tag == "primitive":
                template = templates.get(element.get("template", ""), element)
                words = (template.get("class"), template.get("provider"), template.get("type"))
                parameters = {**_sets(template, "instance_attributes"), **_sets(element, "instance_attributes")}
                whole = {**meta, **_meta(template), **_meta(element)}
                yield Primitive(identifier, ":".join(word for word in words if word), parameters, whole, within)


def _meta(element: ET.Element) -> dict[str, tuple[str, str]]:
    """The meta attributes that an element has itself, each with its id."""
    return {name: (value, element.get("id", "")) for name, value in _sets(element, "meta_attributes").items()}


def _sets(element: ET.Element, tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in element.findall(tag):
        found = {**_pairs(each), **found}
    return found


def _pairs(element: ET.Element) -> dict[str, str]:
    return {pair.get("name", ""): pair.get("value", "") for pair in element.findall("nvpair")}


def without_number(resource: str) -> str:
    """The name of a resource without the number of its instance: p_drbd for p_drbd:1."""
    name, colon, number = resource.rpartition(":")
    return name if colon and number.isdecimal() else resource
