# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader of OpenMetrics 1.0 that accepts nothing else: gauges and counters, as the specification orders them."""

from __future__ import annotations

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_NUMBER = re.compile(r"NaN|[+-]Inf|[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
UNITS = {"bytes", "ratio", "seconds"}

Labels = tuple[tuple[str, str], ...]


def read(text: str) -> dict[str, dict[Labels, float]]:
    """The samples by their names and labels. Raises AssertionError for what is not valid."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""], "it does not end with EOF"
    found: dict[str, dict[Labels, float]] = {}
    families: dict[str, dict[str, str]] = {}
    current = ""
    for line in lines[:-2]:
        if line.startswith("#"):
            current = _metadata(line, families, current)
            continue
        name, labels, value = _sample(line)
        kind = families[current]["TYPE"]
        assert name == (f"{current}_total" if kind == "counter" else current), f"{name} stands under {current}"
        assert kind != "counter" or value >= 0
        assert labels not in found.setdefault(name, {}), line
        found[name][labels] = value
    for family, metadata in families.items():
        assert {"TYPE", "HELP"} <= set(metadata), family
        assert metadata["TYPE"] in ("gauge", "counter")
        assert not family.endswith(("_total", "_created", "_bucket", "_count", "_sum")), family
        last = family.rpartition("_")[2]
        assert metadata.get("UNIT", "") == (last if last in UNITS else ""), family
    return found


def _metadata(line: str, families: dict[str, dict[str, str]], current: str) -> str:
    match = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({_NAME}) (.+)", line)
    assert match, line
    what, family, rest = match.groups()
    assert family == current or family not in families, f"{family} is in two places"
    metadata = families.setdefault(family, {})
    assert what not in metadata, line
    metadata[what] = rest
    return family


def _sample(line: str) -> tuple[str, Labels, float]:
    match = _SAMPLE.fullmatch(line)
    assert match, line
    name, inner, number = match.groups()
    labels = []
    at = 0
    while inner and at < len(inner):
        label = _LABEL.match(inner, at)
        assert label, line
        labels.append((label[1], re.sub(r"\\(.)", _unescaped, label[2])))
        at = label.end()
    assert len(dict(labels)) == len(labels), line
    assert _NUMBER.fullmatch(number), line
    return name, tuple(labels), float(number.replace("Inf", "inf"))


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else str(escape[1])
