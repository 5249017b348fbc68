# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's configuration in the syntax of crmsh, made from its XML."""

from __future__ import annotations

from twinsan.site import elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxml.etree import _Element

_HEAD = """\
# The cluster's configuration in the syntax of crmsh. Load it into a running cluster, and again after a change, with:
#     crm configure load update {name}
# What each value is for is said in the file with the XML.
"""


def text(cib: _Element, name: str = "cib.crm") -> str:
    """Return the file `name` for the configuration `cib`."""
    lines = [_HEAD.format(name=name)]
    options = cib.iterfind("configuration/crm_config/cluster_property_set")
    lines += [_command(f"property {each.get('id')}:", *_words("", elements.values(each, "."))) for each in options]
    for element in cib.iterfind("configuration/resources/*"):
        lines += _resource(element)
    lines += [_CONSTRAINTS[element.tag](element) for element in cib.iterfind("configuration/constraints/*")]
    lines += [_alert(element) for element in cib.iterfind("configuration/alerts/alert")]
    return "".join(lines)


def _resource(element: _Element) -> Iterator[str]:
    """The commands for a resource: first what is in it."""
    members = element.findall("primitive")
    for primitive in members or [element]:
        yield _primitive(primitive)
    if members:
        names = " ".join(str(member.get("id")) for member in members)
        words = [_described(element), *_words("meta", elements.values(element, "meta_attributes"))]
        yield _command(f"{element.tag} {element.get('id')} {names}", *words)


def _primitive(primitive: _Element) -> str:
    agent = ":".join(str(primitive.get(part)) for part in ("class", "provider", "type") if primitive.get(part))
    return _command(
        f"primitive {primitive.get('id')} {agent}",
        _described(primitive),
        *_words("params", elements.values(primitive, "instance_attributes")),
        *(f"op {' '.join(_operation(operation))}" for operation in primitive.iter("op")),
        *_words("meta", elements.values(primitive, "meta_attributes")),
    )


def _operation(operation: _Element) -> Iterator[str]:
    yield str(operation.get("name"))
    yield from (f"{name}={operation.get(name)}" for name in ("interval", "timeout", "role") if operation.get(name))


def _location(element: _Element) -> str:
    return _command(f"location {element.get('id')} {element.get('rsc')} {_score(element)}: {element.get('node')}")


def _order(element: _Element) -> str:
    sides = _sides(element, ("first", "first-action"), ("then", "then-action"), "action")
    return _command(f"order {element.get('id')} {element.get('kind')}:", *sides)


def _colocation(element: _Element) -> str:
    sides = _sides(element, ("rsc", "rsc-role"), ("with-rsc", "with-rsc-role"), "role")
    return _command(f"colocation {element.get('id')} {_score(element)}:", *sides)


def _sides(element: _Element, one: tuple[str, str], other: tuple[str, str], more: str) -> list[str]:
    """The two sides of a constraint, or its sets: one without an order stands in parentheses."""
    if element.get(one[0]):
        return [_joined(element.get(name), element.get(extra)) for name, extra in (one, other)]
    found = []
    for inner in element.iterfind("resource_set"):
        names = " ".join(_joined(reference.get("id"), inner.get(more)) for reference in inner)
        found.append(f"( {names} )" if inner.get("sequential") == "false" else names)
    return found


def _joined(name: str | None, more: str | None) -> str:
    return f"{name}:{more}" if more else str(name)


def _score(element: _Element) -> str:
    return str(element.get("score")).replace("INFINITY", "inf")


def _alert(element: _Element) -> str:
    attributes = _words("attributes", elements.values(element, "instance_attributes"))
    return _command(f"alert {element.get('id')} {element.get('path')}", _described(element), *attributes)


def _described(element: _Element) -> str:
    return f'description="{element.get("description")}"'


def _words(word: str, pairs: dict[str, str]) -> list[str]:
    """Names and values after a word. No value has a quote or a backslash: the site file may not hold them."""
    if not pairs:
        return []
    return [" ".join([word, *(f'{name}="{value}"' for name, value in pairs.items())]).strip()]


def _command(first: str, *more: str) -> str:
    """A command over several lines."""
    return " \\\n    ".join([first, *more]) + "\n"


_CONSTRAINTS: dict[str, Callable[[_Element], str]] = {
    "rsc_location": _location,
    "rsc_order": _order,
    "rsc_colocation": _colocation,
}
