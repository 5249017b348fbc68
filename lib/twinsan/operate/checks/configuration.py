# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration of the cluster as it is written, by whatever tool: resources with all that they inherit, options,
constraints.
"""

from __future__ import annotations

import re

from twinsan.cluster.values import role, score, seconds
from twinsan.errors import Failure, Reason
from twinsan.operate.checks.xml import etree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

NOT_XML = Reason(Failure, "{name} is no XML: {error}", "save one with: cibadmin --query >cib.xml")
NO_CIB = Reason(Failure, "{name} is no configuration of a cluster", "save one with: cibadmin --query >cib.xml")
NO_LXML = Reason(Failure, "lxml is not installed, and reads the XML", "install python3-lxml")

# What Pacemaker takes when an operation has no timeout of its own.
DEFAULT_TIMEOUT = 20.0

# Since 3.0.2 the options have other names, and the old ones still work.
_RENAMED = {
    "fencing-enabled": "stonith-enabled",
    "fencing-action": "stonith-action",
    "fencing-timeout": "stonith-timeout",
    "fencing-watchdog-timeout": "stonith-watchdog-timeout",
    "fencing-max-attempts": "stonith-max-attempts",
}


class Operation:
    """An operation of a resource, such as a monitor; its times are in seconds, `timeout` is None if none is given."""

    __slots__ = ("id", "interval", "name", "on_fail", "role", "timeout")

    def __init__(self, element: _Element, options: dict[str, str]) -> None:
        self.id = element.get("id", "")
        self.name = element.get("name", "")
        self.role = role(options.get("role", ""))
        self.interval = seconds(options.get("interval", "")) or 0.0
        self.timeout = seconds(options.get("timeout", ""))
        self.on_fail = options.get("on-fail", "")


class Resource:
    """A primitive, with the parameters, meta attributes and operations that it has itself or inherits. `clone` and
    `group` are the ids of what it is in, "" for none; `element` is its own.
    """

    __slots__ = ("agent", "clone", "element", "group", "id", "meta", "operations", "parameters")

    def __init__(self, element: _Element, agent: str, clone: str, group: str) -> None:
        self.element = element
        self.id = element.get("id", "")
        self.agent = agent
        self.clone = clone
        self.group = group
        self.parameters: dict[str, str] = {}
        self.meta: dict[str, str] = {}
        self.operations: list[Operation] = []

    @property
    def outer(self) -> str:
        """What constraints are about: the clone or the group that it is in, or the resource itself."""
        return self.clone or self.group or self.id

    @property
    def stonith(self) -> bool:
        """Whether it is a fence device."""
        return self.agent.startswith("stonith:")

    def timeout(self, name: str) -> float:
        """The time-out of an operation without an interval, in seconds."""
        given = [each.timeout for each in self.operations if each.name == name and each.timeout is not None]
        return given[0] if given else DEFAULT_TIMEOUT

    def monitors(self) -> list[Operation]:
        """The recurring monitors."""
        return [each for each in self.operations if each.name == "monitor" and each.interval > 0]


class Configuration:
    """A configuration: `resources` are the primitives in their order, `options` those of the cluster; `live` says
    whether it is that of a cluster which ran, and no template.
    """

    def __init__(self, cib: _Element) -> None:
        self.cib = cib
        found = cib if cib.tag == "configuration" else cib.find("configuration")
        assert found is not None
        self.element = found
        self._by_id = {
            str(each.get("id")): each for each in reversed(list(found.iter(etree.Element))) if each.get("id")
        }
        self.options = self._options()
        self.defaults = self._sets(found.findall("rsc_defaults/meta_attributes"))
        self._operation_defaults = self._sets(found.findall("op_defaults/meta_attributes"))
        self.resources = list(self._primitives())
        self.live = cib.find("status/node_state") is not None

    @classmethod
    def read(cls, text: bytes, name: str) -> Configuration:
        """Read XML. Raises Failure for what is no configuration."""
        if etree is None:
            raise NO_LXML()  # noqa: RSE102  a Reason, which makes the exception
        # Without blanks, of which an element that comes and goes leaves some.
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, remove_blank_text=True
        )
        try:
            root = etree.fromstring(text, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise NOT_XML(name=name, error=ascii(str(error))[1:-1][:200]) from None
        if root is None or (root.tag != "configuration" and (root.tag != "cib" or root.find("configuration") is None)):
            raise NO_CIB(name=name)
        return cls(root)

    def option(self, name: str, default: str = "") -> str:
        """An option of the cluster."""
        return self.options.get(name, default)

    def constraints(self, tag: str) -> list[_Element]:
        """The constraints of a kind: rsc_location, rsc_order, rsc_colocation."""
        return self.element.findall(f"constraints/{tag}")

    def container(self, identity: str) -> dict[str, str]:
        """The meta attributes of a clone or a group itself."""
        element = self._by_id.get(identity)
        return {} if element is None else self._sets(element.findall("meta_attributes"))

    def tag(self, identity: str) -> str:
        """What an id is of: primitive, group, clone, master; "" for none."""
        element = self._by_id.get(identity)
        return "" if element is None else str(element.tag)

    def nodes(self) -> list[str]:
        """The names of the nodes: those of the cluster, else those that the configuration mentions."""
        listed = [each.get("uname", "") for each in self.element.findall("nodes/node") if each.get("type") != "remote"]
        if not listed:
            listed = [each.get("uname", "") for each in self.cib.findall("status/node_state")]
        if not listed:
            for resource in self.resources:
                if resource.stonith:
                    listed += re.split(r"[\s,;]+", resource.parameters.get("pcmk_host_list", ""))
            listed += [each.get("node", "") for each in self.constraints("rsc_location")]
        return list(dict.fromkeys(name for name in listed if name))

    def node_attributes(self, node: str) -> dict[str, str]:
        """The permanent attributes of a node."""
        for element in self.element.findall("nodes/node"):
            if element.get("uname") == node:
                return self._sets(element.findall("instance_attributes"))
        return {}

    def _options(self) -> dict[str, str]:
        sets = self.element.findall("crm_config/cluster_property_set")
        # Of two sets with one option, the one that the cluster makes itself counts.
        sets.sort(key=lambda each: each.get("id") != "cib-bootstrap-options")
        found = self._sets(sets)
        return {_RENAMED.get(name, name): value for name, value in found.items()}

    def _primitives(self) -> Iterator[Resource]:
        for element in self.element.iterfind("resources//primitive"):
            clone = group = ""
            above = [each for each in element.iterancestors() if each.tag in ("clone", "master", "group")]
            for each in above:
                if each.tag == "group":
                    group = each.get("id", "")
                else:
                    clone = each.get("id", "")
            template = self._by_id.get(element.get("template", ""))
            sources = [element] if template is None else [element, template]
            resource = Resource(element, _agent(sources[-1]), clone, group)
            resource.parameters = self._sets(_of(sources, "instance_attributes"))
            resource.meta = {**self.defaults, **self._sets(_of([*sources, *above], "meta_attributes"))}
            resource.operations = list(self._operations(sources))
            yield resource

    def _operations(self, sources: list[_Element]) -> Iterator[Operation]:
        seen = set()
        for source in sources:
            for element in source.findall("operations/op"):
                options = {**self._operation_defaults, **self._sets(element.findall("meta_attributes"))}
                options.update({str(name): str(value) for name, value in element.attrib.items()})
                key = (options.get("name"), options.get("role"), options.get("interval"))
                if source is sources[0] or key not in seen:
                    yield Operation(element, options)
                seen.add(key)
        if "timeout" in self._operation_defaults:
            for name in ("start", "stop", "promote", "demote"):
                if not any(key[0] == name for key in seen):
                    element = sources[0].makeelement("op", {"name": name})
                    yield Operation(element, self._operation_defaults)

    def _sets(self, sets: list[_Element]) -> dict[str, str]:
        """The names and values of sets, of which the first counts; one with a higher score comes first."""
        found: dict[str, str] = {}
        for each in sorted(sets, key=lambda each: -score(each.get("score", "0"))):
            other = self._by_id.get(each.get("id-ref", ""))
            for pair in (each if other is None else other).findall("nvpair"):
                target = self._by_id.get(pair.get("id-ref", ""))
                name = pair.get("name") or (target.get("name") if target is not None else None)
                value = pair.get("value") if target is None else target.get("value")
                if name and value is not None:
                    found.setdefault(name, value)
        return found


def _of(sources: list[_Element], what: str) -> list[_Element]:
    return [each for source in sources for each in source.findall(what)]


def _agent(element: _Element) -> str:
    return ":".join(filter(None, (element.get("class"), element.get("provider"), element.get("type"))))
