# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves as one, by the shipped templates, and by configurations that serve nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import agents
from twinsan.errors import Failure, Misconfigured
from twinsan.operate.drill import unit as units
from twinsan.operate.drill.unit import Unit
from twinsan.operate.facts import services
from twinsan.operate.facts.configuration import Configuration

TEMPLATES = agents.TEMPLATE.parent
EMPTY = "<cib><configuration><resources/></configuration></cib>"


def choose(cib: str, name: str | None = None) -> Unit:
    """The unit of a configuration."""
    configuration = Configuration(cib)
    return units.choose(services.find(configuration, None, []), configuration, name)


def shipped(name: str) -> str:
    """A template as the CIB of a cluster."""
    return f"<cib>{(TEMPLATES / f'{name}.xml').read_text().partition('<cib')[2].partition('>')[2]}"


def test_the_pair_with_one_disk() -> None:
    found = choose(shipped("san"))
    assert (found.resource, found.drbd, found.moved) == ("san", "p_drbd", "g_san")
    assert (found.addresses, found.luns) == ({"p_portal"}, {"p_lun1": "/dev/drbd0"})


def test_what_is_in_no_group_moves_with_its_address() -> None:
    found = choose(shipped("two-portals"), "san")
    assert len(found.addresses) == 2
    assert found.moved in found.addresses
    many = choose(shipped("many-luns"))
    assert len(many.luns) > 1
    assert many.moved in many.addresses


def test_two_resources_are_two_units() -> None:
    found = choose(shipped("two-resources"), "data1")
    assert found.luns == {"p_lun1_data1": "/dev/drbd2"}
    assert found.addresses == {"p_portal_data1"}
    with pytest.raises(Misconfigured, match="--resource data0 or data1"):
        choose(shipped("two-resources"))


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.xml")), ids=lambda path: path.stem)
def test_every_template_moves_something(path: Path) -> None:
    assert choose(shipped(path.stem), "data0" if path.stem == "two-resources" else None).luns


def test_a_name_that_is_none() -> None:
    with pytest.raises(Misconfigured, match=r"sand is no DRBD resource of this cluster; those that there are: san$"):
        choose(shipped("san"), "sand")


def test_a_cluster_that_serves_nothing() -> None:
    with pytest.raises(Failure, match="serves nothing"):
        choose(EMPTY)
