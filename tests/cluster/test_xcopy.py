# SPDX-License-Identifier: GPL-2.0-or-later
"""EXTENDED COPY from one LUN to another of the same target, whatever DRBD is about; the bytes stay in the servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.machine import Machine
from lab.pair import RESOURCE, Pair
from tests.cluster import second_lun

_MIB = 7
_BYTES = _MIB << 20
# Where in the first LUN, in MiB: beyond what the loads write.
_FROM = 100
_RESOURCES = (RESOURCE, second_lun.RESOURCE)
_MINORS = (0, second_lun.MINOR)

# New data on both, then the copy, with udev held back, which reads a disk that was closed. Prints what went over
# the initiator's wire meanwhile, the checksum of what was to be copied, and that of what is there.
_COPY = """
set -e
cd /run
count() {{ echo $(($(cd /sys/class/net/vec0/statistics && paste -d+ rx_bytes tx_bytes))); }}
dd if=/dev/urandom of=source bs=1M count={mib} status=none
dd if=source of={source} bs=1M seek={begin} oflag=direct conv=nocreat status=none
dd if=/dev/urandom of={target} bs=1M count={mib} oflag=direct conv=nocreat status=none
udevadm settle
trap 'udevadm control --start-exec-queue' EXIT
udevadm control --stop-exec-queue
before=$(count)
sg_xcopy if={source} skip=$(({begin} << 11)) of={target} {flag}=xcopy count=$(({mib} << 11)) bs=512 bpt=2048 >&2
echo $(($(count) - before))
sha256sum <source
dd if={target} bs=1M count={mib} iflag=direct status=none | sha256sum
"""


@pytest.fixture(scope="module")
def second(whole_pair: Pair) -> Iterator[str]:
    with second_lun.made(whole_pair) as disk:
        yield disk


def _copy(pair: Pair, second: str, flag: str = "iflag") -> None:
    """Copy, with the command sent to the source (iflag) or to the destination (oflag)."""
    told = pair.esx.succeed(_COPY.format(mib=_MIB, begin=_FROM, source=pair.disk, target=second, flag=flag))
    moved, meant, found = told.splitlines()
    print(f"{_BYTES} bytes were copied, and {moved} passed the initiator")
    assert found == meant
    # A copy through the initiator would be twice the bytes. There is always some talk on its wire.
    assert int(moved) < _BYTES / 20


def _both(server: Machine, what: str, state: str) -> None:
    for resource in _RESOURCES:
        second_lun.wait_until_is(server, what, state, resource)


@pytest.mark.parametrize("flag", ["iflag", "oflag"])
def test_both_replicated(pair: Pair, second: str, flag: str) -> None:
    _copy(pair, second, flag)


@pytest.mark.soak
def test_both_disconnected(recovering: Pair, active: Machine, passive: Machine, second: str) -> None:
    for resource in _RESOURCES:
        active.succeed(f"drbdadm disconnect {resource}")
    try:
        _both(active, "cstate", "StandAlone")
        _copy(recovering, second)
        _both(active, "cstate", "StandAlone")
    finally:
        for resource in _RESOURCES:
            active.succeed(f"drbdadm connect {resource}")
    for server in (active, passive):
        _both(server, "dstate", "UpToDate/UpToDate")


@pytest.mark.soak
def test_both_resynchronising(recovering: Pair, active: Machine, passive: Machine, second: str) -> None:
    """All that is copied goes to a peer that lacks most of it still."""
    for server in (active, passive):
        for minor in _MINORS:
            server.succeed(f"drbdsetup disk-options {minor} --c-plan-ahead=0 --resync-rate=50K --c-min-rate=0")
    try:
        for minor in _MINORS:
            passive.succeed(f"drbdsetup invalidate {minor}")
        for minor in _MINORS:
            passive.wait_until(f"grep -q '^ *{minor}: cs:SyncTarget ' /proc/drbd", f"resync of {minor} runs", 30)
        _copy(recovering, second)
        for minor in _MINORS:
            left = active.succeed(f"grep -A1 '^ *{minor}: cs:SyncSource ' /proc/drbd | grep -o 'oos:[0-9]*'").strip()
            assert int(left[4:]) > 0, f"minor {minor} was in sync before the copy had ended"
    finally:
        for server in (active, passive):
            for minor in _MINORS:
                server.succeed(f"drbdsetup disk-options {minor} --c-plan-ahead=0 --resync-rate=500M --c-min-rate=0")
    for server in (active, passive):
        _both(server, "dstate", "UpToDate/UpToDate")
        for resource in _RESOURCES:
            server.succeed(f"drbdadm adjust {resource}")


def test_the_replicas_are_equal_at_the_end(pair: Pair, active: Machine, second: str) -> None:
    assert pair.verify_replicas() == 0
