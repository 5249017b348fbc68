# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan status`` on a pair that is well and on one that is not: what it says, how long it takes, and whether what
it predicts is what happens.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.errors import LabError
from lab.machine import Machine, wait_until
from lab.pair import INITIATOR, IQN, RESOURCE, Pair
from tests.cluster.hand import CONFIGFS

pytestmark = [pytest.mark.procedure, pytest.mark.usefixtures("nothing_remembered")]

# A look takes up to 2 s if all is well, and up to 5 s in any case. Times are judged only on a host that has little else
# to do: on a busy one, the start of a program in a guest takes seconds. What is said is asked with a longer patience.
_SECONDS_IF_WELL, _SECONDS = 2.0, 5.0
_MEMBER = "setpriv --reuid=nobody --regid=nogroup --groups=$(getent group haclient | cut -d: -f3) "
_STRANGER = "setpriv --reuid=nobody --regid=nogroup --clear-groups "
# Prints how long the command in its argument took, and what became of it.
_TIMED = """
import subprocess, sys, time
begun = time.monotonic()
done = subprocess.run(sys.argv[1], shell=True, capture_output=True, text=True)
print(time.monotonic() - begun, done.returncode, done.stdout + done.stderr)
"""


class Look:
    """What a server says of itself: what is printed with --json, the exit status, and how long it took there."""

    def __init__(self, server: Machine, before: str = "", *, patient: bool = True) -> None:
        words = "twinsan status --json" + (" --timeout 30" if patient else "")
        seconds, code, text = server.succeed(["python3", "-c", _TIMED, before + words]).split(" ", 2)
        self.seconds, self.code = float(seconds), int(code)
        self.said: dict[str, Any] = json.loads(text)
        load = os.getloadavg()[0]
        print(f"{before}{words} on {server}: {self.said['verdict']}, {self.seconds:.2f} s, load of the host {load:.1f}")
        self.judged = load < (os.cpu_count() or 1) + 1
        assert patient or not self.judged or self.seconds < _SECONDS

    @property
    def prediction(self) -> dict[str, Any]:
        (found,) = self.said["predictions"]
        assert isinstance(found, dict)
        return found

    @property
    def findings(self) -> str:
        return "; ".join(f"{each['what']}; {each['type']}" for each in self.said["findings"])

    @property
    def not_seen(self) -> str:
        return "; ".join(f"{each['what']}: {each['because']}" for each in self.said["facts"]["not_seen"])


# A failed action is not well until it is forgotten: failure-timeout, and the look at it every minute.
_SECONDS_TO_FORGET = 240.0


def _until(server: Machine, words: str, timeout: float = _SECONDS_TO_FORGET) -> Look:
    """The first look that has these words among what is not well, or that finds all well for ""."""
    found: list[Look] = []

    def says() -> bool:
        found[:] = [Look(server)]
        return words in found[0].findings if words else found[0].said["verdict"] == "well"

    try:
        wait_until(says, f"status says {words!r}", timeout, interval=1.0)
    except LabError as late:
        raise AssertionError(f"{late}; it says: {found[0].findings}") from late
    return found[0]


def test_a_pair_that_is_well(recovering: Pair, active: Machine, passive: Machine) -> None:
    """From either server, in 2 s: all is well, and the other one would serve. The one that serves sees the session."""
    for server in (active, passive):
        look = _until(server, "")
        assert look.code == 0
        assert look.prediction["would_serve"] is True
        looks = [Look(server, patient=False) for _ in range(5)]
        assert not any(each.judged for each in looks) or min(each.seconds for each in looks) < _SECONDS_IF_WELL
    facts = Look(active).said["facts"]
    (session,) = facts["targets"][0]["sessions"]
    assert (session["initiator"], session["logged_in"]) == (INITIATOR, True)
    assert session["address"] == recovering.esx.san_address
    assert session["parameters"]["MaxBurstLength"] == "1048576"
    before = session["received_bytes"]
    recovering.esx.succeed(f"dd if=/dev/zero of={recovering.disk} bs=1M count=4 seek=20 oflag=direct status=none")
    facts = Look(active).said["facts"]
    assert facts["targets"][0]["sessions"][0]["received_bytes"] >= before + (4 << 20)
    (lun,) = facts["luns"]
    assert (lun["target"], lun["lun"], lun["resource"]) == (IQN, 1, "p_lun1")
    assert lun["vaai"] == ["ats", "xcopy", "write_same", "unmap"]
    text = active.run("twinsan status --timeout 30").stdout
    assert f"{active} serves {RESOURCE} on 10.0.5.50" in text
    print(text)


def test_an_ordinary_member_of_haclient_sees_it_too(pair: Pair, active: Machine) -> None:
    look = Look(active, _MEMBER)
    assert look.prediction["would_serve"] is True
    assert look.said["facts"]["luns"]
    stranger = Look(active, _STRANGER)
    assert stranger.code == 3
    assert "the configuration of the cluster" in stranger.not_seen
    assert stranger.said["facts"]["replication"]


def test_the_attribute_daemon_does_not_answer(pair: Pair, active: Machine) -> None:
    """What the other server has told is unknown then, and so is the prediction; and it is said in time."""
    active.succeed("pkill -STOP -x pacemaker-attrd")
    try:
        look = Look(active, patient=False)
    finally:
        active.succeed("pkill -CONT -x pacemaker-attrd")
    assert look.prediction["would_serve"] is None
    if look.judged:
        assert "whether the nodes could take 10.0.5.50" in look.not_seen


_REMOVAL_HANGS = "ps -eo stat,args | grep -q '^D.* rm /sys/kernel/config'"


@pytest.fixture
def frozen(recovering: Pair, active: Machine) -> Iterator[Machine]:
    """The server that serves, with its I/O frozen and a write of the initiator in it."""
    active.succeed("crm_attribute --name maintenance-mode --update true")
    try:
        active.succeed("drbdsetup suspend-io 0")
        write = f"dd if=/dev/zero of={recovering.disk} bs=4096 count=1 seek=30001 oflag=direct"
        recovering.esx.succeed(f"setsid {write} >/dev/null 2>&1 </dev/null &")
        active.wait_until("ps -eo stat,args | grep -q '^D.*iscsi_trx'", "a write is frozen", 60)
        yield active
    finally:
        active.succeed("drbdsetup resume-io 0")
        active.wait_until(f"! {_REMOVAL_HANGS}", "nothing hangs", 60)
        active.succeed("crm_attribute --name maintenance-mode --delete")
        active.run("crm_resource --cleanup")


def test_frozen_io(frozen: Machine) -> None:
    Look(frozen, patient=False)
    look = Look(frozen)
    assert f"I/O of {RESOURCE} is frozen by suspend-io; thaw it: drbdadm resume-io {RESOURCE}" in look.findings
    assert look.not_seen == ""
    assert look.said["facts"]["luns"][0]["lun"] == 1


def test_a_lun_that_hangs_in_the_kernel(frozen: Machine) -> None:
    """Its removal hangs, and everything that touches what the kernel has locked would; the LUN is seen all the same."""
    link = frozen.succeed(f"ls -d {CONFIGFS}/iscsi/*/tpgt_1/lun/lun_1/{RESOURCE}-lun1-*").strip()
    frozen.succeed(f"setsid rm {link} >/dev/null 2>&1 </dev/null &")
    frozen.wait_until(_REMOVAL_HANGS, "the removal hangs", 30)
    Look(frozen, patient=False)
    look = Look(frozen)
    assert look.said["facts"]["luns"][0]["lun"] == 1
    assert look.said["facts"]["targets"][0]["sessions"][0]["logged_in"]
    assert look.not_seen == ""
    assert "is frozen by suspend-io" in look.findings


def test_a_server_without_its_cluster(recovering: Pair, active: Machine, passive: Machine) -> None:
    """The other one says that it would not serve."""
    passive.succeed("systemctl stop pacemaker")
    try:
        look = Look(passive, patient=False)
        assert look.code in (1, 3)
        assert "the configuration of the cluster" in look.not_seen
        # Its corosync is a member still.
        look = _until(active, f"{passive} is pending")
        assert look.prediction["would_serve"] is False
        assert "there: systemctl start pacemaker" in look.findings
    finally:
        passive.succeed("systemctl start pacemaker")


def test_a_server_that_is_dead(recovering: Pair, active: Machine, passive: Machine) -> None:
    """It is said once the cluster knows it, and the last fencing is shown."""
    passive.power_off()
    Look(active, patient=False)
    look = _until(active, f"{passive} is offline", 120)
    assert look.code == 3
    assert look.prediction["would_serve"] is False
    assert f"{passive} is offline" in look.prediction["because"][0]["because"]
    (last, *_) = look.said["facts"]["cluster"]["fencings"]
    assert (last["node"], last["action"]) == (passive.name, "reboot")


# What is done on the passive server or to the cluster, what undoes it, whether the passive one serves then.
_CASES = {
    "nothing": ("true", "true", True),
    "a ban": (
        "crm_resource --resource g_san --ban --node {passive}", "crm_resource --resource g_san --clear", False,
    ),
    "its disk is detached": (f"drbdadm detach {RESOURCE}", f"drbdadm adjust {RESOURCE}", False),
    "standby": (
        "crm_attribute --node {passive} --name standby --update on",
        "crm_attribute --node {passive} --name standby --delete", False,
    ),
    "no fence device": (
        "crm_resource --resource fence_{active} --meta -p target-role -v Stopped",
        "crm_resource --resource fence_{active} --meta -d target-role", False,
    ),
    "no target": (
        "crm_resource --resource c_target --ban --node {passive}", "crm_resource --resource c_target --clear", False,
    ),
}  # fmt: skip
# For how long the passive server is watched that is not to serve: longer than a take-over takes.
_WATCHED_FOR = 45.0


@pytest.mark.parametrize("case", _CASES)
def test_what_is_predicted_happens(recovering: Pair, active: Machine, passive: Machine, case: str) -> None:
    """Asked, then the power is cut: the other server serves, in about the time that was said, or does not."""
    doing, undoing, serves = (
        words.format(active=active, passive=passive) if isinstance(words, str) else words for words in _CASES[case]
    )
    _until(active, "")
    passive.succeed(str(doing))
    try:
        predicted = _predicted(active, would_serve=bool(serves))
        begun = time.monotonic()
        active.power_off()
        if serves:
            recovering.wait_until_serving(on=passive, timeout=120)
            took = time.monotonic() - begun
            print(f"predicted {predicted['seconds']} s, took {took:.1f} s")
            assert predicted["seconds"] / 2.5 < took < predicted["seconds"] * 2.5
        else:
            with pytest.raises(LabError):
                # Unless the one that was fenced is back before.
                recovering.wait_until_serving(on=passive, timeout=_WATCHED_FOR)
    finally:
        passive.succeed(str(undoing))
        # One that could not be fenced is fenced now, and so it is powered on.
        active.wait_until_on()


def _predicted(server: Machine, *, would_serve: bool) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def predicts() -> bool:
        found[:] = [Look(server).prediction]
        return found[0]["would_serve"] is would_serve

    wait_until(predicts, f"status says that the other one {'would' if would_serve else 'would not'} serve", 60, 1.0)
    return found[0]
