# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves as one, by the shipped templates, and by configurations that serve nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import agents
from twinsan.errors import Failure, Misconfigured
from twinsan.operate.drill import unit as units

TEMPLATES = agents.TEMPLATE.parent


def shipped(name: str) -> str:
    """The text of a template."""
    return (TEMPLATES / f"{name}.xml").read_text()


def test_the_pair_with_one_disk() -> None:
    found = units.choose(shipped("san"), None)
    assert (found.resource, found.drbd, found.moved) == ("san", "p_drbd", "g_san")
    assert (found.addresses, found.luns) == ({"p_portal"}, {"p_lun1": "/dev/drbd0"})


def test_what_is_in_no_group_moves_with_its_address() -> None:
    found = units.choose(shipped("two-portals"), "san")
    assert found.moved == min(found.addresses)
    assert len(found.addresses) == 2
    many = units.choose(shipped("many-luns"), None)
    assert len(many.luns) > 1
    assert many.moved in many.addresses


def test_two_resources_are_two_units() -> None:
    assert sorted(unit.resource for unit in units.of(shipped("two-resources"))) == ["data0", "data1"]
    found = units.choose(shipped("two-resources"), "data1")
    assert found.luns == {"p_lun1_data1": "/dev/drbd2"}
    assert found.addresses == {"p_portal_data1"}
    with pytest.raises(Misconfigured, match="several"):
        units.choose(shipped("two-resources"), None)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.xml")), ids=lambda path: path.stem)
def test_every_template_moves_something(path: Path) -> None:
    assert units.of(path.read_text())


def test_a_name_that_is_none() -> None:
    with pytest.raises(Misconfigured, match=r"sand is no DRBD resource of this cluster; those that there are: san$"):
        units.choose(shipped("san"), "sand")


@pytest.mark.parametrize("cib", ["<cib/>", "<cib><configuration><resources/></configuration></cib>"])
def test_a_cluster_that_serves_nothing(cib: str) -> None:
    with pytest.raises(Failure, match="serves nothing"):
        units.choose(cib, None)
