# SPDX-License-Identifier: GPL-2.0-or-later
"""What initiators are told while the SAN moves, fails and is shot, read from the wire; and who held a lock meanwhile.

From the first of these events to the last all is captured, a verifying load writes, and two initiators contend for a
lock. The last test judges it all. A sample of it is two switchovers and a power cut, the whole twenty and five.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.capture import recorder, verdict
from lab.capture.judge import judge
from lab.capture.verdict import Verdict
from lab.host import PROJECT, build_folder
from lab.machine import Machine, wait_until
from lab.pair import INITIATOR, INITIATOR_SETTINGS, IQN, PORTAL, RESOURCE, Pair
from tests.cluster.test_failover import LOG, Load

# Each round is so many switchovers, and a power cut.
_ROUNDS = {False: (1,), True: (4,) * 5}
# Longer than all of it takes on a machine that others share.
_SECONDS = 3600
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
    """Admit these, and wait until both servers do."""
    active = pair.wait_until_serving()
    change = "--set-parameter allowed_initiators --parameter-value"
    active.succeed(f"crm_resource --resource p_target {change} '{' '.join(names)}'")
    acls = f"/sys/kernel/config/target/iscsi/{IQN}/tpgt_1/acls"
    for server in pair.servers:
        # The mapping of the LUN is what comes last.
        last = "lun_1" if server is active else "cmdsn_depth"
        complete = " && ".join(f"test -e {name}/{last}" for name in names)
        condition = f"cd {acls} && {complete} && test $(ls | wc -l) = {len(names)}"
        server.wait_until(condition, f"{' and '.join(names)} are admitted on {server}", 60)


@contextmanager
def _second_initiator(pair: Pair) -> Iterator[str]:
    """The disk of a second initiator, which has another name, on the same guest."""
    esx = pair.esx
    _set_initiators(pair, INITIATOR, _SECOND)
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
    _set_initiators(pair, INITIATOR)


class Contention:
    """Two contenders for a lock, each with an initiator of its own."""

    def __init__(self, pair: Pair, *disks: str) -> None:
        self._esx = pair.esx
        self._disks = disks
        self._outcomes: list[str] = []
        self._esx.copy({f"/run/ats/lab/{name}": PROJECT / "lab" / name for name in ("ats.py", "scsi.py")})
        self._esx.succeed(f"rm -f {_STOP}; truncate -s 0 {' '.join(_LOGS)}; {_ATS.format('prepare')} {disks[0]}")
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


class Work:
    """What initiators do, captured. `takes`: how often the portal address has come somewhere."""

    def __init__(self, pair: Pair, capture: Path) -> None:
        self._pair = pair
        self._capture = capture
        self._parts = ExitStack()
        self._since = pair.esx.journal_cursor()
        self.takes = 0
        try:
            second_disk = self._parts.enter_context(_second_initiator(pair))
            # A capture that begins amid a transfer cannot be read: udev looks at a disk when it has come.
            idle = "udevadm settle --timeout=10 && ! grep -q '[1-9]' /sys/class/block/sd*/inflight"
            pair.esx.wait_until(idle, "no command is under way", 60)
            self._parts.enter_context(recorder.recording(pair.esx, capture))
            load = Load(pair, seconds=_SECONDS, rate=_WRITES_PER_SECOND)
            self._parts.callback(load.judge)
            contention = Contention(pair, pair.disk, second_disk)
            self._parts.callback(contention.judge)
            self.wait_until_it_goes_on()
        except BaseException:
            self.end()
            raise

    def wait_until_it_goes_on(self) -> None:
        """Wait until writes are acknowledged, and until each contender has had the lock once more."""
        before = self._logged()

        def goes_on() -> bool:
            return all(now >= then + 4 for now, then in zip(self._logged(), before))

        wait_until(goes_on, "load and contenders go on", 600, interval=0.5)

    def _logged(self) -> list[int]:
        """How many lines each log has. One program: to start it is what costs time in a guest."""
        words = self._pair.esx.succeed(["wc", "-l", LOG, *_LOGS]).split()
        return [int(word) for word in words if word.isdecimal()][:-1]

    def end(self) -> None:
        """End it; what was written must be there, and the lock never have been held by two."""
        self._parts.close()

    def kernel_log(self) -> str:
        """What the initiators' kernel has said since the beginning."""
        return self._pair.esx.kernel_log(self._since)

    def judge(self) -> Verdict:
        """End it, and judge the capture."""
        self.end()
        return _judge(self._pair, self._capture)


def _judge(pair: Pair, capture: Path) -> Verdict:
    result = judge(capture, PORTAL, {recorder.mac(server): server.name for server in pair.servers})
    print(f"{capture.stat().st_size >> 20} MiB", result.table(), sep="\n")
    return result


@pytest.fixture(scope="module")
def capture() -> Path:
    """Where a capture goes; it stays when a test fails."""
    return build_folder("wire") / "capture.pcapng"


@pytest.fixture(scope="module")
def whole_work(whole_pair: Pair, capture: Path, whole: bool) -> Iterator[Work]:
    """All at work, from the first test that disturbs it to the end of the file."""
    made = Work(whole_pair, capture)
    yield made
    made.end()


@pytest.fixture
def work(recovering: Pair, whole_work: Work) -> Iterator[Work]:
    """All at work, before the test and after it."""
    yield whole_work
    whole_work.wait_until_it_goes_on()


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


@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.soak)], ids=["whole"], indirect=True)
def test_a_lost_disk(work: Work, pair: Pair, active: Machine) -> None:
    active.succeed(f"drbdadm detach {RESOURCE}")
    work.wait_until_it_goes_on()
    active.succeed(f"drbdadm attach {RESOURCE}")
    pair.wait_until_in_sync()


@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.soak)], ids=["whole"], indirect=True)
def test_a_lun_that_fails(work: Work, active: Machine) -> None:
    """The cluster stops the address, then the LUN, and starts them again."""
    work.takes += 1
    active.succeed(f"crm_resource --fail --resource p_lun1 --node {active}")


def test_switchovers_and_power_cuts(work: Work, pair: Pair, whole: bool) -> None:
    for switchovers in _ROUNDS[whole]:
        for _ in range(switchovers):
            work.takes += 1
            pair.move(pair.peer_of(pair.wait_until_serving()))
            work.wait_until_it_goes_on()
        work.takes += 1
        active = pair.wait_until_serving()
        active.power_off()
        pair.wait_until_serving(on=pair.peer_of(active))
        pair.recover()
        work.wait_until_it_goes_on()


# A sample of it is in test_reservations.
@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.soak)], ids=["whole"], indirect=True)
def test_a_cold_start(work: Work, pair: Pair) -> None:
    """It takes so long that initiators have to be patient."""
    pair.esx.succeed(f"for file in /sys/class/iscsi_session/*/recovery_tmo; do echo {_SECONDS} >$file; done")
    work.takes += 1
    for server in pair.servers:
        server.power_off()
    for server in pair.servers:
        server.start()


def test_initiators_were_told_no_lie(whole_work: Work, capture: Path) -> None:
    result = whole_work.judge()
    (capture.parent / "verdict.json").write_text(result.json(), encoding="utf-8")
    said = whole_work.kernel_log()
    # The second initiator's login is the first thing in it.
    assert "iSCSI Initiator over TCP/IP" in said
    assert "I/O error" not in said
    assert result.violations == []
    assert result.counts[verdict.TAKES] >= whole_work.takes
    capture.unlink()
