# SPDX-License-Identifier: GPL-2.0-or-later
"""Small changes of a shipped template, each of which seeds a fault."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from tests.unit import agents

TEMPLATES = agents.ROOT / "cib-templates"

Change = Callable[[etree._Element], None]


def changed(template: str, *changes: Change) -> bytes:
    """A shipped template with changes."""
    root = etree.parse(str(TEMPLATES / f"{template}.xml")).getroot()
    for change in changes:
        change(root)
    return etree.tostring(root)


def _all(root: etree._Element, path: str) -> list[etree._Element]:
    found = root.findall(f".//{path}")
    assert found, path
    return found


def remove(path: str) -> Change:
    """Take elements away."""

    def change(root: etree._Element) -> None:
        for element in _all(root, path):
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)

    return change


def give(path: str, **attributes: str) -> Change:
    """Give elements other attributes."""

    def change(root: etree._Element) -> None:
        for element in _all(root, path):
            for name, value in attributes.items():
                element.set(name.replace("_", "-"), value)

    return change


def add(path: str, xml: str) -> Change:
    """Add an element to another one."""

    def change(root: etree._Element) -> None:
        _all(root, path)[0].append(etree.fromstring(xml))

    return change


def value(name: str, text: str, of: str = "") -> Change:
    """Give a parameter, a meta attribute or an option another value, of the resource `of`, or of each."""
    return give(f"*[@id='{of}']//nvpair[@name='{name}']" if of else f"nvpair[@name='{name}']", value=text)


def more(holder: str, kind: str, name: str, text: str) -> Change:
    """Add a parameter or a meta attribute to a resource, or an option."""
    pair = f'<nvpair id="more-{holder}-{name}" name="{name}" value="{text}"/>'
    return add(f"*[@id='{holder}']", f'<{kind} id="more-{holder}-{name}-set">{pair}</{kind}>')


def option(name: str, text: str) -> Change:
    """Add an option of the cluster."""
    return add("cluster_property_set", f'<nvpair id="more-{name}" name="{name}" value="{text}"/>')


def location(identity: str, resource: str, node: str, score: str) -> Change:
    """Add a location constraint."""
    return add("constraints", f'<rsc_location id="{identity}" rsc="{resource}" node="{node}" score="{score}"/>')


def last(path: str) -> Change:
    """Put an element behind its siblings."""

    def change(root: etree._Element) -> None:
        (element,) = _all(root, path)
        parent = element.getparent()
        assert parent is not None
        parent.append(element)

    return change


def live(*nodes: str) -> Change:
    """Let it be the configuration of a cluster that ran, with these nodes."""

    def change(root: etree._Element) -> None:
        status = etree.SubElement(root, "status")
        listed = etree.SubElement(_all(root, "crm_config/..")[0], "nodes")
        for number, node in enumerate(nodes or ("atlas", "zeus"), 1):
            etree.SubElement(status, "node_state", id=str(number), uname=node)
            etree.SubElement(listed, "node", id=str(number), uname=node)

    return change
