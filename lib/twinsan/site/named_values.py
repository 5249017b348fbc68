# SPDX-License-Identifier: GPL-2.0-or-later
"""The sets of names and values in a part of the configuration, and its operations, made equal to those of a site.

Ids of sets and pairs stay as they are: crmsh, pcs and cibadmin each give others.
"""

from __future__ import annotations

from twinsan.cluster.values import seconds
from twinsan.site import elements, ownership
from twinsan.site.draft import HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.site.draft import Draft

# How a set is called in a list of changes; parameters need no word.
_WORDS = {"instance_attributes": "", "meta_attributes": "meta "}

# What tools write into an operation, and the scheduler does not read.
_IGNORED = ("id", "description", "record-pending")


def same(one: str | None, other: str | None) -> bool:
    """Whether two values mean the same to the cluster: 60 is 60s."""
    if one is None or other is None or one == other:
        return one == other
    return seconds(one) is not None and seconds(one) == seconds(other)


def merge(draft: Draft, name: str, agent: str, present: _Element, wanted: _Element, what: str) -> None:
    """Give the part `name`, whose element is `present`, the values of the set `what` of `wanted`."""
    values = elements.values(wanted, what)
    kept = ownership.KEPT_META if what == "meta_attributes" else frozenset()
    found: dict[str, _Element] = {}
    for each in list(present.iterfind(what)):
        plain = each.find("rule") is None and not each.get("id-ref")
        for pair in list(each.iterfind("nvpair")):
            key = str(pair.get("name"))
            if plain and key in values and key not in found:
                found[key] = pair
            elif key not in kept and _goes(draft, name, agent, what, values, pair, again=key in found):
                draft.drop(pair)
        if each.get("id-ref"):
            draft.note(name, f"{_WORDS[what]}{what}", f"those of {each.get('id-ref')}", None)
        if each.find("nvpair") is None and not (plain and values):
            draft.drop(each)
    for key, value in values.items():
        _set(draft, name, agent, present, wanted, what, key, value, found.get(key))


def _goes(
    draft: Draft, name: str, agent: str, what: str, values: dict[str, str], pair: _Element, *, again: bool
) -> bool:
    """Whether a pair that the site does not have is taken away; notes it. A secret stays if it can."""
    key, value = str(pair.get("name")), pair.get("value", "")
    secret = what == "instance_attributes" and ownership.is_secret(agent, key)
    if secret and key not in values and ownership.fits(agent, values, key, value):
        return False
    shown = HIDDEN if secret else value
    draft.note(name, _WORDS[what] + key, f"{shown} (a second one)" if again else shown, None)
    return True


def _set(
    draft: Draft,
    name: str,
    agent: str,
    present: _Element,
    wanted: _Element,
    what: str,
    key: str,
    value: str,
    pair: _Element | None,
) -> None:
    """Give one name its value. A secret that is there stays, and one that the site leaves open is not added."""
    secret = what == "instance_attributes" and ownership.is_secret(agent, key)
    old = None if pair is None else pair.get("value", "")
    exact = what == "instance_attributes"
    if old == value or (old is None and secret and not value) or (old and secret):
        return
    if not exact and same(old, value):
        return
    if pair is None:
        holder = _plain_set(draft, present, wanted, what)
        draft.make(holder, "nvpair", f"{name}-{key}", name=key, value=value)
    else:
        pair.set("value", value)
    draft.note(name, _WORDS[what] + key, old, value)


def _plain_set(draft: Draft, present: _Element, wanted: _Element, what: str) -> _Element:
    """The set that new pairs go to: the first one without a rule, or a new one in its place before the operations."""
    for each in present.iterfind(what):
        if each.find("rule") is None and not each.get("id-ref"):
            return each
    new = draft.make(present, what, str(next(wanted.iterfind(what)).get("id")))
    # The schema wants the sets of a holder before what it holds.
    members = [each for each in present if each.tag in ("primitive", "group")]
    if members:
        members[0].addprevious(new)
    return new


def merge_operations(draft: Draft, name: str, present: _Element, wanted: _Element) -> None:
    """Give a primitive the operations of `wanted`."""
    holder = present.find("operations")
    left = list(present.iterfind("operations/op"))
    for each in wanted.iterfind("operations/op"):
        alike = [op for op in left if _key(op)[::2] == _key(each)[::2]]
        match = next(iter(sorted(alike, key=lambda op: _key(op) != _key(each))), None)
        label = " ".join(filter(None, ("op", each.get("name"), each.get("role"))))
        if match is None:
            if holder is None:
                holder = present.makeelement("operations", {})
                present.append(holder)
            draft.add(holder, each)
            draft.note(name, label, None, _said(each))
            continue
        left.remove(match)
        _merge_operation(draft, name, label, match, each)
    for each in left:
        draft.note(name, " ".join(filter(None, ("op", each.get("name"), each.get("role")))), _said(each), None)
        draft.drop(each)
    if holder is not None and len(holder) == 0 and not holder.get("id-ref"):
        present.remove(holder)


def _merge_operation(draft: Draft, name: str, label: str, present: _Element, wanted: _Element) -> None:
    before = _said(present)
    changed = False
    for key in {**elements.attributes(present), **elements.attributes(wanted)}:
        if key in _IGNORED:
            continue
        value = wanted.get(key)
        if key in ("interval", "timeout") and value and seconds(value) == seconds(present.get(key) or "0"):
            continue
        if present.get(key) == value:
            continue
        changed = True
        if value is None:
            del present.attrib[key]
        else:
            present.set(key, value)
    for inner in list(present.iterchildren("*")):
        changed = True
        draft.drop(inner)
    if changed:
        draft.note(name, label, before, _said(present))


def _key(operation: _Element) -> tuple[str | None, float | None, str | None]:
    return operation.get("name"), seconds(operation.get("interval") or "0"), operation.get("role")


def _said(operation: _Element) -> str:
    more = [str(pair.get("name")) + "=" + str(pair.get("value")) for pair in operation.iter("nvpair")]
    said = elements.attributes(operation).items()
    listed = [f"{key}={value}" for key, value in said if key not in (*_IGNORED, "name", "role")]
    return " ".join([*listed, *more])
