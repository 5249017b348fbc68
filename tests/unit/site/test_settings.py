# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings in files of DRBD, corosync and SBD, to compare them."""

from __future__ import annotations

import pytest

from tests.unit.site import sites
from twinsan.site import corosync, drbd, sbd, settings

SITE = sites.site(sites.text())
RESOURCE = SITE.resources[0]


@pytest.mark.parametrize("version", drbd.VERSIONS)
def test_a_file_of_drbd_with_a_secret_and_without_comments_is_the_same(version: str) -> None:
    text = drbd.text(RESOURCE, SITE, version)
    present = drbd.with_secret(text, '"9f86d081884c7d65"')
    assert settings.secret(present) == '"9f86d081884c7d65"'
    plain = " ".join(line.partition("#")[0] for line in present.splitlines())
    assert settings.differences("san.res", plain, text, settings.of_drbd) == []


@pytest.mark.parametrize("version", drbd.VERSIONS)
def test_what_differs_has_its_place(version: str) -> None:
    text = drbd.text(RESOURCE, SITE, version)
    other = (
        text.replace("/dev/sdb;", "/dev/sdz;")
        .replace("max-buffers    8000;", "")
        .replace("ko-count       20", "ko-count 7")
    )
    found = settings.differences("san.res", other, text, settings.of_drbd)
    assert [(each.sign, each.attribute, each.old, each.new) for each in found] == [
        ("~", "resource san / volume 0 / disk", "/dev/sdz", "/dev/sdb"),
        ("~", "resource san / net / ko-count", "7", "20"),
        ("+", "resource san / net / max-buffers", None, "8000"),
    ]


def test_a_secret_is_no_setting() -> None:
    found = settings.of_drbd('resource r0 { net { shared-secret "a; {b}"; protocol C; } }')
    assert found == {"resource r0": "", "resource r0 / net": "", "resource r0 / net / protocol": "C"}
    assert settings.secret("  # shared-secret x;\n  shared-secret  abc ;\n") == "abc"
    assert settings.secret("resource r0 { }") == ""


def test_a_secret_where_drbd_would_not_read_it_is_no_setting() -> None:
    assert "hunter2" not in str(settings.of_drbd('resource r0 { net { protocol C shared-secret "hunter2"; } }'))


def test_the_key_of_corosync_is_not_shown() -> None:
    text = corosync.text(SITE).replace("token: 3000", "token: 3000\n  key: hunter2")
    (change,) = settings.differences("corosync.conf", text, corosync.text(SITE), settings.of_corosync)
    assert (change.attribute, change.old, change.new) == ("totem / key", "(secret)", None)


def test_corosync_has_its_nodes_apart() -> None:
    text = corosync.text(SITE)
    found = settings.of_corosync(text)
    assert found["totem / token"] == "3000"
    assert found["nodelist / node 1 / name"] == "atlas"
    assert found["nodelist / node 2 / ring0_addr"] == SITE.nodes[1].links[0]
    other = text.replace("token: 3000", "token:5000").replace("#", "# #")
    (change,) = settings.differences("corosync.conf", other, text, settings.of_corosync)
    assert (change.attribute, change.old, change.new) == ("totem / token", "5000", "3000")


def test_sbd_may_have_quotes() -> None:
    text = sbd.text(sites.site(sites.text("sbd-disk")))
    quoted = text.replace("SBD_WATCHDOG_TIMEOUT=5", "SBD_WATCHDOG_TIMEOUT='5'")
    assert quoted != text
    assert settings.differences("sbd", quoted, text, settings.of_sbd) == []
    assert settings.of_sbd(text)["SBD_WATCHDOG_TIMEOUT"] == "5"


@pytest.mark.parametrize("text", ["", "}", "}}}{", "a;", ";;;", '"', "resource", "{ { {", "x = y }", "key"])
def test_a_file_of_anything_is_read(text: str) -> None:
    for read in (settings.of_drbd, settings.of_corosync, settings.of_sbd):
        assert isinstance(read(text), dict)
