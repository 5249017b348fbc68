# SPDX-License-Identifier: GPL-2.0-or-later
"""What initiators are told while the SAN moves and is shot, read from the wire; and who held the lock meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.capture import recorder, verdict
from lab.capture.judge import judge
from lab.capture.verdict import Verdict
from lab.machine import Machine, wait_until
from lab.pair import INITIATOR, INITIATOR_SETTINGS, IQN, PORTAL, PROJECT, RESOURCE, Pair, build_folder
from tests.cluster.test_failover import Load

_ROUNDS = 5
_SWITCHOVERS_IN_A_ROUND = 4
# Longer than the whole test takes on a machine that others share.
_SECONDS = 2400
# Of each of four writers; the capture holds every byte.
_WRITES_PER_SECOND = 3

_SECOND = "iqn.1998-01.com.vmware:esx-2"
# Beyond what the load writes: 112 MiB in.
_LBA = 112 << 11
_STOP = "/run/ats.stop"
_LOGS = ("/run/ats-1.csv", "/run/ats-2.csv")
_ATS = f"cd /run/ats && python3 -m lab.ats {{}} --lba {_LBA} --disk"
# What lab/ats.py may hear; "host" is a lost connection.
_EXPECTED = ("good", "miscompare", "unit attention", "busy", "host")


def _set_initiators(pair: Pair, *names: str) -> None:
    """Admit these, and wait until the server that serves does."""
    active = pair.wait_until_serving()
    active.succeed(["crm", "resource", "param", "p_target", "set", "allowed_initiators", " ".join(names)])
    acls = f"/sys/kernel/config/target/iscsi/{IQN}/tpgt_1/acls"
    # The mapping of the LUN is what comes last.
    complete = " && ".join(f"test -d {name}/lun_1" for name in names)
    condition = f"cd {acls} && {complete} && test $(ls | wc -l) = {len(names)}"
    active.wait_until(condition, f"{' and '.join(names)} are admitted", 60)


@pytest.fixture
def capture() -> Path:
    """Where a capture goes; it stays when the test fails."""
    path = build_folder("wire") / "capture.pcapng"
    path.unlink(missing_ok=True)
    return path


@pytest.fixture
def second_disk(recovering: Pair) -> Iterator[str]:
    """The disk of a second initiator, which has another name, on the same guest."""
    esx = recovering.esx
    _set_initiators(recovering, INITIATOR, _SECOND)
    interface, node = "iscsiadm -m iface -I second", f"iscsiadm -m node -T {IQN} -p {PORTAL} -I second"
    settings = [f"{node} -o update -n {name} -v {value}" for name, value in INITIATOR_SETTINGS.items()]
    commands = [f"{interface} -o new", f"{interface} -o update -n iface.initiatorname -v {_SECOND}", f"{node} -o new"]
    esx.succeed(" && ".join([*commands, *settings, f"{node} --login"]))
    disks = (
        f"for session in $(grep -lx {_SECOND} /sys/class/iscsi_session/*/initiatorname); do"
        " ls -d ${session%/*}/device/target*/*:1/block/sd*; done"
    )
    esx.wait_until(f"{disks} | grep -q sd", "the second initiator has its disk", 30)
    yield "/dev/" + esx.succeed(disks).strip().rpartition("/")[2]
    esx.succeed(f"{node} --logout && {node} -o delete && {interface} -o delete")
    _set_initiators(recovering, INITIATOR)


class Contention:
    """Two contenders for a lock, each with an initiator of its own."""

    def __init__(self, pair: Pair, *disks: str) -> None:
        self._esx = pair.esx
        self._disks = disks
        self._outcomes: list[str] = []
        self._esx.copy({f"/run/ats/lab/{name}": PROJECT / "lab" / name for name in ("ats.py", "scsi.py")})
        self._esx.succeed(f"rm -f {_STOP} {' '.join(_LOGS)}; {_ATS.format('prepare')} {disks[0]}")
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in (1, 2)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        disk, log = self._disks[number - 1], _LOGS[number - 1]
        command = f"{_ATS.format('contend')} {disk} --number {number} --stop-file {_STOP} --log {log}"
        result = self._esx.run(command, timeout=_SECONDS)
        self._outcomes.append(result.stdout or result.stderr)

    def judge(self) -> None:
        """End it; the lock was never held by two, and no change that a contender knew of is missing on the disk."""
        self._esx.succeed(f"touch {_STOP}")
        for thread in self._threads:
            thread.join()
        logs = " ".join(f"--log {log}" for log in _LOGS)
        judged = self._esx.run(f"{_ATS.format('judge')} {self._disks[1]} {logs}")
        print(*self._outcomes, judged.stdout or judged.stderr, sep="")
        for outcome in map(json.loads, self._outcomes):
            assert outcome["contradictions"] == []
            assert [answer for answer in outcome["answers"] if not answer.startswith(_EXPECTED)] == []
        found = json.loads(judged.stdout)
        assert found["faults"] == []
        assert min(found["acquired"]) > 0


class Course:
    """What happens to the pair; after each event the initiators' work goes on. `takes`: how often the address came."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.takes = 0

    def run(self) -> None:
        self.wait_for_progress()
        self.lose_disk()
        self.fail_lun()
        for _ in range(_ROUNDS):
            for _ in range(_SWITCHOVERS_IN_A_ROUND):
                self.switch_over()
            self.cut_power()
        self.start_cold()

    @contextmanager
    def _event(self, what: str) -> Iterator[None]:
        begin = time.time()
        yield
        self.wait_for_progress()
        print(f"{time.strftime('%H:%M:%S', time.localtime(begin))} {what}: {time.time() - begin:.1f} s")

    def wait_for_progress(self) -> None:
        """Wait until the load and both contenders have done something."""
        logs = ("/run/test-load.csv", *_LOGS)
        count = "cat {} 2>/dev/null | wc -l"
        before = [int(line) for line in self._pair.esx.succeed("; ".join(map(count.format, logs))).split()]
        tests = [f"test $({count.format(log)}) -gt {lines + 8}" for log, lines in zip(logs, before)]
        self._pair.esx.wait_until(" && ".join(tests), "load and contenders go on", 200)

    def switch_over(self) -> None:
        active = self._pair.wait_until_serving()
        other = self._other(active)
        self.takes += 1
        with self._event(f"switchover to {other}"):
            # What crmsh does, without the time that crmsh takes to start.
            active.succeed(f"crm_resource --resource g_san --move --node {other}")
            self._pair.wait_until_serving(on=other)
            other.succeed("crm_resource --resource g_san --clear")

    def cut_power(self) -> None:
        active = self._pair.wait_until_serving()
        self.takes += 1
        with self._event(f"power cut of {active}"):
            active.power_off()
            self._pair.wait_until_serving(on=self._other(active))
        with self._event(f"{active} is back"):
            wait_until(lambda: active.is_on, f"{active} has been powered on again", 120)
            active.wait_for_boot()
            self._pair.wait_until_settled()
            self._pair.wait_until_in_sync()

    def lose_disk(self) -> None:
        active = self._pair.wait_until_serving()
        with self._event(f"{active} loses its disk"):
            active.succeed(f"drbdadm detach {RESOURCE}")
        with self._event(f"the disk of {active} is back"):
            active.succeed(f"drbdadm attach {RESOURCE}")
            self._pair.wait_until_in_sync()

    def fail_lun(self) -> None:
        """The cluster stops the address, then the LUN, and starts them again."""
        active = self._pair.wait_until_serving()
        self.takes += 1
        with self._event(f"the LUN fails on {active}"):
            active.succeed(f"crm_resource --fail --resource p_lun1 --node {active}")
            self._pair.wait_until_settled()

    def start_cold(self) -> None:
        """Both servers lose power and come back; so long that an initiator has to be patient."""
        esx = self._pair.esx
        esx.succeed(f"for file in /sys/class/iscsi_session/*/recovery_tmo; do echo {_SECONDS} >$file; done")
        self.takes += 1
        with self._event("a cold start"):
            for server in self._pair.servers:
                server.power_off()
            for server in self._pair.servers:
                server.start()
            for server in self._pair.servers:
                server.wait_for_boot()
            self._pair.wait_until_serving()

    def _other(self, server: Machine) -> Machine:
        return self._pair.zeus if server is self._pair.atlas else self._pair.atlas


def _judge(pair: Pair, capture: Path) -> Verdict:
    result = judge(capture, PORTAL, {recorder.mac(server): server.name for server in pair.servers})
    print(f"{capture.stat().st_size >> 20} MiB", result.table(), sep="\n")
    return result


def test_a_live_session_that_a_server_ends_is_found(pair: Pair, active: Machine, capture: Path) -> None:
    """The judge of a real capture can fail."""
    read = f"dd if={pair.disk} of=/dev/null iflag=direct count=1"
    with recorder.recording(pair.esx, capture):
        pair.esx.succeed(read)
        # The kernel closes the connections. The initiator logs in again, perhaps when it has been refused.
        active.succeed(f"cd /sys/kernel/config/target/iscsi/{IQN}/tpgt_1 && echo 0 >enable && echo 1 >enable")
        pair.esx.succeed(read)
    result = _judge(pair, capture)
    assert any(f"{active} sent FIN to the live session" in violation for violation in result.violations)
    assert result.counts[verdict.LIVE_ENDED] == 1
    capture.unlink()


def test_initiators_are_told_no_lie(recovering: Pair, second_disk: str, capture: Path) -> None:
    pair = recovering
    course = Course(pair)
    with recorder.recording(pair.esx, capture), ExitStack() as work:
        load = Load(pair, seconds=_SECONDS, rate=_WRITES_PER_SECOND)
        work.callback(load.judge)
        contention = Contention(pair, pair.disk, second_disk)
        work.callback(contention.judge)
        course.run()
    result = _judge(pair, capture)
    (capture.parent / "verdict.json").write_text(result.json(), encoding="utf-8")
    assert "I/O error" not in pair.esx.succeed("dmesg")
    assert result.violations == []
    assert result.counts[verdict.TAKES] >= course.takes
    capture.unlink()
