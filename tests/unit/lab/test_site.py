# SPDX-License-Identifier: GPL-2.0-or-later
"""A site file of examples/ as the lab has it."""

from __future__ import annotations

import re
import subprocess

import pytest

from lab import site
from lab.errors import LabError
from lab.served import Served, volumes_are

pytestmark = pytest.mark.runs_programs


def test_a_site_file_has_the_disks_and_the_password_of_the_lab() -> None:
    made = site.load("two-resources.toml")
    disks = [re.findall(r" disk +(\S+);", made.files[f"drbd/8.4/{served.name}.res"]) for served in made.served]
    assert disks == [["/dev/ubdb", "/dev/ubdc"], ["/dev/ubdd", "/dev/ubde"]]
    assert made.disks_mb == (128, 160, 128, 160)
    assert all(f'name="password_script" value="{path}"' in made.files["cib.xml"] for path in site.PROGRAMS)
    assert 'name="password" ' not in made.files["cib.xml"]


def test_what_a_site_file_serves_has_the_names_of_the_cluster() -> None:
    first, second = site.load("two-resources.toml").served
    assert first.portals == ("10.0.5.50",)
    assert second == Served(
        "data1", "_data1", "iqn.2003-01.org.example:data1", ("10.0.5.51",), minors=(2, 3), state="/dev/drbd3"
    )
    assert second.moved == "g_san_data1"
    (several,) = site.load("two-portals.toml").served
    assert (several.portals, several.moved) == (("10.0.5.50", "10.0.7.50"), "p_portal")


def test_other_words_of_a_site_file() -> None:
    preferred = 'preferred = "zeus"'
    score = r'rsc="g_san_data1" node="zeus" score="(\d+)"'
    for changes, expected in ((), "50"), (((preferred, f"{preferred}\nfailback = true"),), "300"):
        assert re.findall(score, site.load("two-resources.toml", *changes).files["cib.xml"]) == [expected]
    with pytest.raises(LabError, match="has no 'preferred = \"nobody\"'"):
        site.load("data0.toml", ('preferred = "nobody"', ""))


def test_volumes_in_a_state_are_counted() -> None:
    text = " 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C\n 1: cs:StandAlone ro:Primary/Unknown\n"
    text += "10: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C\n"
    for minors, status in ((0,), 0), ((0, 10), 0), ((0, 1), 1), ((1,), 1), ((2,), 1):
        command = volumes_are("cs:Connected", minors).replace("/proc/drbd", "-")
        assert subprocess.run(["sh", "-c", command], input=text.encode(), check=False).returncode == status
