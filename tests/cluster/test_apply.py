# SPDX-License-Identifier: GPL-2.0-or-later
"""twinsan apply on the pair that serves: what changes under load, what pauses, and what is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machine import Machine
from lab.pair import IQN, RESOURCE, Pair
from tests.cluster import hand
from tests.cluster.test_failover import Load

pytestmark = pytest.mark.soak

_SITE = "/root/site.toml"
_LUN_2 = """
[[resources.san.luns]]
lun = 2
device = "/dev/drbd2"
disk = "/dev/ubdd"
"""
_FILE = f"/etc/drbd.d/{RESOURCE}.res"


@pytest.fixture
def site(project: Path) -> str:
    """The site that the pair was made from: its disks have other names than in the example."""
    return (project / "examples" / "san.toml").read_text().replace('"/dev/sd', '"/dev/ubd')


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering)
    yield running
    running.judge()


def apply(server: Machine, content: str, status: int = 0) -> str:
    """Apply a site file; gives what was printed."""
    server.copy({_SITE: content.encode()})
    result = server.run(f"twinsan apply --yes {_SITE} 2>&1", timeout=600)
    assert result.status == status, result.stdout
    return result.stdout


def version(server: Machine) -> list[str]:
    """The version of the cluster's configuration."""
    found = re.search(r' epoch="(\d+)"', server.succeed("cibadmin --query --no-children"))
    assert found
    return [found[1]]


def session(pair: Pair) -> str:
    """The number of the initiator's session."""
    listed = pair.esx.succeed("iscsiadm -m session")
    return next(line.split()[1] for line in listed.splitlines() if f" {IQN} " in line)


def results(pair: Pair, since: str) -> list[str]:
    """What the controllers have started and stopped."""
    words = f"--since=@{since} --identifier=pacemaker-controld"
    told = [line for server in pair.servers for line in server.journal(words).splitlines()]
    return [line for line in told if re.search(r"Result of (start|stop|promote|demote)", line)]


@contextlib.contextmanager
def second_volume(pair: Pair, content: str) -> Iterator[None]:
    """DRBD's volume of LUN 2 for the time of the body, made as `twinsan apply` says."""
    active = pair.wait_until_serving()
    active.copy({_SITE: content.encode()})
    before = active.read(_FILE)
    rendered = active.succeed(f"twinsan render {_SITE} --only drbd/8.4/{RESOURCE}.res")
    try:
        active.succeed("crm_attribute --name maintenance-mode --update true")
        for each in pair.servers:
            each.copy({_FILE: rendered.replace("MAKE YOUR OWN", "lab").encode()})
            each.succeed(f"drbdadm create-md --force {RESOURCE}/2 </dev/null && drbdadm adjust {RESOURCE}")
        active.wait_until("grep -q '^ *2: cs:Connected' /proc/drbd", "volume 2 is connected", 60)
        active.succeed(f"drbdadm -- --clear-bitmap new-current-uuid {RESOURCE}/2")
        for each in pair.servers:
            each.wait_until("grep '^ *2: ' /proc/drbd | grep -q UpToDate/UpToDate", "volume 2 is equal", 60)
        told = apply(active, content, 1)
        assert "/dev/drbd2 (LUN 2) is Secondary on this node" in told
        active.succeed(f"drbdadm primary {RESOURCE}")
        active.succeed("crm_attribute --name maintenance-mode --delete")
        yield
    finally:
        # DRBD 8.4 takes no volume away from a Primary.
        active = pair.wait_until_serving()
        for each in (pair.peer_of(active), active):
            each.copy({_FILE: before.encode()})
            if each is active:
                pair.move(pair.peer_of(active))
                each.wait_until(f"drbdadm role {RESOURCE} | grep -q ^Secondary", f"{each} is Secondary", 60)
            each.succeed(f"drbdadm adjust {RESOURCE}")


def test_the_site_of_what_runs_changes_nothing(pair: Pair, active: Machine, site: str) -> None:
    before = version(active)
    assert "nothing differs" in apply(active, site)
    assert version(active) == before
    assert active.run(f"twinsan render --diff {_SITE}").status == 0


def test_a_reloadable_change_pauses_nothing(pair: Pair, active: Machine, site: str, load: Load) -> None:
    since, old = active.succeed("date +%s.%N").strip(), session(pair)
    place = f"{hand.CONFIGFS}/core/iblock_*/san-lun1-*/attrib/max_unmap_lba_count"
    changed = site.replace("\nlun = 1\n", "\nlun = 1\nmax_unmap_lba_count = 8192\n", 1)
    assert changed != site
    active.copy({_SITE: changed.encode()})
    shown = active.run(f"twinsan render --diff {_SITE}")
    assert shown.status == 3
    assert shown.stdout.startswith("Interrupts nothing:"), shown.stdout
    for content, value in ((changed, 8192), (site, 65536)):
        told = apply(active, content)
        assert "That interrupts no LUN." in told
        active.wait_until(f"grep -qx {value} {place}", "the LUN has its limit", 1)
        load.wait_for_writes()
    assert results(pair, since) == []
    assert session(pair) == old


def test_a_lun_comes_and_goes_under_load(recovering: Pair, active: Machine, site: str, load: Load) -> None:
    pair, before = recovering, version(active)
    refused = apply(active, site + _LUN_2, 1)
    assert "/dev/drbd2 (LUN 2) is no volume of DRBD on this node" in refused
    assert version(active) == before
    with second_volume(pair, site + _LUN_2):
        _is_refused_if_changed_meanwhile(active)
        told = apply(active, site + _LUN_2)
        assert "restart p_portal" in told
        load.wait_for_writes()
        pair.esx.succeed("iscsiadm -m session --rescan")
        pair.esx.wait_until("ls /sys/class/scsi_device/*:2/device/block", "LUN 2 is seen", 30)
        old, since = session(pair), active.succeed("date +%s.%N").strip()
        pair.esx.succeed("for unit in /sys/class/scsi_device/*:2/device; do echo 1 >$unit/delete; done")
        told = apply(active, site)
        assert "That interrupts 1 LUN: p_lun2" in told
        load.wait_for_writes()
        stopped = results(pair, since)
        assert len(stopped) == 1, stopped
        assert "stop" in stopped[0]
        assert "p_lun2" in stopped[0]
        assert session(pair) == old
        assert "p_lun2" not in active.succeed("cibadmin --query --scope configuration")
        assert pair.serving() is active, "a new volume has moved the SAN"
    assert "nothing differs" in apply(active, site)


def _is_refused_if_changed_meanwhile(server: Machine) -> None:
    """Somebody else sets an option while the operator reads the question. The site is that of the second LUN."""
    out = "/run/apply.out"
    server.succeed(f"rm -f {out}; touch {out}")
    meanwhile = f"until grep -q 'Change this' {out}; do sleep 0.2; done; crm_attribute --name batch-limit --update 30"
    result = server.run(f'({meanwhile} >&2; echo y; sleep 5) | script -qefc "twinsan apply {_SITE}" {out} 2>&1')
    try:
        told = server.read(out)
        assert result.status == 1, told
        assert "has changed meanwhile" in told
        assert "batch-limit" in told
        assert "p_lun2" not in server.succeed("cibadmin --query --scope configuration")
    finally:
        server.succeed("crm_attribute --name batch-limit --delete")
