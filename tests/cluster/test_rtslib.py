# SPDX-License-Identifier: GPL-2.0-or-later
"""rtslib-fb, on which targetcli stands, knows what the agents made; what it saves of that, it makes again elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, PORTAL, Pair
from lab.pair import IQN as SAN
from tests.cluster import hand
from twinsan.lio import naa

_IQN = "iqn.2003-01.org.example:rtslib"
_OTHER = "iqn.1998-01.com.example:other"
# rtslib has nothing to do with the place of reservations, and must not move it.
_DBROOT = f"{hand.CONFIGFS}/dbroot"
_VIEW, _SAVED = "/run/rtslib_view.py", "/run/saved.json"
_DISKS = "/run/rtslib"

_SECRET, _BACK, _OWN = "correcthorse12", "batterystaple34", "stapleofanother56"
# The address of each server: the other one's is not there, and is listened on all the same.
_PORTALS = ("10.0.5.2:3260", "10.0.5.3:3260", "[fd00::60]:3260")
_TARGET = {
    "iqn": _IQN,
    "portals": " ".join(_PORTALS),
    "allowed_initiators": f"{INITIATOR} {_OTHER}",
    "incoming_username": "esxone",
    "incoming_password": _SECRET,
    "outgoing_username": "sanone",
    "outgoing_password": _BACK,
    "initiator_credentials": f"{_OTHER} other {_OWN}",
    "queue_depth": "48",
    "additional_parameters": "MaxBurstLength=524288",
}
_FIRST = {"target_iqn": _IQN, "lun": "7", "path": f"{_DISKS}/disk7"}
# For one initiator alone, without UNMAP, and with limits and a serial of its own.
_SECOND = {
    "target_iqn": _IQN,
    "lun": "9",
    "path": f"{_DISKS}/disk9",
    "scsi_sn": "60a98000572d54",
    "allowed_initiators": _OTHER,
    "emulate_tpu": "no",
    "emulate_tpws": "no",
    "max_write_same_len": "128",
    "is_nonrot": "yes",
}


@pytest.fixture
def disks(pair: Pair) -> Iterator[None]:
    """Two devices, of the same names on both servers."""
    for server in pair.servers:
        server.succeed(
            f"set -e; modprobe loop; mkdir -p {_DISKS}; cd {_DISKS}; for number in 7 9; do"
            " truncate -s 16M $number.img; ln -s $(losetup --find --show $number.img) disk$number; done"
        )
        server.copy({_VIEW: Path(__file__).with_name("rtslib_view.py")})
    yield
    for server in pair.servers:
        server.run(f"for disk in {_DISKS}/disk*; do losetup --detach $(readlink $disk); done")
        server.run(f"rm -rf {_DISKS} {_VIEW} {_SAVED}")


@pytest.fixture
def made(active: Machine, disks: None) -> Iterator[Machine]:
    """The server that serves, with a second target beside the SAN's, made by hand."""
    try:
        hand.expect(active, 0, "lio-iscsi-target", "start", **_TARGET)
        for lun in (_FIRST, _SECOND):
            hand.expect(active, 0, "lio-lun", "start", **lun)
        yield active
    finally:
        _stop(active)


def _stop(server: Machine) -> None:
    for lun in (_FIRST, _SECOND):
        hand.expect(server, 0, "lio-lun", "stop", **lun)
    hand.expect(server, 0, "lio-iscsi-target", "stop", **_TARGET)


def _rtslib(server: Machine, *words: str) -> str:
    """What rtslib answers in a guest. Its import warns of what its own libraries will drop."""
    return server.succeed(["python3", "-W", "ignore", _VIEW, *words])


def _read(server: Machine, iqn: str) -> dict[str, Any]:
    """A target as rtslib has it; see rtslib_view.read."""
    seen: dict[str, Any] = json.loads(_rtslib(server, "read", iqn))
    return seen


def _holds(place: dict[str, Any], wanted: dict[str, str]) -> None:
    """The place has these attributes among its own."""
    assert {name: place.get(name) for name in wanted} == wanted


@contextlib.contextmanager
def _logged_in(pair: Pair, server: Machine) -> Iterator[str]:
    """The name by which the initiator knows LUN 7 of a server, after both have proved themselves."""
    address, esx = server.san_address, pair.esx
    node = f"iscsiadm -m node -T {_IQN} -p {address}"
    words = {"authmethod": "CHAP", "username": "esxone", "password": _SECRET}
    words.update(username_in="sanone", password_in=_BACK)
    # Without a discovery, which would find the SAN as well, and set anew how the initiator treats it.
    esx.succeed(f"{node} -o new")
    try:
        for name, value in words.items():
            esx.succeed(f"{node} -o update -n node.session.auth.{name} -v {value}")
        esx.succeed(f"{node} --login")
        disk = f"/dev/disk/by-path/ip-{address}:3260-iscsi-{_IQN}-lun-7"
        esx.wait_until(f"test -b {disk}", "the disk is seen", 30)
        yield esx.succeed(f"cat /sys/block/$(basename $(readlink -f {disk}))/device/wwid").strip()
    finally:
        esx.run(f"{node} --logout; {node} -o delete")


def test_it_reads_what_the_cluster_serves(active: Machine, disks: None) -> None:
    seen = _read(active, SAN)
    assert (seen["group"], seen["enabled"], seen["portals"]) == (1, True, [f"{PORTAL}:3260"])
    (lun,) = seen["luns"].items()
    assert (lun[0], lun[1]["plugin"], lun[1]["status"]) == ("1", "block", "activated")
    assert (lun[1]["device"], lun[1]["serial"]) == ("/dev/drbd0", naa.serial(SAN, 1))
    assert list(seen["initiators"]) == [INITIATOR]
    assert seen["initiators"][INITIATOR]["chap"] == [""] * 4
    assert seen["initiators"][INITIATOR]["luns"] == {"1": [1, False]}


def test_it_reads_what_the_agents_made(made: Machine) -> None:
    seen = _read(made, _IQN)
    assert (seen["group"], seen["enabled"], seen["portals"]) == (1, True, sorted(_PORTALS))
    closed = {"generate_node_acls": "0", "cache_dynamic_acls": "0", "demo_mode_discovery": "0"}
    _holds(seen["attributes"], {**closed, "authentication": "1", "default_cmdsn_depth": "48"})
    _holds(seen["parameters"], {"MaxBurstLength": "524288", "DefaultTime2Wait": "0", "InitialR2T": "No"})

    assert set(seen["initiators"]) == {INITIATOR, _OTHER}
    esx, other = seen["initiators"][INITIATOR], seen["initiators"][_OTHER]
    assert (esx["chap"], esx["authenticate_target"]) == (["esxone", _SECRET, "sanone", _BACK], True)
    assert (other["chap"], other["authenticate_target"]) == (["other", _OWN, "", ""], False)
    assert (esx["queue_depth"], other["queue_depth"]) == (48, 48)
    assert esx["luns"] == {"7": [7, False]}
    assert other["luns"] == {"7": [7, False], "9": [9, False]}

    assert set(seen["luns"]) == {"7", "9"}
    first, second = seen["luns"]["7"], seen["luns"]["9"]
    for lun, parameters in ((first, _FIRST), (second, _SECOND)):
        assert (lun["plugin"], lun["status"], lun["device"]) == ("block", "activated", parameters["path"])
    assert (first["serial"], second["serial"]) == (naa.serial(_IQN, 7), _SECOND["scsi_sn"])
    both = {"emulate_caw": "1", "emulate_3pc": "1", "max_unmap_lba_count": "65536", "unmap_granularity": "2048"}
    both.update(force_pr_aptpl="1", unmap_zeroes_data="0")
    for lun, unmaps, longest, nonrot in ((first, "1", "65536", "0"), (second, "0", "128", "1")):
        own = {"emulate_tpu": unmaps, "emulate_tpws": unmaps, "max_write_same_len": longest, "is_nonrot": nonrot}
        _holds(lun["attributes"], {**both, **own})


def test_what_it_saves_is_the_same_target_on_the_other_server(pair: Pair, made: Machine) -> None:
    """Where the SAN does not run. Vendor and product are not in rtslib's file: the kernel has its own there."""
    other = pair.peer_of(made)
    seen = _read(made, _IQN)
    with _logged_in(pair, made) as name:
        assert name == naa.name(naa.serial(_IQN, 7))
    _rtslib(made, "save", _IQN, _SAVED)
    _stop(made)

    other.copy({_SAVED: made.read(_SAVED).encode()})
    other.succeed(
        "modprobe -a target_core_mod target_core_iblock iscsi_target_mod;"
        " mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config"
    )
    root = other.read(_DBROOT)
    try:
        refused = json.loads(_rtslib(other, "restore", _IQN, _SAVED))
        # A value that the kernel gives itself and takes from nobody; what differs for it is seen below.
        assert not [words for words in refused if "Cannot set" not in words], refused
        assert _read(other, _IQN) == seen, refused
        with _logged_in(pair, other) as name:
            assert name == naa.name(naa.serial(_IQN, 7))
    finally:
        _rtslib(other, "remove", _IQN, _SAVED)
    left = hand.kernel_objects(other)
    assert not [word for word in (_IQN, *(lun["name"] for lun in seen["luns"].values())) if word in left]
    for lun in (_FIRST, _SECOND):
        other.succeed(f"python3 -c 'import os; os.open(\"{lun['path']}\", os.O_RDWR | os.O_EXCL)'")
    assert other.read(_DBROOT) == root
