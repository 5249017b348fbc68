# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a site file: `twinsan render` ends with 0 or 2 and without a traceback, writes nowhere but into
its folder, and what it writes is valid.

`make test` tries some of the files. To try 5,000, as after a change of how a file is read or written, type:
TWINSAN_EXAMPLES=5000 make check ARGS="-m long -k hostile_site"
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomllib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.site import sites
from tests.unit.site.test_cib import schemas
from twinsan import cli

pytestmark = pytest.mark.long

# What takes under ten seconds in all.
EXAMPLES = int(os.environ.get("TWINSAN_EXAMPLES", "100"))
HOSTILE = [
    "../../etc/passwd",
    "/etc/cron.d/x",
    "a/b",
    "..",
    "",
    "x" * 300,
    'a"; reboot; "',
    "$(reboot)",
    "`reboot`",
    "'; reboot",
    "a\\\nb",
    "<b/>",
    "]]>",
    "--><cib/>",
    "&amp;",
    "\x00",
    "\u202e",
    "a b",
    "{iqn}",
    "%s",
    "-INFINITY",
    "lrm://",
    "/dev/drbd0",
    "fe80::1%eth0;reboot",
    "0.0.0.0/0",
    "::/0",
    "10.0.5.2",
]
SCALARS = st.one_of(
    st.sampled_from(HOSTILE),
    st.sampled_from([True, False, 0, 1, -1, 256, 65536, 10**40, 1.5, float("nan")]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5) | st.sampled_from(HOSTILE), inner, max_size=3)
    ),
    max_leaves=6,
)


def written(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Each place in a site: what holds it, and its key or number."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from places(value[key])  # type: ignore[index]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A shipped site file with hostile values, hostile keys, or a part of another one in some places."""
    names = [path.stem for path in sites.SHIPPED]
    site = tomllib.loads(sites.text(draw(st.sampled_from(names))))
    other = list(places(tomllib.loads(sites.text(draw(st.sampled_from(names))))))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(places(site))))
        what = draw(st.sampled_from(["value", "key", "part", "gone", "twice"]))
        if what == "value":
            holder[key] = draw(VALUES)
        elif what == "key" and isinstance(holder, dict):
            holder[draw(st.sampled_from(HOSTILE) | st.text(max_size=5))] = holder.pop(key)
        elif what == "part":
            source, part = draw(st.sampled_from(other))
            holder[key] = deepcopy(source[part])
        elif what == "gone":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(deepcopy(holder[key]))
        if not site:
            break
    return "\n".join(f"{written(key)} = {written(value)}" for key, value in site.items())


@pytest.fixture(autouse=True)
def _one_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is the same each time, and to declare it takes longer than to read a file."""
    monkeypatch.setattr(cli, "parser", functools.cache(cli.parser))


def everything(folder: Path) -> set[str]:
    """All that is below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def render(tmp: Path, content: bytes, capture: pytest.CaptureFixture[str]) -> None:
    """Render a file, and look at all that came of it."""
    site = tmp / "site.toml"
    site.write_bytes(content)
    before = everything(tmp) - {"out"}
    status = cli.main(["render", str(site), "--output", str(tmp / "out")])
    printed = capture.readouterr()
    assert "Traceback" not in printed.err
    after = everything(tmp)
    assert {each for each in after - before if each != "out" and not each.startswith("out/")} == set()
    if status == 2:
        assert after - before == set()
        assert printed.err.strip()
        assert printed.err.replace("\n", "").isprintable()
        return
    assert status == 0
    _check_output(tmp / "out")
    for path in sorted((tmp / "out").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp / "out").rmdir()


def _check_output(folder: Path) -> None:
    """The XML is valid, and each line of the other files is one that a shipped site could have."""
    root = etree.parse(folder / "cib.xml").getroot()
    for name, value in (("validate-with", "pacemaker-3.7"), ("admin_epoch", "0"), ("epoch", "1"), ("num_updates", "0")):
        root.set(name, value)
    options = root.find("configuration/crm_config")
    assert options is not None
    options.addnext(etree.Element("nodes"))
    etree.SubElement(root, "status")
    relaxng = _schema()
    assert relaxng.validate(root), relaxng.error_log
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert text.isascii()
            # The description is a comment, of any words.
            assert "reboot;" not in re.sub("<!--.*?-->", "", text, flags=re.DOTALL)
            assert all(line.isprintable() for line in text.splitlines())


_SCHEMAS: list[etree.RelaxNG] = []


def _schema() -> etree.RelaxNG:
    if not _SCHEMAS:
        _SCHEMAS.append(etree.RelaxNG(etree.parse(schemas()[0])))
    return _SCHEMAS[0]


COMMON = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@COMMON
@given(content=mutations())
def test_a_hostile_site_of_values(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render(tmp_path, content.encode("utf-8", "surrogatepass"), capsys)


@COMMON
@given(
    content=st.dictionaries(st.sampled_from(["name", "nodes", "networks", "fencing", "resources", "policy"]), VALUES)
)
def test_a_hostile_site_of_tables(content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(f"{key} = {written(value)}" for key, value in content.items())
    render(tmp_path, text.encode("utf-8", "surrogatepass"), capsys)


@COMMON
@given(st.data())
def test_a_hostile_site_of_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    content = bytearray(sites.text(data.draw(st.sampled_from(["san", "two-resources"]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(content)))
        content[begin : begin + data.draw(st.integers(0, 20))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b"]", b"{", b'"""', b"\n", b".", b"=", b"#", b"\\u0000"])
        )
    render(tmp_path, bytes(content), capsys)


FEW = ["../../etc/passwd", "", 'a"; reboot; "', "--><cib/>", "10.0.5.2", True, -1, 1.5, [], {}, [[]], [{}]]
PLAIN = FEW if EXAMPLES < 5000 else [*HOSTILE, *FEW, 10**40, {"a": "b"}]


@pytest.mark.parametrize("name", ["san"] if EXAMPLES < 5000 else [path.stem for path in sites.SHIPPED])
def test_a_hostile_site_with_each_value_in_each_place(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No value is wrong enough in one place alone."""
    number = len(list(places(tomllib.loads(sites.text(name)))))
    assert number > 20
    for index in range(number):
        for value in PLAIN:
            site = tomllib.loads(sites.text(name))
            holder, key = list(places(site))[index]
            holder[key] = value
            text = "\n".join(f"{written(part)} = {written(inner)}" for part, inner in site.items())
            render(tmp_path, text.encode("utf-8", "surrogatepass"), capsys)


def test_the_shipped_sites_pass_what_the_hostile_ones_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sites.SHIPPED:
        render(tmp_path, path.read_bytes(), capsys)
