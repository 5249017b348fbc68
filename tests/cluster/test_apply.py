# SPDX-License-Identifier: GPL-2.0-or-later
"""twinsan apply on the pair that serves: what changes under load, what pauses, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import bare, counts
from lab.machine import Machine
from lab.pair import IQN, RESOURCE, Pair
from tests.cluster import hand
from tests.cluster.test_failover import Load
from twinsan.operate.change import maintenance

pytestmark = [pytest.mark.procedure, pytest.mark.usefixtures("nothing_remembered")]

_SITE = "/root/site.toml"
# The spare disks of the lab, of 8 MiB.
_LUN = """
[[resources.san.luns]]
lun = {0}
device = "/dev/drbd{0}"
disk = "{1}"
"""
_LUN_2, _LUN_3 = _LUN.format(2, "/dev/ubdd"), _LUN.format(3, "/dev/ubde")
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


@pytest.fixture
def with_ssh(recovering: Pair) -> Iterator[Pair]:
    """New servers that reach each other by ssh; for the tests after this one they do not."""
    bare.with_ssh(recovering)
    yield recovering
    bare.part(recovering)


@pytest.fixture
def long_load(with_ssh: Pair) -> Iterator[Load]:
    running = Load(with_ssh, seconds=1800)
    yield running
    running.judge()


def apply(server: Machine, content: str, status: int = 0, words: str = "") -> str:
    """Apply a site file; gives what was printed."""
    server.copy({_SITE: content.encode()})
    result = server.run(f"twinsan apply --yes {words} {_SITE} 2>&1", timeout=600)
    print(result.stdout)
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


def test_a_lun_comes_and_goes_under_load(with_ssh: Pair, long_load: Load, site: str) -> None:
    """In one command each, its volume in DRBD included. The SAN does not move, and the new LUN moves with it later."""
    pair, load = with_ssh, long_load
    active = pair.wait_until_serving()
    passive, before = pair.peer_of(active), version(active)
    _is_refused_without_ssh(active, site + _LUN_2)
    assert version(active) == before
    since, old = active.succeed("date +%s.%N").strip(), session(pair)
    told = apply(active, site + _LUN_2)
    _judge_new_volume(pair, active, told, since, load)
    assert "nothing has to be copied" in told
    assert session(pair) == old
    assert "nothing differs" in apply(passive, site + _LUN_2)
    disk = _found(pair, 2)
    pair.esx.succeed(f"printf '%-4096s' written | dd of={disk} bs=4096 count=1 oflag=direct,sync status=none")

    # One whose disk has something on it, and a command that is killed when DRBD has the volume without data.
    passive.succeed("mkfs.ext4 -q -F /dev/ubde && dd if=/dev/urandom of=/dev/ubde bs=1M seek=4 count=1 status=none")
    both, words = site + _LUN_2 + _LUN_3, f"--overwrite {passive}:/dev/ubde"
    refused = apply(active, both, 1)
    assert words in refused
    since = active.succeed("date +%s.%N").strip()
    _is_killed_in_maintenance(pair, active, words)
    _is_taken_back_by_hand(pair, active)
    load.wait_for_writes()
    _is_killed_in_maintenance(pair, active, words)
    load.wait_for_writes()
    told = apply(active, both, words=words)
    assert "copies san/3" in told
    assert "which twinsan apply has set for a new volume" in told
    _judge_new_volume(pair, active, told, since, load)
    for each in pair.servers:
        each.wait_until("grep '^ *3: ' /proc/drbd | grep -q UpToDate/UpToDate", "volume 3 is copied", 60)
    pair.wait_until_settled()
    # With several LUNs there is no group that could be moved; what is last takes all others along.
    passive.succeed(f"crm_resource --resource p_portal --move --node {passive}")
    pair.wait_until_serving(on=passive)
    passive.succeed("crm_resource --resource p_portal --clear")
    counts.add(counts.SWITCHOVERS)
    read = f"dd if={disk} bs=4096 count=1 iflag=direct status=none"
    pair.esx.wait_until(f"{read} | grep -q written", "LUN 2 is read from the other server", 60)
    load.wait_for_writes()

    _goes(pair, passive, site, load)
    _is_taken_away(pair, site)


def _is_refused_without_ssh(server: Machine, content: str) -> None:
    server.succeed("mv /root/.ssh/id_ed25519 /root/.ssh/off")
    refused = apply(server, content, 1)
    assert "ssh-copy-id root@" in refused
    assert "drbdadm create-md san/2" in refused
    server.succeed("mv /root/.ssh/off /root/.ssh/id_ed25519")


def _judge_new_volume(pair: Pair, active: Machine, told: str, since: str, load: Load) -> None:
    """The SAN has not moved, the LUN has started, and the cluster is as before."""
    load.wait_for_writes()
    found = results(pair, since)
    assert pair.serving() is active, "a new volume has moved the SAN"
    assert not [line for line in found if "promote" in line or "demote" in line], found
    assert all("p_lun" in line or "p_portal" in line for line in found), found
    assert "restart p_portal" in told
    assert "iscsiadm -m session --rescan" in told
    assert "twinsan-maintenance" not in active.succeed("cibadmin --query")
    assert active.run("crm_attribute --quiet --query --name maintenance-mode").stdout.strip() in ("", "false")
    seconds = re.search(r"Maintenance mode has ended, after (\d+) s", told)
    began = float(since)
    writes = [each for each in load.writes() if each.end > began]
    pauses = [after.end - each.end for each, after in zip(writes, writes[1:])]
    took = seconds[1] if seconds else "no"
    print(f"maintenance mode: {took} s; the longest pause of {len(writes)} writes: {max(pauses):.1f} s")


def _found(pair: Pair, lun: int) -> str:
    """The initiator finds a new LUN; gives its disk."""
    pair.esx.succeed("iscsiadm -m session --rescan")
    place = f"/sys/class/scsi_device/*:{lun}/device/block"
    pair.esx.wait_until(f"ls {place}", f"LUN {lun} is seen", 30)
    return "/dev/" + pair.esx.succeed(f"ls {place}").strip()


def _is_killed_in_maintenance(pair: Pair, server: Machine, words: str) -> None:
    """The command is killed as soon as DRBD has the volume; the SAN goes on to serve."""
    log = "/root/apply.log"
    server.succeed(
        f"twinsan apply --yes {words} {_SITE} >{log} 2>&1 & pid=$!; "
        "until grep -q '^ *3: cs:[^U]' /proc/drbd; do kill -0 $pid || exit 9; done; kill -KILL $pid",
        timeout=300,
    )
    print(server.read(log))
    assert server.succeed("crm_attribute --quiet --query --name maintenance-mode").strip() == "true"
    assert pair.serving() is server


def _is_taken_back_by_hand(pair: Pair, active: Machine) -> None:
    """As is printed if the command cannot do it."""
    for each in pair.servers:
        each.wait_until("! pgrep -x drbdadm", "what was begun has ended", 60)
        each.run("drbdsetup detach 3")
        each.run("drbdsetup del-minor 3")
        each.fail("grep '^ *3: cs:[^U]' /proc/drbd")
    active.run(maintenance.END)
    assert active.run("crm_attribute --quiet --query --name maintenance-mode").stdout.strip() in ("", "false")
    pair.wait_until_settled()
    assert pair.serving() is active


def _goes(pair: Pair, active: Machine, site: str, load: Load) -> None:
    """Both new LUNs go, and no other is interrupted."""
    before, since = session(pair), active.succeed("date +%s.%N").strip()
    pair.esx.succeed("for unit in /sys/class/scsi_device/*:[23]/device; do echo 1 >$unit/delete; done")
    active.copy({_SITE: site.encode()})
    _is_refused_if_changed_meanwhile(active)
    told = apply(active, site)
    assert "That interrupts 2 LUNs: p_lun2 p_lun3" in told
    assert "san/2 (/dev/drbd2) is no LUN of the site. It stays in DRBD with its data" in told
    load.wait_for_writes()
    stopped = results(pair, since)
    assert len(stopped) == 2, stopped
    assert all("stop" in line and ("p_lun2" in line or "p_lun3" in line) for line in stopped), stopped
    assert session(pair) == before
    assert "p_lun2" not in active.succeed("cibadmin --query --scope configuration")
    assert pair.serving() is active


def _is_taken_away(pair: Pair, site: str) -> None:
    """What is left does not hinder a later command, and goes as is printed, at a move."""
    active, told = pair.wait_until_serving(), ""
    for each in pair.servers:
        told = apply(each, site)
        assert "nothing differs" in told
        assert "Note: san/2 (/dev/drbd2) is no LUN of the site" in told
    passive = pair.peer_of(active)
    for each in pair.servers:
        each.succeed(f"sed -i '/volume [23] {{/,/}}/d' {_FILE}")
    # drbdadm adjust of 8.4 takes only one volume away at a time, and fails then.
    typed = " && ".join(f"drbdsetup detach {number} && drbdsetup del-minor {number}" for number in (2, 3))
    assert "drbdsetup detach 2 && drbdsetup del-minor 2" in told
    passive.succeed(typed)
    pair.move(passive)
    active.wait_until(f"drbdadm role {RESOURCE} | grep -q ^Secondary", f"{active} is Secondary", 60)
    active.succeed(typed)
    # A monitor of the Primary may have met what one node had no more, and says what to type when the other has it no
    # more either.
    active.succeed("crm_resource --cleanup --resource p_drbd")
    pair.wait_until_settled()
    for each in pair.servers:
        each.fail("grep -E '^ *[23]: cs:[^U]' /proc/drbd")
        told = apply(each, site)
        assert "nothing differs" in told
        assert "Note" not in told


def _is_refused_if_changed_meanwhile(server: Machine) -> None:
    """Somebody else sets an option while the operator reads the question. The site is the one without new LUNs."""
    out = "/run/apply.out"
    server.succeed(f"rm -f {out}; touch {out}")
    meanwhile = f"until grep -q 'Change this' {out}; do sleep 0.2; done; crm_attribute --name batch-limit --update 30"
    result = server.run(f'({meanwhile} >&2; echo y; sleep 5) | script -qefc "twinsan apply {_SITE}" {out} 2>&1')
    try:
        told = server.read(out)
        assert result.status == 1, told
        assert "has changed meanwhile" in told
        assert "batch-limit" in told
        assert "p_lun2" in server.succeed("cibadmin --query --scope configuration")
    finally:
        server.succeed("crm_attribute --name batch-limit --delete")
