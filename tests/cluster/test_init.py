# SPDX-License-Identifier: GPL-2.0-or-later
"""Two servers that were never configured serve after one command, whatever interrupts it; nobody's data is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import bare, evidence
from lab.machine import Machine
from lab.pair import PORTAL, Pair

pytestmark = pytest.mark.procedure

# By the issue: in one command, in under five minutes of lab time.
_MOST_SECONDS = 300

# What one of the servers has: a disk with a file system, and data in it.
_FILE_SYSTEM = "mkfs.ext4 -q -F /dev/ubdb && mount /dev/ubdb /mnt && echo precious >/mnt/data && umount /mnt"
_CHECKSUM = "sha256sum </dev/ubdb"

# All that a set-up leaves on a server, but for what changes by itself.
_STATE = (
    "find /etc/drbd.d /etc/corosync /var/lib/pacemaker/lrm -type f -exec sha256sum {} + | sort; "
    "cat /proc/drbd | grep -o 'cs:.* ro:[^ ]* ds:[^ ]*'; systemctl is-enabled corosync pacemaker; "
    "systemctl show -p ActiveEnterTimestamp corosync pacemaker; "
    "cibadmin --query --local --scope configuration | sha256sum"
)


@pytest.fixture
def servers(whole_pair: Pair) -> Iterator[Pair]:
    """The pair with bare servers; afterwards it is as before."""
    bare.make(whole_pair)
    try:
        yield whole_pair
        found = [f"{guest}: {line}" for guest in whole_pair.guests for line in evidence.defects(guest)]
        assert not found, "\n".join(found)
    except BaseException:
        print(f"the state of all guests is in {whole_pair.collect(evidence.new_folder('init'))}")
        raise
    finally:
        bare.configure(whole_pair)


def _init(server: Machine, *words: str) -> tuple[int, str]:
    """Type the command; returns its exit status and what it printed."""
    result = server.run(" ".join([bare.INIT, *words, "2>&1"]), timeout=2 * _MOST_SECONDS)
    print(result.stdout)
    return result.status, result.stdout


def _use(pair: Pair, text: str) -> None:
    """The initiator writes and reads, before and after a switchover."""
    disk, esx = pair.disk, pair.esx
    esx.succeed(f"printf '%-4096s' {text} | dd of={disk} bs=4096 count=1 seek=100 oflag=direct,sync status=none")
    pair.wait_until_settled()
    pair.move(pair.peer_of(pair.wait_until_serving()))
    read = f"dd if={disk} bs=4096 count=1 skip=100 iflag=direct status=none"
    esx.wait_until(f"{read} | grep -q {text}", "the data is read after the switchover", 60)


def test_two_servers_that_were_never_configured_serve_after_one_command(servers: Pair) -> None:
    pair = servers
    pair.zeus.succeed(_FILE_SYSTEM)
    before = pair.zeus.succeed(_CHECKSUM)

    status, told = _init(pair.atlas)
    assert status == 1
    assert "/dev/ubdb of zeus (128 MiB) has ext4 on it" in told
    assert "--overwrite zeus:/dev/ubdb" in told
    assert pair.zeus.succeed(_CHECKSUM) == before
    for server in pair.servers:
        server.fail("test -e /etc/drbd.d/data0.res -o -e /etc/corosync/authkey")

    begin = time.monotonic()
    status, told = _init(pair.atlas, "--overwrite zeus:/dev/ubdb")
    seconds = time.monotonic() - begin
    print(f"two bare servers serve after {seconds:.0f} s")
    assert status == 0
    assert seconds < _MOST_SECONDS
    # One disk was not zero, so its volume is copied, perhaps before the command looks; that of the state was on both.
    pair.atlas.wait_until("test $(grep -c ds:UpToDate/UpToDate /proc/drbd) = 2", "both volumes are redundant", 120)
    assert int(pair.atlas.succeed("sed -n 's/.* ns:\\([0-9]*\\) .*/\\1/p' /proc/drbd | head -n 1")) > 100 << 10
    assert pair.serving() is not None
    assert pair.atlas.run("crm_mon -1 | grep node1").status != 0

    pair.disk = pair.log_in(bare.IQN)
    _use(pair, "written")
    pair.wait_until_in_sync()
    pair.wait_until_settled()
    states = [server.succeed(_STATE) for server in pair.servers]
    status, told = _init(pair.atlas)
    assert status == 0
    assert "Nothing had to be done" in told
    assert [server.succeed(_STATE) for server in pair.servers] == states

    # What was loaded is what the site makes, but for the password that the cluster keeps.
    diff = pair.atlas.run(f"twinsan render {bare.SITE} --diff 2>&1")
    assert diff.status == 0, diff.stdout

    # The cluster has the password of the BMCs: it fences, and the other server takes over.
    active = pair.wait_until_serving()
    other = pair.peer_of(active)
    active.power_off()
    pair.wait_until_serving(on=other)
    read = f"dd if={pair.disk} bs=4096 count=1 skip=100 iflag=direct status=none"
    pair.esx.wait_until(f"{read} | grep -q written", f"the data is read from {PORTAL}", 60)
    pair.recover()


# The steps at which it is killed, by words of their titles.
_KILLED_AT = ("Create DRBD", "First promotion", "Start corosync", "Wait until")


def test_killed_amid_a_step_it_goes_on(servers: Pair) -> None:
    pair = servers
    for title in _KILLED_AT:
        killed = pair.atlas.run(
            f"{bare.INIT} >/root/init.log 2>&1 & pid=$!; "
            f"until grep -q '{title}.* [.][.][.]$' /root/init.log; do kill -0 $pid || exit 9; done; "
            "sleep 0.5; kill -KILL $pid",
            timeout=_MOST_SECONDS,
        )
        print(pair.atlas.read("/root/init.log"))
        assert killed.status == 0, f"it has ended before: {title}"
    begin = time.monotonic()
    status, _ = _init(pair.atlas)
    print(f"the rest took {time.monotonic() - begin:.0f} s")
    assert status == 0
    pair.disk = pair.log_in(bare.IQN)
    _use(pair, "again")
    pair.wait_until_in_sync()

    # A new server in place of zeus joins atlas, which serves all the time.
    pair.wait_until_settled()
    if pair.wait_until_serving() is pair.zeus:
        pair.move(pair.atlas)
    bare.replace(pair, pair.zeus)
    served = (
        f"cat /sys/kernel/config/target/iscsi/{bare.IQN}/tpgt_1/dynamic_sessions; systemctl show -p MainPID pacemaker"
    )
    before = pair.atlas.succeed(served)
    status, told = _init(pair.atlas)
    assert status == 0
    assert "served by atlas" in told
    assert pair.atlas.succeed(served) == before
    pair.wait_until_in_sync()
    _use(pair, "renewed")
