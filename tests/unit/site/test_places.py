# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of keys, against files whose lines are known because they were written for it, and against tomllib."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import tomllib
from hypothesis import given
from hypothesis import strategies as st

from twinsan.site.places import Places

if TYPE_CHECKING:
    from twinsan.site.places import Path

KEYS = st.one_of(
    st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=4),
    st.text("ab.#[]{}\"'= \\\u00e9", max_size=4),
)
SCALARS = st.sampled_from(
    [
        "1",
        "true",
        "1979-05-27 07:32:00Z",
        '"[a] # \\" \\\\"',
        "'{b} = \\'",
        '"""\n[c]\nd = 1 \\""" # """""',
        "'''\n[e]]\n''# '''",
        "[]",
        "{}",
        "[ 1, # ]\n  [2, '3'],\n]",
        "{ x = 1, y.z = [ {} ] }",
    ]
)
TREES = st.dictionaries(KEYS, st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3)), max_size=4)


def quoted(key: str) -> str:
    """A key in quotes, unless it can do without."""
    plain = set(key) <= set(string.ascii_letters + string.digits + "_-") and key
    return key if plain else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Written:
    """A file that is written key by key, with the lines of its tables and keys."""

    def __init__(self) -> None:
        self.text = "# a comment [x]\n\n"
        self.lines: dict[Path, int] = {}

    def put(self, path: Path, text: str) -> None:
        self.lines[path] = self.text.count("\n") + 1
        self.text += text + "  # [y]\n"

    def table(self, path: tuple[str, ...], values: dict[str, Any]) -> None:
        """Write a table: plain values as pairs, tables under a header, or by dotted keys if they have one value."""
        for key, value in values.items():
            if isinstance(value, str):
                self.put((*path, key), f"  {quoted(key)} \t= {value}")
        for key, value in values.items():
            if isinstance(value, dict):
                name = ".".join(map(quoted, (*path, key)))
                self.put((*path, key), f"[ {name} ]")
                self.table((*path, key), value)


@given(TREES)
def test_each_key_is_in_its_line(values: dict[str, Any]) -> None:
    written = Written()
    written.table((), values)
    places = Places(written.text)
    assert {path: places.line(path) for path in written.lines} == written.lines
    assert places.paths() == set(paths(tomllib.loads(written.text)))


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """The paths of all keys and elements of what tomllib has read."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*path, number))


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[[a]]\nb = 1\n[[a]]\n\nb = 2", ("a", 1, "b"), 5),
        ("[[a]]\n[[a.b]]\n[a.b.c]\n[[a]]\n[[a.b]]\nd = 1", ("a", 1, "b", 0, "d"), 6),
        ("a.b.c = 1\na.b.d = 2", ("a", "b", "d"), 2),
        ("a = [\n1,\n{ b = 2 }]", ("a", 1, "b"), 3),
        ('a = """\n\n"""\nb = 1', ("b",), 4),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
    ],
)
def test_tables_in_arrays_and_dotted_keys(text: str, path: Path, line: int) -> None:
    places = Places(text.replace("\r\n", "\n"))
    assert places.line(path) == line
    assert places.paths() == set(paths(tomllib.loads(text)))


def test_a_key_that_does_not_exist_has_the_line_of_its_table() -> None:
    assert Places("\n\n[a]\nb = 1\n").line(("a", "c", 3)) == 3
