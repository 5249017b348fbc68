# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a file: `twinsan check` ends with one of its statuses and without a traceback.

To try more files than `make check` does, type: TWINSAN_EXAMPLES=5000 make check ARGS="-k hostile"
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.operate.checks import mutation
from twinsan import cli
from twinsan.operate.checks import situations

EXAMPLES = int(os.environ.get("TWINSAN_EXAMPLES", "60"))
WORDS = (
    "{node} %s -INFINITY INFINITYY 1e400 -1 \u202e P PT ms_drbd p_lun1 [ []:1 true cli-prefer- Master monitor 0.5.5 ²"
)
VALUES = st.sampled_from(["", "a b", "\x85", "9" * 400, "/dev/drbd/by-res/", "::", *WORDS.split()])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["remove", "twice", "tag", "value", "value", "value"]), st.integers(0, 9999), VALUES),
    min_size=1,
    max_size=8,
)
STATUSES = (0, 1, 2, 3, 4)


@pytest.fixture(autouse=True)
def _no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(situations, "find", lambda *_: iter(()))


def disturb(root: etree._Element, kind: str, number: int, value: str) -> None:
    """Change one element in one of several ways."""
    elements = [each for each in root.iter(etree.Element) if each is not root]
    if not elements:
        return
    element = elements[number % len(elements)]
    parent = element.getparent()
    assert parent is not None
    if kind == "remove":
        parent.remove(element)
    elif kind == "twice":
        parent.append(etree.fromstring(etree.tostring(element, with_tail=False)))
    elif kind == "tag":
        element.tag = elements[number // 7 % len(elements)].tag
    elif element.attrib:
        element.set(sorted(element.attrib)[number % len(element.attrib)], value)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=not os.environ.get("TWINSAN_EXAMPLES"),
    database=None,
)
@given(template=st.sampled_from(["san", "many-luns", "two-resources", "sbd-diskless"]), changes=CHANGES)
def test_a_hostile_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], template: str, changes: list[tuple[str, int, str]]
) -> None:
    root = etree.fromstring(mutation.changed(template, mutation.live()))
    for change in changes:
        disturb(root, *change)
    file = tmp_path / "cib.xml"
    file.write_bytes(etree.tostring(root))
    assert cli.main(["check", str(file)]) in STATUSES
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert all(line.isprintable() for line in printed.out.splitlines())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"<",
        b"<cib/>",
        b"<a><configuration/></a>",
        b"<cib><configuration></cib>",
        b'<!DOCTYPE c [<!ENTITY e SYSTEM "file:///etc/passwd">]><cib>&e;</cib>',
        b'<?xml version="1.0" encoding="nonsense"?><cib/>',
        b"<configuration>" * 5000,
    ],
)
def test_what_is_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    file = tmp_path / "cib.xml"
    file.write_bytes(content)
    assert cli.main(["check", str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "root:" not in printed.err


@pytest.mark.parametrize("name", ["", "no-such-file", ".", "a\0b"])
def test_what_is_no_file(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.main(["check", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("text", ["<cib><configuration/></cib>", "<configuration/>"])
def test_an_empty_configuration_serves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    file = tmp_path / "cib.xml"
    file.write_text(text)
    assert cli.main(["check", str(file)]) == 4
    printed = capsys.readouterr().out
    assert "no LUN is served here" in printed
    assert "no fence device" in printed
