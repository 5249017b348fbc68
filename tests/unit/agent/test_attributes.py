# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/attributes.md against trees recorded on real kernels, and against what the agents set and compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs
from twinsan.disk import fingerprint
from twinsan.lio import chap, storage_attributes
from twinsan.lio import target as lio_target
from twinsan.lio.lun import Lun
from twinsan.ocf.environment import Environment

IQN = "iqn.2003-01.org.example:san"
TARGET = {"iqn": IQN, "portals": "10.0.5.50", "allowed_initiators": "iqn.1998-01.com.vmware:esx1"}
LUN = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}

_SECTIONS = {
    "Storage object": "storage",
    "ALUA group of a storage object": "storage",
    "LUN": "unit",
    "Portal group": "group",
    "Target": "target",
}


def table() -> dict[tuple[str, str], str]:
    """What becomes of each attribute, by its kind of object and its name."""
    found: dict[tuple[str, str], str] = {}
    kind = ""
    for line in (agents.ROOT / "docs" / "attributes.md").read_text().splitlines():
        kind = _SECTIONS[line[3:]] if line.startswith("## ") else kind
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if kind and cells[0].startswith("`"):
            name = (kind, cells[0].strip("`"))
            assert name not in found
            assert len(cells) == 4
            assert all(cells)
            found[name] = cells[2]
    return found


def test_every_attribute_of_a_recorded_kernel_has_its_row() -> None:
    kernels = [fake_configfs.objects(release) for release in ("6.1", "6.12", "7.3")]
    recorded = {(kind, name) for kernel in kernels for kind in set(_SECTIONS.values()) for name in kernel[kind]}
    assert recorded == set(table())
    assert set(table().values()) == {"set", "identity", "compared", "passing", "not"}


@pytest.fixture
def lun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lun:
    """A LUN as configured, served by the newest kernel."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    fake_configfs.install(monkeypatch, tmp_path, "7.3")
    assert agents.Runner("lio-iscsi-target", **TARGET)("start") == 0
    run = agents.Runner("lio-lun", **LUN)
    assert run("start") == 0
    variables = {f"OCF_RESKEY_{name}": value for name, value in LUN.items()}
    plan: Lun = run.agent(Environment(variables), "monitor")._plan()  # type: ignore[attr-defined]
    return plan


def test_what_is_said_to_be_set_is_set(lun: Lun) -> None:
    said = {name for (kind, name), what in table().items() if kind == "storage" and what == "set"}
    planned = {f"attrib/{name}" for name in storage_attributes.planned(lun.storage)}
    own = {"alias", "control", "enable", "udev_path", "wwn/product_id", "wwn/vendor_id"}
    assert said == planned | own

    said = {name for (kind, name), what in table().items() if kind == "group" and what == "set"}
    target = lio_target.Target(IQN, (), ())
    planned = {f"attrib/{name}" for name in lio_target.planned_attributes(target)}
    planned |= {f"param/{name}" for name in target.parameters} | {f"auth/{name}" for name in chap.NONE.values()}
    assert said == planned | {"enable"}


def test_what_is_said_to_be_compared_is_compared(lun: Lun) -> None:
    taken = fingerprint.read(lun, "atlas")
    brief = {name.rpartition("/")[2]: what for (kind, name), what in table().items() if kind in ("storage", "group")}
    own = {"capacity", "lun", "naa", "minimum_io_size", "optimal_io_size", "physical_block_size", "reservations_in"}
    assert set(taken.fields) - own <= set(brief)
    for name, what in brief.items():
        counted = name in taken.fields and name not in taken.configured and name not in fingerprint.VOLATILE
        assert counted == (what in ("identity", "compared")), name
    assert {name for name, what in brief.items() if what == "passing"} == set(fingerprint.VOLATILE)
    assert all(fingerprint.Difference(name, "0", "1").destructive for name, what in brief.items() if what == "identity")


@pytest.mark.parametrize("release", ["6.1", "6.12", "7.3"])
def test_what_is_absent_from_an_older_kernel_is_off(
    lun: Lun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str
) -> None:
    newest = fingerprint.read(lun, "atlas")
    (tmp_path / "older").mkdir()
    fake_configfs.install(monkeypatch, tmp_path / "older", release)
    assert agents.Runner("lio-iscsi-target", **TARGET)("start") == 0
    assert agents.Runner("lio-lun", **LUN)("start") == 0
    older = fingerprint.read(lun, "zeus")
    changes = [str(change) for change in older.differences(newest)]
    assert changes == (["emulate_rsoc is 0 instead of 1"] if release == "6.1" else [])
    assert len(newest.differences(older)) == len(changes)
