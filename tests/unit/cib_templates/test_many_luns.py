# SPDX-License-Identifier: GPL-2.0-or-later
"""Many LUNs as a set: they start and stop side by side, after promotion and target, and before the address."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from lab import luns
from tests.unit.simulation import Cluster

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

COUNT = 4
LUNS = [f"p_lun{number}" for number in range(1, COUNT + 1)]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    template = tmp_path / "luns.xml"
    template.write_text(luns.configuration(COUNT))
    return Cluster(tmp_path, template)


def down(node: str) -> list[str]:
    return [f"p_portal stop on {node}", *(f"{lun} stop on {node}" for lun in LUNS), f"p_drbd demote on {node}"]


def up(node: str) -> list[str]:
    return [f"p_drbd promote on {node}", *(f"{lun} start on {node}" for lun in LUNS), f"p_portal start on {node}"]


def test_each_has_a_number_and_a_device_of_its_own() -> None:
    cib = etree.fromstring(luns.configuration(luns.MOST).encode())
    found = [
        {str(pair.get("name")): pair.get("value") for pair in primitive.iterfind("instance_attributes/nvpair")}
        for primitive in cib.iter("primitive")
        if primitive.get("type") == "lio-lun"
    ]
    assert len({each["lun"] for each in found}) == len({each["path"] for each in found}) == luns.MOST
    ids = [each.get("id") for each in cib.iter("*") if each.get("id") and each.tag != "resource_ref"]
    assert len(ids) == len(set(ids))
    for tag in ("rsc_order", "rsc_colocation"):
        for constraint in cib.iter(tag):
            assert "g_san" not in constraint.attrib.values()


def test_a_switchover_has_all_luns_between_promotion_and_address(cluster: Cluster) -> None:
    assert cluster.go()[-COUNT - 2 :] == up("atlas")
    cluster.move("zeus", "p_portal")
    assert cluster.go() == [*down("atlas"), *up("zeus")]
    assert cluster.go() == []


def test_the_survivor_of_a_power_cut_serves_all(cluster: Cluster) -> None:
    cluster.go()
    cluster.lose("atlas")
    assert cluster.go() == ["fence atlas", *up("zeus")]


def test_a_lun_that_fails_restarts_no_other_lun(cluster: Cluster) -> None:
    """But the address: a LUN must not go while initiators reach it."""
    cluster.go()
    assert cluster.go(inject="p_lun2_monitor_10000@atlas=1") == [
        "p_portal stop on atlas",
        "p_lun2 stop on atlas",
        "p_lun2 start on atlas",
        "p_portal start on atlas",
    ]


def test_a_start_that_failed_once_is_tried_again_where_it_failed(cluster: Cluster) -> None:
    assert "p_portal start on atlas" not in cluster.go("p_lun2_start_0@atlas=1")
    again = cluster.go()
    assert again[-1] == "p_portal start on atlas"
    assert not any(action.startswith(("p_lun1 stop", "p_drbd demote")) for action in again)


def test_a_lun_that_cannot_start_moves_all(cluster: Cluster) -> None:
    cluster.go("p_lun2_start_0@atlas=5")
    assert cluster.go()[-COUNT - 2 :] == up("zeus")
