# SPDX-License-Identifier: GPL-2.0-or-later
"""The files beside the cluster's configuration: DRBD, corosync, SBD, and what to type on the hosts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit import agents
from tests.unit.site import sites
from twinsan.site import corosync, drbd, files, hosts, sbd

PARSERS = {
    "8.4": ("/usr/lib/drbd/drbdadm-84", "/lib/drbd/drbdadm-84"),
    "9": ("/usr/sbin/drbdadm", "/sbin/drbdadm"),
}


@pytest.mark.parametrize("version", drbd.VERSIONS)
def test_the_shipped_file_of_drbd_is_that_of_the_site_file(version: str) -> None:
    site = sites.site(sites.text())
    shipped = (agents.ROOT / "drbd" / version / "san.res").read_text()
    assert drbd.text(site.resources[0], site, version) == shipped


@pytest.mark.runs_programs
@pytest.mark.parametrize("version", PARSERS)
@pytest.mark.parametrize("name", [path.stem for path in sites.SHIPPED])
def test_drbd_reads_each_file_on_both_nodes(tmp_path: Path, name: str, version: str) -> None:
    disk = 'disk = "/dev/sdb"\n', 'disk = { atlas = "/dev/sdb", zeus = "/dev/nvme0n1" }\n'
    site = sites.site(sites.changed(name, *([disk] if name != "data0" else [])))
    parser = next(filter(None, map(shutil.which, PARSERS[version])), None)
    assert parser is not None, f"no parser of DRBD {version} is installed; type: apt-get install drbd-utils"
    for resource in site.resources:
        path = tmp_path / f"{resource.name}.res"
        path.write_text(drbd.text(resource, site, version).replace("MAKE YOUR OWN", "secret"))
        for node in site.nodes:
            dumped = subprocess.run(
                [parser, "-c", str(path), "dump", resource.name],
                env={**os.environ, "__DRBD_NODE__": node.name},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert dumped.returncode == 0, dumped.stderr
            words = " ".join(dumped.stdout.split())
            assert f"{node.replication}:{resource.port}" in words
            for volume in resource.volumes:
                assert volume.device in words
                assert f"{volume.disks[node.name]};" in words
            assert "fencing resource-and-stonith;" in words


def settings(text: str) -> str:
    """A corosync.conf without its comments and empty lines."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))


@pytest.mark.parametrize(("name", "shipped"), [("san", "corosync.conf"), ("san-qnetd", "corosync-qnetd.conf")])
def test_a_shipped_corosync_conf_is_that_of_its_site_file(name: str, shipped: str) -> None:
    text = (agents.ROOT / "examples" / shipped).read_text()
    assert settings(corosync.text(sites.site(sites.text(name)))) == settings(text)


def test_a_third_vote_is_in_the_quorum_and_asks_for_the_target() -> None:
    text = settings(corosync.text(sites.site(sites.text("sbd-diskless"))))
    assert "two_node" not in text
    assert "host: 10.0.6.14" in text
    assert "iscsi/iqn.2003-01.org.example:san/tpgt_1/enable" in text
    assert text.count("{") == text.count("}")


def test_the_vote_goes_to_the_node_with_the_most_important_target() -> None:
    witness = "[resources.data0]", '[witness]\nhost = "10.0.6.14"\n\n[resources.data0]'
    content = sites.changed(
        "two-resources", witness, ("priority = 10 ", ""), ("port = 7790", "port = 7790\npriority = 5")
    )
    assert "example:data1/tpgt_1" in corosync.text(sites.site(content))


def test_a_watchdog_without_a_disk_waits_longer_than_the_vote_may_take() -> None:
    site = sites.site(sites.text("sbd-diskless"))
    vote = re.search(r"^ {8}sync_timeout: (\d+)", corosync.text(site), re.MULTILINE)
    watchdog = re.search(r"^SBD_WATCHDOG_TIMEOUT=(\d+)", sbd.text(site), re.MULTILINE)
    assert vote
    assert watchdog
    assert int(watchdog[1]) * 1000 > int(vote[1])
    (cib,) = [file.text for file in files.of(site) if file.name == "cib.xml"]
    assert f'name="stonith-watchdog-timeout" value="{2 * int(watchdog[1])}s"' in cib


def test_an_sbd_disk_is_named_in_both_files() -> None:
    site = sites.site(sites.text("sbd-disk"))
    (disk,) = site.fencing.devices
    assert f'SBD_DEVICE="{disk}"' in sbd.text(site)
    assert f'name="devices" value="{disk}"' in next(file.text for file in files.of(site) if file.name == "cib.xml")


def test_sbd_is_there_where_it_is_used() -> None:
    for path in sites.SHIPPED:
        names = [file.name for file in files.of(sites.load(path))]
        assert ("sbd" in names) == path.stem.startswith("sbd-")
        assert len(names) == len(set(names))


@pytest.mark.parametrize("text", [hosts.esxi, hosts.linux, hosts.windows])
def test_a_host_is_told_each_address_and_the_reason_of_each_value(text: object) -> None:
    assert callable(text)
    for name in ("two-resources", "two-portals"):
        site = sites.site(sites.text(name))
        told = text(site)
        for resource in site.resources:
            for portal in resource.portals:
                assert portal.address in told
        # A value is set below a comment, or below another value of the same comment.
        paragraphs = [each for each in told.split("\n\n") if "set" in each.lower() and "=" in each]
        assert all(each.lstrip().startswith("#") for each in paragraphs)


def test_a_host_with_several_paths_gives_one_up_soon() -> None:
    """And waits where all are lost. multipathd sets the time itself; a disk with one path keeps the long one."""
    one, two = (hosts.linux(sites.site(sites.text(name))) for name in ("san", "two-portals"))
    assert all("replacement_timeout -v 120" in text for text in (one, two))
    assert "multipath" not in one
    assert {"no_path_retry queue", "fast_io_fail_tmo 5"} <= {line.strip() for line in two.splitlines()}


def test_multipath_knows_the_disks_by_their_names_in_inquiry() -> None:
    change = "lun = 1", "lun = 1\nvendor_id = 'A.(B}'\nproduct_id = 'my disk'"
    told = hosts.linux(sites.site(sites.changed("two-portals", change)))
    assert re.findall('(vendor|product) "(.*)"', told) == [("vendor", "A..B."), ("product", "my disk")]


def test_the_example_has_at_most_forty_lines() -> None:
    text = sites.text("data0")
    assert len(text.splitlines()) <= 40
    assert all(word in text for word in ("atlas", "zeus", "data0", "/dev/sda5", "10.0.5.2", "10.0.5.3"))


def test_the_readme_shows_the_example_as_it_is() -> None:
    shown = "".join(f"    {line}".rstrip() + "\n" for line in sites.text("data0").splitlines())
    assert shown in (agents.ROOT / "README.md").read_text()
