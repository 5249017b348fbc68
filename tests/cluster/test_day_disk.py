# SPDX-License-Identifier: GPL-2.0-or-later
"""`twinsan grow` and `twinsan replace-disk` on a pair that serves, under a verifying load: nothing is interrupted.

The disk of the LUN is a loop device on each server, so that it can grow, and be exchanged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from lab import bare, image, report
from lab import load as lab_load
from lab.host import PROJECT, now
from lab.machine import Machine
from lab.pair import RESOURCE, Pair
from tests.cluster.test_failover import LOG, Load

pytestmark = pytest.mark.procedure

_LUN, _VOLUME = "p_lun1", f"{RESOURCE}/0"
_FIRST, _SECOND = "/dev/loop5", "/dev/loop6"
_FOLDER = "/var/lib/lab"
_SITE = "/root/site.toml"
# What the commands say of a pause: "some seconds".
_MOST_SECONDS = 10.0
_OF_DRBD = f"/etc/drbd.d/{RESOURCE}.res"


@pytest.fixture(scope="module", autouse=True)
def _on_loops(whole_pair: Pair) -> Iterator[None]:
    """The pair, with ssh between the servers, and a loop device as the disk of the LUN on each."""
    pair = whole_pair
    pair.log_out()
    pair.renew(image.MORE_PACKAGES)
    pair.start_cluster()
    pair.install()
    for server in pair.servers:
        server.succeed(f"mkdir {_FOLDER} && sed -i 's,/dev/ubdb,{_FIRST},' {_OF_DRBD}")
        insert(server, _FIRST, 64)
        server.succeed("systemctl start --no-block ssh")
    pair.prepare_disks()
    bare.introduce(pair)
    pair.wait_for_cluster()
    pair.load_template()
    pair.disk = pair.log_in()
    pair.wait_until_settled()
    yield
    bare.configure(pair)


@pytest.fixture
def load(recovering: Pair) -> Iterator[Load]:
    running = Load(recovering, rate=20)
    yield running
    running.judge()


def site(**disks: str) -> str:
    """The site file; `disks` are those of the servers that do not have the first one."""
    text = (PROJECT / "examples" / "san.toml").read_text(encoding="utf-8").replace('"/dev/sd', '"/dev/ubd')
    named = ", ".join(f'{name} = "{disks.get(name, _FIRST)}"' for name in ("atlas", "zeus"))
    changed = text.replace('\ndisk = "/dev/ubdb"', f"\ndisk = {{ {named} }}")
    assert changed != text
    return changed


def insert(server: Machine, path: str, megabytes: int) -> None:
    """Have a new, empty disk at a path, in place of another that nobody uses."""
    file = f"{_FOLDER}/{path[len('/dev/') :]}"
    server.run(f"modprobe loop; losetup --detach {path}")
    server.wait_until(f"! losetup {path}", f"{path} is free", 30)
    server.succeed(f"rm -f {file} && truncate -s {megabytes}M {file} && losetup {path} {file}")


def enlarge(server: Machine, path: str, megabytes: int) -> None:
    """Make a disk larger that is in use, as lvextend does."""
    server.succeed(f"truncate -s {megabytes}M {_FOLDER}/{path[len('/dev/') :]} && losetup --set-capacity {path}")


def typed(server: Machine, command: str, status: int = 0) -> str:
    """Type a command; returns what it printed."""
    begin = time.monotonic()
    result = server.run(f"{command} 2>&1", timeout=600)
    print(f"{server}: {command}: {result.status} after {time.monotonic() - begin:.1f} s\n{result.stdout}")
    assert result.status == status, result.stdout
    return result.stdout


def size(server: Machine, path: str) -> int:
    return int(server.succeed(f"blockdev --getsize64 {path}"))


def stall(pair: Pair, begin: float, what: str) -> float:
    """The longest time since then in which the initiator got no write acknowledged, in seconds."""
    writes = list(lab_load.parse(pair.esx.succeed(f"cat {LOG}").splitlines(keepends=True)))
    found = report.figures(writes, report.Phase("", "", begin, now())).stall_ms / 1000
    print(f"{what}: no write acknowledged for {found:.2f} s at most")
    return found


def results(pair: Pair, since: float) -> list[str]:
    """What the controllers have started, stopped, promoted and demoted."""
    words = f"--since=@{since:.3f} --identifier=pacemaker-controld"
    told = [line for server in pair.servers for line in server.journal(words).splitlines()]
    return [line for line in told if re.search(r"Result of (start|stop|promote|demote) ", line)]


def differing(pair: Pair) -> int:
    """Compare the replicas of the LUN block by block; returns how many KiB differ."""
    active = pair.wait_until_serving()
    active.succeed(f"drbdadm verify {_VOLUME}")
    active.wait_until("grep -q '^ *0: cs:Connected' /proc/drbd", "online verify has ended", 120)
    return int(active.succeed("grep -A1 '^ *0: cs:' /proc/drbd | sed -n 's/.* oos:\\([0-9]*\\).*/\\1/p'"))


def use_the_end(pair: Pair, text: str) -> None:
    """The initiator writes to the last block, and reads it after a switchover."""
    last = size(pair.esx, pair.disk) // 4096 - 1
    pair.esx.succeed(f"printf '%-4096s' {text} | dd of={pair.disk} bs=4096 seek={last} oflag=direct,sync status=none")
    pair.wait_until_in_sync()
    pair.wait_until_settled()
    pair.move(pair.peer_of(pair.wait_until_serving()))
    read = f"dd if={pair.disk} bs=4096 count=1 skip={last} iflag=direct status=none"
    pair.esx.wait_until(f"{read} | grep -q {text}", "the end is read after the switchover", 60)


def test_a_lun_grows(pair: Pair, active: Machine, passive: Machine, load: Load) -> None:
    before = size(pair.esx, pair.disk)
    assert "is as large as it can be" in typed(active, f"twinsan grow {_LUN} --yes")
    enlarge(active, _FIRST, 96)
    told = typed(passive, f"twinsan grow {_LUN} --yes", 1)
    assert f"{_FIRST} of {passive} has not grown" in told
    enlarge(passive, _FIRST, 96)
    assert "Interrupts nothing" in typed(passive, f"twinsan grow {_VOLUME} --dry-run")
    assert size(pair.esx, pair.disk) == before

    begin = time.time()
    told = typed(passive, f"twinsan grow {_VOLUME} --yes")
    assert "esxcli storage core adapter rescan --all" in told
    pair.esx.succeed("iscsiadm --mode session --rescan")
    after = int(active.succeed("cat /sys/block/drbd0/size")) * 512
    assert before + (31 << 20) < after < before + (33 << 20)
    pair.esx.wait_until(f"test $(blockdev --getsize64 {pair.disk}) = {after}", "the host has the new size", 30)
    load.wait_for_writes()
    pair.wait_until_in_sync()
    assert stall(pair, begin, "a LUN that grows") < _MOST_SECONDS
    assert results(pair, begin) == []
    assert active.run(f"crm_resource --resource {_LUN} --get-parameter size").stdout.strip() in ("", "0")
    active.wait_until("! crm_mon -1 | grep -q 'has grown'", "the LUN is well", 30)
    assert "is as large as it can be" in typed(active, f"twinsan grow {_LUN} --yes")
    use_the_end(pair, "grown")
    assert differing(pair) == 0


def test_disks_that_have_grown_lose_no_server_that_starts_anew(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """The disks were made larger, and before anybody types twinsan grow, DRBD starts anew on one of the servers."""
    pair = recovering
    for server in pair.servers:
        enlarge(server, _FIRST, 112)
    pair.standby(passive)
    passive.wait_until("! grep -q '^ *0: cs:[CW]' /proc/drbd", "DRBD is down", 60)
    pair.standby(passive, False)
    pair.wait_until_in_sync()
    pair.wait_until_settled()
    typed(active, f"twinsan grow {_LUN} --yes")
    pair.wait_until_in_sync()
    pair.esx.succeed("iscsiadm --mode session --rescan")
    assert differing(pair) == 0


def test_the_passive_server_gets_a_disk_at_another_path(
    recovering: Pair, active: Machine, passive: Machine, load: Load
) -> None:
    """Killed at each step, it goes on."""
    pair, begin = recovering, time.time()
    needed = size(passive, _FIRST) >> 20
    command = f"twinsan replace-disk {_SITE} {_VOLUME} --yes"
    passive.copy({_SITE: site(**{passive.name: _SECOND}).encode()})
    insert(passive, _SECOND, needed - 16)
    assert f"{_SECOND} of {passive} has" in typed(passive, command, 1)
    insert(passive, _SECOND, needed)
    passive.succeed(f"mkfs.ext4 -q -F {_SECOND} && sync")
    before = passive.succeed(f"sha256sum <{_SECOND}")
    assert f"--overwrite {passive}:{_SECOND}" in typed(passive, command, 1)
    assert passive.succeed(f"sha256sum <{_SECOND}") == before
    assert "ds:UpToDate/UpToDate" in passive.read("/proc/drbd")
    command += f" --overwrite {passive}:{_SECOND}"
    for title in ("Put /dev", "Detach the old", "Overwrite what", "Create DRBD"):
        passive.run(
            f"{command} >/root/replace.log 2>&1 & pid=$!; "
            f"until grep -q '^.[0-9].*{title}' /root/replace.log; do kill -0 $pid || break; done; "
            "kill -KILL $pid; wait $pid",
            timeout=300,
        )
        print(passive.read("/root/replace.log"))
    told = typed(passive, command)
    assert f"{passive} has all data of {_VOLUME}" in told
    pair.wait_until_in_sync()
    assert "nothing to replace" in typed(passive, command)
    for server in pair.servers:
        assert _SECOND in server.read(_OF_DRBD)
    assert stall(pair, begin, "a disk of the passive server is replaced") < _MOST_SECONDS
    assert results(pair, begin) == []
    assert passive.succeed(f"drbdadm sh-ll-dev {_VOLUME}").strip() == _SECOND
    assert differing(pair) == 0


def test_the_active_server_gets_another_disk_at_the_same_path(recovering: Pair, active: Machine, load: Load) -> None:
    pair = recovering
    path = active.succeed(f"drbdadm sh-ll-dev {_VOLUME}").strip()
    passive = pair.peer_of(active)
    there = passive.succeed(f"drbdadm sh-ll-dev {_VOLUME}").strip()
    active.copy({_SITE: site(**{active.name: path, passive.name: there}).encode()})
    command, megabytes = f"twinsan replace-disk {_SITE} {_VOLUME} --yes", size(active, path) >> 20
    assert "nothing to replace" in typed(active, command)
    assert "twinsan drill --go" in typed(active, f"{command} --detach", 1)
    begin = time.time()
    typed(active, f"{command} --detach --even-if-serving")
    assert "ds:Diskless/UpToDate" in active.read("/proc/drbd")
    typed(active, f"{command} --detach --even-if-serving")
    assert f"--overwrite {active}:{path}" in typed(active, f"{command} --even-if-serving", 1)
    load.wait_for_writes()
    insert(active, path, megabytes)
    assert "twinsan drill --go" in typed(active, command, 1)
    typed(active, f"{command} --even-if-serving")
    pair.wait_until_in_sync()
    load.wait_for_writes()
    assert stall(pair, begin, "a disk of the active server is replaced") < _MOST_SECONDS
    assert results(pair, begin) == []
    assert pair.serving() is active
    assert differing(pair) == 0


def test_a_disk_is_exchanged_while_its_server_is_off(
    recovering: Pair, active: Machine, passive: Machine, load: Load
) -> None:
    """The server boots without its disk: the cluster cannot start the replica there, and goes on trying."""
    pair = recovering
    paths = {each.name: each.succeed(f"drbdadm sh-ll-dev {_VOLUME}").strip() for each in pair.servers}
    path, megabytes = paths[passive.name], size(passive, paths[passive.name]) >> 20
    passive.power_off()
    passive.wait_until_on()
    passive.wait_for_boot()
    pair.wait_until_online()
    passive.succeed("systemctl start --no-block ssh")
    failed = "journalctl -b -t pacemaker-controld | grep -q 'Result of start operation for p_drbd .*: [^O]'"
    passive.wait_until(failed, "the replica could not start without its disk", 120)
    begin = time.time()
    passive.copy({_SITE: site(**paths).encode()})
    insert(passive, path, megabytes)
    told = typed(passive, f"twinsan replace-disk {_SITE} {_VOLUME} --yes")
    assert f"{passive} has all data of {_VOLUME}" in told
    pair.wait_until_in_sync()
    load.wait_for_writes()
    assert stall(pair, begin, "a disk is exchanged while its server is off") < _MOST_SECONDS
    pair.wait_until_settled()
    assert pair.serving() is active
    assert differing(pair) == 0
