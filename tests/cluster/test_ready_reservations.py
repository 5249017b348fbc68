# SPDX-License-Identifier: GPL-2.0-or-later
"""Reservations that are known are never left out unsaid, and nothing about their volume keeps a good node from serving.

Each test ends with the SAN serving, within 90 s of the moment from which that is promised.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine, wait_until
from lab.pair import INITIATOR, IQN, RESOURCE, STATE_DEVICE, Pair
from tests.cluster import hand

_WHERE = f"/run/twinsan/state.{RESOURCE}"
_KEY = "0xabc"
_SECONDS = 90
# Where btrfs has its superblock.
_BLOCK, _AT = 4096, 16
_LUN = {"target_iqn": IQN, "lun": "1", "path": "/dev/drbd0"}

_KILLED = """
import os, signal, sys
sys.path.insert(0, "/usr/lib")
from twinsan.agents import lio_lun
from twinsan.lio import lun, reservations
from twinsan.ocf import program
module, name = {"lun": lun, "reservations": reservations}[sys.argv[1]], sys.argv[2]
getattr(module, name)
setattr(module, name, lambda *_: os.killpg(0, signal.SIGKILL))
sys.argv = ["lio-lun", "start"]
program.main(lio_lun.LioLun)
"""


class Reservation:
    """What esx, as a host of a cluster would, has reserved of the LUN."""

    def __init__(self, pair: Pair) -> None:
        self._esx, self._disk = pair.esx, pair.disk

    def make(self) -> None:
        for words in (f"--register-ignore --param-sark={_KEY}", f"--reserve --param-rk={_KEY} --prout-type=5"):
            self._send(f"--out {words}")

    def clear(self) -> None:
        self._send(f"--out --register-ignore --param-sark={_KEY}")
        self._send(f"--out --clear --param-rk={_KEY}")

    def keys(self) -> list[str]:
        """The keys that are registered."""
        return re.findall(r"^ +(0x[0-9a-f]+)$", self._send("--in --read-keys"), re.MULTILINE)

    def is_held(self) -> bool:
        return f"Key={_KEY}" in self._send("--in --read-reservation")

    def _send(self, words: str) -> str:
        # What was to be told of a take-over comes in the place of an answer.
        command = f"sg_persist --no-inquiry {words} {self._disk} 2>&1"
        self._esx.wait_until(f"{command} >/run/told", f"{words} is answered", _SECONDS)
        return self._esx.read("/run/told")


@pytest.fixture
def reservation(recovering: Pair) -> Iterator[Reservation]:
    """Afterwards nothing is reserved and nothing of the test is configured any more."""
    reservation = Reservation(recovering)
    yield reservation
    _set(recovering, "p_lun1", "--delete-parameter require_reservations")
    recovering.atlas.succeed("crm_resource --cleanup >/dev/null 2>&1")
    recovering.wait_until_serving()
    reservation.clear()


def _set(pair: Pair, resource: str, words: str) -> None:
    pair.atlas.run(f"crm_resource --resource {resource} {words}")


def _stop(pair: Pair) -> None:
    """Stop all but DRBD, which stays promoted where it is."""
    _set(pair, "g_san", "--meta --set-parameter target-role --parameter-value Stopped")
    wait_until(lambda: pair.serving() is None, "the SAN is stopped", _SECONDS)
    pair.wait_until_idle()


def _start(pair: Pair) -> None:
    _set(pair, "g_san", "--meta --delete-parameter target-role")


def _primary(pair: Pair) -> Machine:
    found: list[Machine] = []

    def is_there() -> bool:
        primary = f"drbdadm role {RESOURCE} | grep -q ^Primary"
        found[:] = [server for server in pair.servers if server.run(primary).status == 0]
        return bool(found)

    wait_until(is_there, "a replica is promoted", _SECONDS)
    return found[0]


def _spoil(pair: Pair) -> bytes:
    """Make the state volume one that nobody can mount; returns what mends it."""
    server = _primary(pair)
    server.succeed(f"! mountpoint -q {_WHERE} || umount {_WHERE}")
    told = server.succeed(f"dd if={STATE_DEVICE} bs={_BLOCK} skip={_AT} count=1 status=none | base64 -w0")
    server.succeed(f"dd if=/dev/zero of={STATE_DEVICE} bs={_BLOCK} seek={_AT} count=1 conv=fsync status=none")
    return base64.b64decode(told)


def _mend(pair: Pair, block: bytes) -> Machine:
    """Undo it; returns the server whose replica is promoted."""
    server = _primary(pair)
    server.copy({"/run/superblock": block})
    server.succeed(f"dd if=/run/superblock of={STATE_DEVICE} bs={_BLOCK} seek={_AT} count=1 conv=fsync status=none")
    return server


def _told(pair: Pair, words: str) -> str:
    """What to type, of the reason in crm_mon -1 that has these words."""
    reasons: list[str] = []

    def is_told() -> bool:
        lines = pair.atlas.succeed("crm_mon -1").splitlines()
        reasons[:] = [line for line in lines if words in line]
        return bool(reasons)

    wait_until(is_told, f"crm_mon says that it {words}", _SECONDS)
    match = re.search(r"type: (mount \S+ [\w/.]+)", reasons[0])
    assert match, reasons
    return match[1]


@pytest.mark.soak
def test_a_state_volume_that_cannot_be_mounted_and_no_reservation(
    recovering: Pair, active: Machine, reservation: Reservation
) -> None:
    """The LUN is served within 90 s, and crm_mon says what is not well and what to type, which is right."""
    _stop(recovering)
    block = _spoil(recovering)
    _start(recovering)
    recovering.wait_until_serving(timeout=_SECONDS)
    command = _told(recovering, "is not mounted, so reservations can be lost")
    server = _mend(recovering, block)
    server.succeed(f"{command} && mountpoint -q {_WHERE}")
    # The LUN keeps reservations in the volume from its next start on; until then they would be in the cluster.
    _stop(recovering)
    _start(recovering)
    recovering.wait_until_serving(timeout=_SECONDS)


def test_a_state_volume_that_cannot_be_mounted_and_a_reservation(
    recovering: Pair, active: Machine, reservation: Reservation
) -> None:
    """Nobody serves without it, which crm_mon says with what to type; after that it serves within 90 s, as it was."""
    reservation.make()
    _stop(recovering)
    told = active.succeed("twinsan reservations")
    assert INITIATOR in told
    assert "Write Exclusive, Registrants Only" in told
    block = _spoil(recovering)
    _start(recovering)
    command = _told(recovering, "which is not mounted; type: ")
    assert recovering.serving() is None
    server = _mend(recovering, block)
    server.succeed(command)
    server.succeed("crm_resource --cleanup --resource p_lun1 >/dev/null 2>&1")
    recovering.wait_until_serving(timeout=_SECONDS)
    assert (reservation.keys(), reservation.is_held()) == ([_KEY], True)


@pytest.mark.soak
def test_the_administrator_serves_without_what_was_reserved(
    recovering: Pair, active: Machine, reservation: Reservation
) -> None:
    """With a parameter, within 90 s; and what the volume has does not come back when it is there again."""
    reservation.make()
    _stop(recovering)
    block = _spoil(recovering)
    _set(recovering, "p_lun1", "--set-parameter require_reservations --parameter-value no")
    _start(recovering)
    recovering.wait_until_serving(timeout=_SECONDS)
    assert reservation.keys() == []
    server = _mend(recovering, block)
    server.succeed(f"mount {STATE_DEVICE} {_WHERE}")
    # What the volume has is older than that.
    _stop(recovering)
    _start(recovering)
    recovering.wait_until_serving(timeout=_SECONDS)
    assert reservation.keys() == []


def test_a_registration_is_taken_away_on_purpose(recovering: Pair, reservation: Reservation) -> None:
    """The command says how to stop the LUN, and works then; the SAN serves within 90 s of what it says to type."""
    reservation.make()
    server = recovering.wait_until_serving()
    remove = f"twinsan reservations --lun p_lun1 --remove {INITIATOR}"
    refused = server.fail(remove).stderr
    match = re.search(
        r"crm_resource --resource p_lun1 --meta --set-parameter target-role --parameter-value Stopped", refused
    )
    assert match, refused
    server.succeed(match[0])
    recovering.wait_until_idle()
    again = server.succeed(remove).splitlines()[-1]
    server.succeed(again)
    recovering.wait_until_serving(timeout=_SECONDS)
    assert reservation.keys() == []


@pytest.mark.parametrize(
    ("module", "name"),
    [pytest.param("reservations", "restore", marks=pytest.mark.soak), ("lun", "_show")],
)
def test_a_start_after_a_killed_start(
    recovering: Pair, active: Machine, reservation: Reservation, module: str, name: str
) -> None:
    """Killed before the kernel was told what is reserved, or just after: told once, and serving within 90 s."""
    reservation.make()
    _stop(recovering)
    hand.expect(active, 0, "lio-iscsi-target", "start", iqn=IQN, portals="10.0.5.50", allowed_initiators=INITIATOR)
    active.copy({"/run/killed.py": _KILLED.encode()})
    parameters = " ".join(f"OCF_RESKEY_{key}={value}" for key, value in _LUN.items())
    active.fail(f"{parameters} setsid --wait python3 /run/killed.py {module} {name}")
    active.succeed(f"ls -d {hand.CONFIGFS}/core/iblock_*/*-lun1-*")
    _start(recovering)
    recovering.wait_until_serving(timeout=_SECONDS)
    assert (reservation.keys(), reservation.is_held()) == ([_KEY], True)


def test_a_shell_in_the_state_volume_does_not_fence_the_node(
    recovering: Pair, active: Machine, passive: Machine
) -> None:
    """The other node serves within 90 s; nobody was fenced, and what was in there writes no more."""
    cuts, since = len(recovering.power_events), active.journal_cursor()
    loop = "trap '' TERM HUP; while :; do echo x >>junk; sleep 0.1; done"
    active.succeed(f'cd {_WHERE} && setsid sh -c "{loop}" >/dev/null 2>&1 </dev/null &')
    active.wait_until(f"test -s {_WHERE}/junk", "it writes", 30)
    active.succeed(f"tail -f {_WHERE}/junk >/dev/null 2>&1 </dev/null &")
    recovering.move(passive)
    wait_until(lambda: _primary(recovering) is passive, "the other one is promoted", _SECONDS)
    assert len(recovering.power_events) == cuts
    active.fail(f"mountpoint -q {_WHERE}")
    active.fail("pgrep -f '[e]cho x >>junk'")
    active.fail(f"dd if=/dev/zero of={STATE_DEVICE} bs={_BLOCK} count=1 oflag=direct status=none")
    assert "this ends who uses it" in active.journal(f"--after-cursor='{since}' -t 'drbd-vaai(p_drbd)'")
    size = passive.succeed(f"stat -c %s {_WHERE}/junk")
    assert passive.succeed(f"sleep 1; stat -c %s {_WHERE}/junk") == size
    passive.succeed(f"rm {_WHERE}/junk")
