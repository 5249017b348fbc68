# SPDX-License-Identifier: GPL-2.0-or-later
"""What a version of Pacemaker, or a configuration made on an older one, does not know of ours: it is refused as a
whole, and what helps, helps.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit import agents, simulation
from tests.unit.simulation import Cluster

pytestmark = pytest.mark.runs_programs

# What CRM_EX_CONFIG is for the tools.
INVALID = 78


class Live(Cluster):
    """A cluster whose configuration is that of a new one of its version, or of an older schema."""

    def __init__(self, folder: Path, version: str, schema: str = "") -> None:
        template = folder / "empty.xml"
        template.write_text("<cib><configuration/></cib>")
        super().__init__(folder, template, version)
        if schema:
            self._cib.write_text(self._cib.read_text().replace(simulation.VERSIONS[version].schema, schema))
        self.template = folder / "san.xml"
        self.template.write_text(agents.TEMPLATE.read_text())

    def cibadmin(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = self.words("cibadmin", *words)
        return subprocess.run(argv, env=self.variables, capture_output=True, text=True, check=False, timeout=60)

    def load(self) -> int:
        return self.cibadmin("-M", "-c", "-x", str(self.template)).returncode

    def text(self) -> str:
        return self._cib.read_text()


def test_2_0_5_refuses_the_new_names_of_the_roles_and_keeps_what_it_has(tmp_path: Path) -> None:
    live = Live(tmp_path, "2.0.5")
    before = live.text()
    assert live.load() == INVALID
    assert live.text() == before


def test_2_0_5_takes_the_old_names_as_the_documentation_has_them_changed(tmp_path: Path) -> None:
    live = Live(tmp_path, "2.0.5")
    page = (agents.ROOT / "docs" / "templates.md").read_text()
    (command,) = [line.strip() for line in page.splitlines() if line.strip().startswith("sed ")]
    changed = subprocess.run(
        ["/bin/sh", "-c", command.rpartition(">")[0]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert changed == simulation.in_words_of("2.0.5", live.template.read_text())
    live.template.write_text(changed)
    assert live.load() == 0


@pytest.mark.parametrize("version", ["2.1.5", "3.0.0"])
def test_a_configuration_that_was_made_on_2_0_is_upgraded_first(tmp_path: Path, version: str) -> None:
    live = Live(tmp_path, version, "pacemaker-3.5")
    before = live.text()
    assert live.load() == INVALID
    assert live.text() == before
    assert live.cibadmin("--upgrade", "--force").returncode == 0
    assert live.load() == 0


@pytest.mark.parametrize("version", simulation.VERSIONS)
def test_it_leaves_the_schema_of_a_live_configuration_alone(tmp_path: Path, version: str) -> None:
    cluster = Cluster(tmp_path, version=version)
    schema = simulation.VERSIONS[version].schema
    assert f'validate-with="{schema}"' in (tmp_path / "cib.xml").read_text()
    assert cluster.go()
