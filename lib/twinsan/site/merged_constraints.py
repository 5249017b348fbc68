# SPDX-License-Identifier: GPL-2.0-or-later
"""The constraints and the cluster's options of a configuration, made equal to those of a site."""

from __future__ import annotations

from twinsan.site import elements, named_values, ownership
from twinsan.site.cib import ALERT, ALERT_AGENT
from twinsan.site.draft import CLASH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lxml.etree import _Element

    from twinsan.site.draft import Draft

# The set that Pacemaker's own tools write into. Of two sets with an option, it counts.
_FIRST = "cib-bootstrap-options"


def merge(draft: Draft, wanted: _Element, ours: set[str], staying: Collection[str]) -> None:
    """Give a draft the constraints of `wanted`, and take away those that a site has made and this one does not have.
    `ours` are the names of all that is ours. A constraint that is about `staying` alone is left for now.
    """
    section = draft.section("constraints")
    for each in wanted:
        name = str(each.get("id"))
        present = draft.elements.get(name)
        if not draft.may(name):
            continue
        if present is not None and present.getparent() is not section:
            raise CLASH(name=name, wanted=f"a {each.tag}", present=f"a {present.tag}")
        if present is None or present.tag != each.tag:
            old = None if present is None else f"{present.tag} {_said(present)}"
            if present is not None:
                draft.drop(present)
            draft.add(section, each)
            draft.note(name, "", old, f"{each.tag} {_said(each)}", about=ownership.references(each))
        else:
            _change(draft, name, present, each)
    names = {str(each.get("id")) for each in wanted}
    for each in list(section):
        name = str(each.get("id"))
        if name in names or not draft.may(name) or not ownership.is_constraint(each, ours):
            continue
        if not set(ownership.references(each)) <= set(staying):
            draft.note(name, "", f"{each.tag} {_said(each)}", None, about=ownership.references(each))
            draft.drop(each)


def _change(draft: Draft, name: str, present: _Element, wanted: _Element) -> None:
    about = {*ownership.references(present), *ownership.references(wanted)}
    for key in {**elements.attributes(present), **elements.attributes(wanted)}:
        old, new = present.get(key), wanted.get(key)
        if old == new:
            continue
        draft.note(name, key, old, new, about=about)
        if new is None:
            del present.attrib[key]
        else:
            present.set(key, new)
    for inner in [each for each in present.iterchildren("*") if each.tag != "resource_set"]:
        draft.note(name, str(inner.tag), str(inner.get("id")), None, about=about)
        draft.drop(inner)
    _change_sets(draft, name, present, wanted, about)


def _change_sets(draft: Draft, name: str, present: _Element, wanted: _Element, about: set[str]) -> None:
    olds, news = present.findall("resource_set"), wanted.findall("resource_set")
    if [_meaning(each) for each in olds] == [_meaning(each) for each in news]:
        return
    for number in range(max(len(olds), len(news))):
        old = olds[number] if number < len(olds) else None
        new = news[number] if number < len(news) else None
        if old is not None and new is not None and _meaning(old) == _meaning(new):
            continue
        said = [None if each is None else _said_of_set(each) for each in (old, new)]
        draft.note(name, f"set {number + 1}", said[0], said[1], about=about)
        if old is not None and new is not None:
            _fill(old, new)
        elif old is not None:
            draft.drop(old)
        elif new is not None:
            draft.add(present, new)


def _fill(present: _Element, wanted: _Element) -> None:
    """Give a set the members and attributes of another one; its id stays."""
    for key in elements.attributes(present):
        del present.attrib[key]
    for key, value in elements.attributes(wanted).items():
        present.set(key, value)
    present[:] = [present.makeelement(str(each.tag), {"id": str(each.get("id"))}) for each in wanted]


def _meaning(element: _Element) -> tuple[dict[str, str], list[str]]:
    """What a set says: side by side, its members have no order."""
    said = elements.attributes(element)
    members = [str(each.get("id")) for each in element.iterchildren("*")]
    return said, sorted(members) if said.get("sequential") == "false" else members


def _said_of_set(element: _Element) -> str:
    more = [f"{key}={value}" for key, value in elements.attributes(element).items()]
    return " ".join([*(str(each.get("id")) for each in element.iterchildren("*")), *more])


def _said(element: _Element) -> str:
    """What a constraint says, on one line."""
    listed = [f"{key}={value}" for key, value in elements.attributes(element).items()]
    return " ".join([*listed, *(f"({_said_of_set(each)})" for each in element.iterfind("resource_set"))])


def merge_alert(draft: Draft, wanted: _Element) -> None:
    """Give a draft the alert of a site, or take it away if the site has none. Other alerts stay."""
    source = wanted.find("configuration/alerts/alert")
    name = ALERT if source is None else str(source.get("id"))
    present = draft.elements.get(name)
    if not draft.may(name) or (present is not None and present.tag != "alert"):
        return
    if source is None:
        if present is not None and present.get("path") == ALERT_AGENT:
            draft.note(name, "", f"an alert by {present.get('path')}", None)
            draft.drop(present)
    elif present is None:
        draft.add(draft.section("alerts"), source)
        draft.note(name, "", None, f"an alert by {source.get('path')}")
    else:
        for key, value in elements.attributes(source).items():
            if present.get(key) != value:
                draft.note(name, key, present.get(key), value)
                present.set(key, value)
        named_values.merge(draft, name, "", present, source, "instance_attributes")


def merge_options(draft: Draft, wanted: _Element) -> None:
    """Give the cluster the options of a site. One that another set has already is changed there, because that set may
    count. One that the site does not have goes from its own set.
    """
    section = draft.section("crm_config")
    source = wanted.find("cluster_property_set")
    if source is None:
        return
    name = str(source.get("id"))
    if not draft.may(name):
        return
    sets = sorted(section.iterfind("cluster_property_set"), key=lambda each: each.get("id") != _FIRST)
    values = elements.values(source, ".")
    for key, value in values.items():
        found = [pair for each in sets for pair in each.iterfind("nvpair") if pair.get("name") == key]
        if not found:
            present = draft.elements.get(name)
            if present is None:
                present = draft.make(section, "cluster_property_set", name)
            draft.make(present, "nvpair", f"{name}-{key}", name=key, value=value)
            draft.note(name, key, None, value)
        elif not named_values.same(found[0].get("value"), value):
            draft.note(name, key, found[0].get("value"), value)
            found[0].set("value", value)
    own = draft.elements.get(name)
    for pair in [] if own is None else list(own.iterfind("nvpair")):
        key = str(pair.get("name"))
        if key in ownership.OPTIONS and key not in values:
            draft.note(name, key, pair.get("value"), None)
            draft.drop(pair)
