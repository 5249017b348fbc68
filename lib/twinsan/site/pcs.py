# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's configuration as commands of pcs, made from its XML: one change, pushed at once."""

from __future__ import annotations

import shlex

from twinsan.site import elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxml.etree import _Element

_HEAD = """\
#!/bin/sh
# The cluster's configuration as commands of pcs, for a running cluster that has none of these resources yet. They
# change a copy of the configuration, which is pushed as one change at the end: nothing starts before its constraints
# exist.
# What each value is for is said in the file with the XML.
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
pcs cluster cib "$folder/before.xml"
cp "$folder/before.xml" "$folder/after.xml"
change() { pcs -f "$folder/after.xml" "$@"; }
"""
_LOCATE = """\
# Older versions of pcs do not know score=VALUE, and newer ones advise against a score alone.
place() {
    change constraint location add "$1" "$2" "$3" score="$4" 2>"$folder/said" ||
        change constraint location add "$1" "$2" "$3" -- "$4"
}
"""
_TAIL = """
pcs cluster cib-push "$folder/after.xml" diff-against="$folder/before.xml"
"""

# What pcs writes itself.
_IMPLIED = {"promotable": "true"}


def text(cib: _Element) -> str:
    """Return a shell script for the configuration `cib`."""
    places = cib.find("configuration/constraints/rsc_location") is not None
    lines = [_HEAD, _LOCATE if places else "", "\n"]
    options = cib.iterfind("configuration/crm_config/cluster_property_set")
    lines += [_command(["property", "set"], _pairs(elements.values(each, "."))) for each in options]
    for element in cib.iterfind("configuration/resources/*"):
        lines += _resource(element)
    lines += [_CONSTRAINTS[element.tag](element) for element in cib.iterfind("configuration/constraints/*")]
    lines += [_alert(element) for element in cib.iterfind("configuration/alerts/alert")]
    return "".join([*lines, _TAIL])


def _resource(element: _Element) -> Iterator[str]:
    """The commands for a resource: first what is in it."""
    name = str(element.get("id"))
    members = element.findall("primitive")
    for primitive in members or [element]:
        yield _primitive(primitive)
    meta = elements.values(element, "meta_attributes")
    if element.tag == "group":
        yield _command(["resource", "group", "add", name, *(str(member.get("id")) for member in members)])
        yield _command(["resource", "meta", name], _pairs(meta))
    elif element.tag == "clone":
        verb = "promotable" if _IMPLIED.items() <= meta.items() else "clone"
        left = {key: value for key, value in meta.items() if key not in _IMPLIED}
        yield _command(["resource", verb, str(members[0].get("id")), name], ["meta", *_pairs(left)])


def _primitive(primitive: _Element) -> str:
    """The command for a resource. A value that is empty says to pcs that there is none, so it is left out."""
    values = {key: value for key, value in elements.values(primitive, "instance_attributes").items() if value}
    operations = [_operation(operation) for operation in primitive.iter("op")]
    meta = _pairs(elements.values(primitive, "meta_attributes"))
    name = str(primitive.get("id"))
    if primitive.get("class") == "stonith":
        begin = ["stonith", "create", name, str(primitive.get("type"))]
    else:
        agent = ":".join(str(primitive.get(part)) for part in ("class", "provider", "type"))
        begin = ["resource", "create", name, agent]
    operations[0] = ["op", *operations[0]]
    return _command(begin, _pairs(values), *operations, *([["meta", *meta]] if meta else []))


def _operation(operation: _Element) -> list[str]:
    said = {name: str(operation.get(name)) for name in ("interval", "timeout", "role") if operation.get(name)}
    return [str(operation.get("name")), *_pairs({name: value for name, value in said.items() if value != "0s"})]


def _location(element: _Element) -> str:
    return shlex.join(["place", *(str(element.get(name)) for name in ("id", "rsc", "node", "score"))]) + "\n"


def _order(element: _Element) -> str:
    last = [f"kind={element.get('kind')}", f"id={element.get('id')}"]
    if not element.get("first"):
        return _command(["constraint", "order"], *_sets(element, "action"), ["setoptions", *last])
    first, then = (_said(element, f"{side}-action", side) for side in ("first", "then"))
    return _command(["constraint", "order", *first, "then", *then, *last])


def _colocation(element: _Element) -> str:
    last = [f"score={element.get('score')}", f"id={element.get('id')}"]
    if not element.get("rsc"):
        return _command(["constraint", "colocation"], *_sets(element, "role"), ["setoptions", *last])
    one, other = (_said(element, f"{side}-role", side) for side in ("rsc", "with-rsc"))
    return _command(["constraint", "colocation", "add", *one, "with", *other, *last])


def _sets(element: _Element, more: str) -> Iterator[list[str]]:
    for inner in element.iterfind("resource_set"):
        names = [str(reference.get("id")) for reference in inner]
        options = {name: str(inner.get(name)) for name in (more, "sequential") if inner.get(name)}
        yield ["set", *names, *_pairs(options)]


def _alert(element: _Element) -> str:
    named = {name: str(element.get(name)) for name in ("path", "id", "description")}
    options = _pairs(elements.values(element, "instance_attributes"))
    return _command(["alert", "create", *_pairs(named)], *([["options", *options]] if options else []))


def _said(element: _Element, *attributes: str) -> list[str]:
    """The values of those attributes that a constraint has."""
    return [value for value in map(element.get, attributes) if value]


def _pairs(values: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _command(first: list[str], *more: list[str]) -> str:
    """A command over several lines, each word quoted for the shell."""
    return "change " + " \\\n    ".join(shlex.join(words) for words in (first, *more)) + "\n"


_CONSTRAINTS: dict[str, Callable[[_Element], str]] = {
    "rsc_location": _location,
    "rsc_order": _order,
    "rsc_colocation": _colocation,
}
