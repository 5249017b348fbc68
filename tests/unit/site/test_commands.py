# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of crmsh and of pcs say what the XML says, each of them, and nothing else."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.unit.site import sites
from twinsan.site import cib, crmsh, elements, pcs


@pytest.fixture(params=sites.SHIPPED, ids=lambda path: path.stem)
def tree(request: pytest.FixtureRequest) -> etree._Element:
    return cib.tree(sites.load(request.param))


def commands(text: str) -> list[list[str]]:
    """The words of each command, as a shell divides them."""
    joined = text.replace(" \\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line and not line.startswith("#")]


def pairs(element: etree._Element, what: str, *, empty: bool = True) -> set[str]:
    """NAME=VALUE words of an element."""
    return {f"{name}={value}" for name, value in elements.values(element, what).items() if value or empty}


def operations(primitive: etree._Element) -> Iterator[tuple[str, ...]]:
    """The words of each operation, without an interval of 0."""
    for each in primitive.iter("op"):
        said = (f"{name}={each.get(name)}" for name in ("interval", "timeout", "role") if each.get(name))
        yield (str(each.get("name")), *(word for word in said if word != "interval=0s"))


def sections(words: list[str], names: set[str]) -> list[tuple[str, list[str]]]:
    """Words by the word before them that is among `names`."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in words:
        if word in names:
            found.append((word, []))
        else:
            found[-1][1].append(word)
    return found


def test_crmsh_has_the_resources(tree: etree._Element) -> None:
    told = {words[1]: words for words in commands(crmsh.text(tree)) if words[0] in ("primitive", "clone", "group")}
    resources = [each for each in tree.iterfind(".//resources//*") if each.tag in ("primitive", "clone", "group")]
    assert set(told) == {each.get("id") for each in resources}
    for element in resources:
        words = told[str(element.get("id"))]
        parts = sections(words, {"params", "meta", "op"})
        assert words[0] == element.tag
        for what, name in (("params", "instance_attributes"), ("meta", "meta_attributes")):
            given = {word for part, inner in parts if part == what for word in inner}
            assert given == pairs(element, name)
        if element.tag == "primitive":
            assert words[2].split(":")[-1] == element.get("type")
            given_operations = {
                tuple(word for word in inner if word != "interval=0s") for part, inner in parts if part == "op"
            }
            assert given_operations == set(operations(element))
        else:
            assert words[2 : 2 + len(element.findall("primitive"))] == [
                each.get("id") for each in element.findall("primitive")
            ]


def test_crmsh_has_the_options_and_the_constraints(tree: etree._Element) -> None:
    said = commands(crmsh.text(tree))
    (options,) = [words for words in said if words[0] == "property"]
    assert set(options[2:]) == {word for each in tree.iterfind(".//cluster_property_set") for word in pairs(each, ".")}
    told = {words[1]: words for words in said if words[0] in ("order", "colocation", "location")}
    constraints = list(tree.iterfind("configuration/constraints/*"))
    assert set(told) == {each.get("id") for each in constraints}
    for constraint in constraints:
        words = told[str(constraint.get("id"))]
        assert words[0] == constraint.tag.removeprefix("rsc_")
        assert sides(words[3:] if constraint.tag != "rsc_location" else words[2:3]) == expected_sides(constraint)
        score = str(constraint.get("score") or constraint.get("kind")).replace("INFINITY", "inf")
        assert f"{score}:" in words


def sides(words: list[str]) -> list[tuple[bool, list[str]]]:
    """The sets of a constraint: whether each has an order, and its resources with action or role."""
    found: list[tuple[bool, list[str]]] = []
    inside = False
    for word in words:
        if word == "(":
            inside = True
            found.append((False, []))
        elif word == ")":
            inside = False
        elif inside:
            found[-1][1].append(word)
        else:
            found.append((True, [word]))
    return found


def expected_sides(constraint: etree._Element) -> list[tuple[bool, list[str]]]:
    if constraint.tag == "rsc_location":
        return [(True, [str(constraint.get("rsc"))])]
    more = "action" if constraint.tag == "rsc_order" else "role"
    sets = constraint.findall("resource_set")
    if sets:
        return [
            (each.get("sequential") != "false", [named(str(inner.get("id")), each.get(more)) for inner in each])
            for each in sets
        ]
    names = ("first", "then") if more == "action" else ("rsc", "with-rsc")
    return [(True, [named(str(constraint.get(name)), constraint.get(f"{name}-{more}"))]) for name in names]


def named(name: str, more: str | None) -> str:
    return f"{name}:{more}" if more else name


def test_pcs_has_the_resources(tree: etree._Element) -> None:
    said = [words[1:] for words in commands(pcs.text(tree)) if words[0] == "change"]
    created = {words[2]: words for words in said if words[1] == "create"}
    primitives = list(tree.iter("primitive"))
    assert set(created) == {each.get("id") for each in primitives}
    for primitive in primitives:
        words = created[str(primitive.get("id"))]
        parts = dict(sections(words[4:], {"op", "meta"}))
        assert words[0] == ("stonith" if primitive.get("class") == "stonith" else "resource")
        assert set(parts[""]) == pairs(primitive, "instance_attributes", empty=False)
        assert set(parts.get("meta", [])) == pairs(primitive, "meta_attributes")
        assert set(by_verb(parts["op"])) == set(operations(primitive))
    for clone in tree.iter("clone"):
        verb = "promotable" if "promotable=true" in pairs(clone, "meta_attributes") else "clone"
        (words,) = [each for each in said if each[:2] == ["resource", verb] and each[3] == clone.get("id")]
        assert set(words[5:]) == pairs(clone, "meta_attributes") - {"promotable=true"}
        assert words[2] == clone.findall("primitive")[0].get("id")
    for group in tree.iter("group"):
        name = str(group.get("id"))
        assert ["resource", "group", "add", name, *(str(each.get("id")) for each in group.iter("primitive"))] in said
        (words,) = [each for each in said if each[:3] == ["resource", "meta", name]]
        assert set(words[3:]) == pairs(group, "meta_attributes")


def by_verb(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Operations of pcs, which stand one after the other."""
    found: list[list[str]] = []
    for word in words:
        if "=" in word:
            found[-1].append(word)
        else:
            found.append([word])
    yield from map(tuple, found)


def test_pcs_has_the_options_and_the_constraints(tree: etree._Element) -> None:
    said = [words[1:] for words in commands(pcs.text(tree)) if words[0] == "change"]
    (options,) = [words for words in said if words[0] == "property"]
    assert set(options[2:]) == {word for each in tree.iterfind(".//cluster_property_set") for word in pairs(each, ".")}
    constraints = list(tree.iterfind("configuration/constraints/*"))
    told = [
        words
        for words in commands(pcs.text(tree))
        if words[0] == "place" or (words[:2] == ["change", "constraint"] and words[2] != "location")
    ]
    assert len(told) == len(constraints)
    for words, constraint in zip(told, constraints):
        identity = str(constraint.get("id"))
        assert identity in words or f"id={identity}" in words
        score = str(constraint.get("score") or constraint.get("kind"))
        assert words[-1] == score or f"score={score}" in words or f"kind={score}" in words
        sets = constraint.findall("resource_set")
        shown = [list(inner) for part, inner in sections(words, {"set", "setoptions"}) if part == "set"]
        assert len(shown) == len(sets)
        for inner, each in zip(shown, sets):
            given = {f"{name}={each.get(name)}" for name in ("action", "role", "sequential") if each.get(name)}
            assert {word for word in inner if "=" in word} == given
            assert [word for word in inner if "=" not in word] == [reference.get("id") for reference in each]


def test_pcs_pushes_once_and_at_the_end(tree: etree._Element) -> None:
    lines = pcs.text(tree).splitlines()
    pushes = [line for line in lines if line.startswith("pcs cluster cib-push")]
    assert pushes == ['pcs cluster cib-push "$folder/after.xml" diff-against="$folder/before.xml"']
    assert lines[-1] == pushes[0]
    assert not [line for line in lines if re.match("pcs (?!cluster)", line)]


# It writes down its words. As pcs 0.11, it takes a score as a word of its own alone.
_OLD_PCS = """\
#!/bin/sh
case "$*" in
*" location "*score=*) echo "Error: invalid score" >&2; exit 1 ;;
*"cluster cib "*) : >"$3" ;;
*) echo "$*" | cut --delimiter=' ' --fields=3- >>"$LOG" ;;
esac
"""


@pytest.mark.runs_programs
@pytest.mark.parametrize("old", [True, False])
def test_a_constraint_of_place_is_made_by_any_pcs(tmp_path: Path, old: bool) -> None:
    program = tmp_path / "pcs"
    program.write_text(_OLD_PCS if old else _OLD_PCS.replace("*score=*", "*' -- '*"))
    program.chmod(0o755)
    script = pcs.text(cib.tree(sites.load(sites.EXAMPLES / "data0.toml")))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log"), "TMPDIR": str(tmp_path)}
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    said = [line for line in (tmp_path / "log").read_text().splitlines() if " location " in line]
    score = "-- -INFINITY" if old else "score=-INFINITY"
    assert said == [
        f"constraint location add fence_{node}-not-on-{node} fence_{node} {node} {score}" for node in ("atlas", "zeus")
    ]


def test_a_value_with_a_space_is_one_word() -> None:
    change = "lun = 1", "lun = 1\nvendor_id = 'MY SAN'\nvaai = ['ats', 'xcopy']"
    tree = cib.tree(sites.site(sites.changed("san", change)))
    for text in (crmsh.text(tree), pcs.text(tree)):
        words = [word for command in commands(text) for word in command]
        assert {"vendor_id=MY SAN", "vaai=ats xcopy"} <= set(words)
