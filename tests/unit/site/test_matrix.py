# SPDX-License-Identifier: GPL-2.0-or-later
"""Sites, versions of Pacemaker, and all that may happen to a pair: every plan obeys the laws, nothing is touched that
need not be, and all is served at the end.

`make check` validates the shipped sites on all versions. `make test` simulates them in short, on the newest version,
and two of them on the oldest, `make soak` all sites on all versions.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from lab import pacemaker_tools
from tests.unit import simulation
from tests.unit.site import simulated_sites
from tests.unit.site.simulated_sites import MADE, SHIPPED, Record, parameters
from tests.unit.site.test_cib import as_live

pytestmark = pytest.mark.runs_programs

VERSIONS = list(simulation.VERSIONS)
ALL = [(name, version) for name in (*SHIPPED, *MADE) for version in VERSIONS]
OLDEST, *_, NEWEST = VERSIONS
# What `make test` simulates, in short; data0 is as san.
IN_SHORT = [(name, NEWEST) for name in (*SHIPPED, MADE[0]) if name != "data0"]
IN_SHORT += [("san", OLDEST), ("many-luns", OLDEST)]
SHORT = ("cold start", "lost atlas", "quorum lost", "without data")
EVERYTHING = ("",)


@pytest.mark.parametrize(("name", "version"), parameters([each for each in ALL if each[0] in SHIPPED], soak=False))
def test_it_is_valid_and_crm_verify_says_nothing(tmp_path: Path, name: str, version: str) -> None:
    known = simulation.VERSIONS[version]
    tree = etree.fromstring(simulation.in_words_of(version, simulated_sites.template(name)))
    schema = pacemaker_tools.schemas(version) / f"{known.schema}.rng"
    relaxng = etree.RelaxNG(etree.parse(schema))
    assert relaxng.validate(as_live(tree, schema)), relaxng.error_log
    simulated_sites.pair(tmp_path, name, version).verify()


@pytest.mark.long
@pytest.mark.parametrize(("name", "version"), parameters(IN_SHORT, soak=False))
def test_it_starts_and_outlives_a_node(tmp_path: Path, name: str, version: str, record_property: Record) -> None:
    simulated_sites.run(simulated_sites.pair(tmp_path, name, version), SHORT, record_property)


@pytest.mark.parametrize(("name", "version"), parameters(ALL, soak=True))
def test_all_that_may_happen(tmp_path: Path, name: str, version: str, record_property: Record) -> None:
    simulated_sites.run(simulated_sites.pair(tmp_path, name, version), EVERYTHING, record_property)
