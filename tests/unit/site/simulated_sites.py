# SPDX-License-Identifier: GPL-2.0-or-later
"""The sites that are simulated, by name: those of the shipped site files, and those that a number makes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.site import laws, scenarios, sites, variants
from tests.unit.site.pair import Pair
from twinsan.site import cib
from twinsan.site.model import Site

SHIPPED = [path.stem for path in sites.SHIPPED]
MADE = [f"variant-{number}" for number in range(12)]
Record = Callable[[str, object], None]


@functools.cache
def site(name: str) -> Site:
    """The site of a name."""
    if name in SHIPPED:
        return sites.site(sites.text(name))
    return sites.site(variants.text(int(name.rpartition("-")[2])))


@functools.cache
def template(name: str) -> str:
    """The configuration of a site."""
    return cib.text(site(name))


def pair(folder: Path, name: str, version: str, configuration: str = "") -> Pair:
    """A pair with the configuration of a site, or with another one that should do the same."""
    path = folder / "of-site.xml"
    path.write_text(configuration or template(name))
    return Pair(folder, path, site(name), version)


def of_site(pair: Pair) -> dict[str, scenarios.Scenario]:
    """What may happen to a pair, by name."""
    scenarios.begin_settled(pair)
    return scenarios.of_site(pair.site, pair.state())


def run(pair: Pair, wanted: tuple[str, ...], record: Record) -> None:
    """Let all happen to a pair that begins with one of these words. Raises AssertionError with all that went wrong."""
    scenarios.counts.clear()
    laws.counts.clear()
    done, wrong = 0, []
    for name, scenario in of_site(pair).items():
        if name.startswith(wanted):
            done += 1
            try:
                scenario(pair)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
    record("simulated sites x versions", 1)
    record("simulated scenarios", done)
    record("simulated plans", scenarios.counts["plans"])
    record("laws of plans and of rest, assertions", sum(laws.counts.values()))
    assert not wrong, "\n".join(wrong)
    assert done, wanted


def parameters(values: list[tuple[str, str]], *, soak: bool) -> list[object]:
    """Names and versions as parameters of a test."""
    marks = [pytest.mark.soak] if soak else []
    return [pytest.param(name, version, id=f"{name}-{version}", marks=marks) for name, version in values]
