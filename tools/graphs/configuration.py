# SPDX-License-Identifier: GPL-2.0-or-later
"""The graph of a configuration of the cluster, read from its XML: what starts after what, and what is where."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Member:
    """A resource: its name (a clone's own), its agent, what it is in words, and whether it runs on both nodes."""

    name: str
    agent: str
    what: str
    cloned: bool
    promotable: bool


@dataclass(frozen=True)
class Device:
    """A fence device, with the node on which it never runs, "" if there is none."""

    name: str
    what: str
    not_on: str


@dataclass
class Configuration:
    """Members by name; orders (first, then, the first's action); colocations (what, where, its role there, the score);
    preferences (what, the node).
    """

    name: str
    members: dict[str, Member] = field(default_factory=dict)
    orders: list[tuple[str, str, str]] = field(default_factory=list)
    places: list[tuple[str, str, str, str]] = field(default_factory=list)
    preferences: list[tuple[str, str]] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def parts(self) -> list[list[str]]:
        """The members by what depends on what: each list has those that any order or colocation connects."""
        found: list[set[str]] = [{name} for name in self.members]
        for one, other in [(first, then) for first, then, _ in self.orders] + [(a, b) for a, b, *_ in self.places]:
            joined = next(each for each in found if one in each) | next(each for each in found if other in each)
            found = [each for each in found if not each & joined] + [joined]
        order = list(self.members)
        return sorted(
            ([name for name in order if name in each] for each in found), key=lambda each: order.index(each[0])
        )

    def layer(self, name: str) -> int:
        """How many steps come before a member starts."""
        return max((1 + self.layer(first) for first, then, _ in self.orders if then == name), default=0)

    def stays_with(self, name: str) -> list[str]:
        """The clones that a member has to be where they are, as "ms_drbd is Promoted"."""
        found: dict[str, None] = {}
        for what, where, role, score in self.places:
            if what == name and score == "INFINITY":
                if self.members[where].cloned:
                    found[f"{where} is {role}" if role else f"{where} runs"] = None
                else:
                    found.update(dict.fromkeys(self.stays_with(where)))
        return list(found)


def read(path: Path) -> Configuration:
    """Read a configuration."""
    root = etree.parse(path).getroot()
    found = Configuration(path.stem)
    _read_resources(root, found)
    groups = {
        str(each.get("id")): [str(one.get("id")) for one in each.iter("primitive")] for each in root.iter("group")
    }
    for members in groups.values():
        found.orders += [(first, then, "start") for first, then in zip(members, members[1:])]
        found.places += [(then, first, "", "INFINITY") for first, then in zip(members, members[1:])]
    for constraint in root.iterfind(".//constraints/*"):
        _read_constraint(constraint, found, groups)
    pairs = root.iterfind(".//crm_config//nvpair")
    found.options = {str(pair.get("name")): str(pair.get("value")) for pair in pairs}
    return found


def _read_resources(root: etree._Element, found: Configuration) -> None:
    banned = {str(each.get("rsc")): str(each.get("node")) for each in root.iter("rsc_location") if each.get("node")}
    for primitive in root.iter("primitive"):
        name, parent = str(primitive.get("id")), primitive.getparent()
        what = str(primitive.get("description"))
        if primitive.get("class") == "stonith":
            found.devices.append(Device(name, what, banned.get(name, "")))
            continue
        cloned = parent is not None and parent.tag == "clone"
        key = str(parent.get("id")) if cloned and parent is not None else name
        promotable = cloned and parent is not None and parent.find(".//nvpair[@name='promotable']") is not None
        found.members[key] = Member(name, str(primitive.get("type")), what, cloned, promotable)


def _read_constraint(constraint: etree._Element, found: Configuration, groups: dict[str, list[str]]) -> None:
    sets = [_Set(each) for each in constraint.iterfind("resource_set")]
    if constraint.tag == "rsc_location":
        if constraint.get("score") != "-INFINITY":
            name = str(constraint.get("rsc"))
            found.preferences.append((groups.get(name, [name])[0], str(constraint.get("node"))))
        return
    if not sets:
        sets = _ends(constraint, groups)
    for one, other in zip(sets, sets[1:]):
        pairs = [(a, b) for a in one.names for b in other.names]
        if constraint.tag == "rsc_order":
            found.orders += [(first, then, one.action) for first, then in pairs]
        else:
            score = constraint.get("score", "INFINITY")
            found.places += [(what, where, other.role, score) for what, where in pairs]


class _Set:
    """A set of a constraint: its members, what is done with them, and their role."""

    def __init__(self, element: etree._Element) -> None:
        self.names = [str(each.get("id")) for each in element]
        self.action = element.get("action", "start")
        self.role = element.get("role") or ""


def _ends(constraint: etree._Element, groups: dict[str, list[str]]) -> list[_Set]:
    """A constraint without sets as one with two of them. Of a group, what comes first is meant."""
    names = ("first", "then") if constraint.tag == "rsc_order" else ("rsc", "with-rsc")
    found = []
    for name in names:
        element = etree.Element("resource_set")
        element.set("action", constraint.get(f"{name}-action", "start"))
        element.set("role", constraint.get(f"{name}-role", ""))
        given = str(constraint.get(name))
        etree.SubElement(element, "resource_ref", id=groups.get(given, [given])[0])
        found.append(_Set(element))
    return found
