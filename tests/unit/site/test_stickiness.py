# SPDX-License-Identifier: GPL-2.0-or-later
"""What serves stays where it is, but not on a node whose data is not complete: a limit of the site file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.site import laws, scenarios, sites
from tests.unit.site.pair import Pair
from twinsan.site import cib
from twinsan.site.model import STICKINESS, Site

# Above every promotion score, for each single resource.
_TOO_MUCH = 10001


def _site(name: str, more: str, policy: str = "") -> Site:
    text = sites.text(name).replace("[resources.san]\n", f"{policy}\n[resources.san]\n{more}\n", 1)
    return sites.site(text)


def _pair(folder: Path, site: Site, stickiness: int) -> Pair:
    """A pair with another stickiness than that of the site. A preference grows with it."""
    text = cib.text(site)
    for identity in ("resource-stickiness", "prefers"):
        for old in re.findall(rf'id="[^"]*-{identity}[^"]*"[^>]*(?:value|score)="(\d+)"', text):
            new = str(int(old) * stickiness // site.stickiness)
            text = re.sub(rf'(id="[^"]*-{identity}[^"]*"[^>]*(?:value|score))="{old}"', rf'\1="{new}"', text)
    path = folder / "of-site.xml"
    path.write_text(text)
    return Pair(folder, path, site)


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("more", ["", 'preferred = "atlas"', 'preferred = "atlas"\nfailback = true'])
@pytest.mark.parametrize("name", ["san", "many-luns", pytest.param("two-portals", marks=pytest.mark.soak)])
def test_a_node_without_complete_data_keeps_nothing(tmp_path: Path, name: str, more: str) -> None:
    most = _site(name, more).resources[0].most_stickiness
    site = _site(name, more, f"[policy]\nstickiness = {most}")
    for stickiness, moves in ((most, True), (_TOO_MUCH, False)):
        pair = _pair(tmp_path, site, stickiness)
        serves = scenarios.begin_settled(pair)["san"]
        pair.outdate(serves)
        scenarios.settle(pair)
        assert scenarios.serving(pair, pair.site.resources[0]) == (laws.OTHER[serves] if moves else serves)


def test_many_luns_have_less_by_default() -> None:
    def with_luns(count: int) -> Site:
        luns = [
            f'[[resources.san.luns]]\nlun = {number}\ndevice = "/dev/drbd{number}"\ndisk = "/dev/mapper/lun{number}"\n'
            for number in range(5, count + 1)
        ]
        return sites.site(sites.text("many-luns") + "".join(luns))

    assert [with_luns(count).stickiness for count in (4, 22, 23, 32)] == [STICKINESS, STICKINESS, 97, 70]
