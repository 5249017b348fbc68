# SPDX-License-Identifier: GPL-2.0-or-later
"""LUNs, targets and sessions, of a tree that behaves as the kernel's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import fake_configfs
from tests.unit.agent.test_lio_iscsi_target import ESX1, GROUP, IQN
from tests.unit.agent.test_lio_lun import run, target
from tests.unit.fake_configfs import Kernel
from twinsan.lio import acl, configfs, session
from twinsan.lio.lun import Lun
from twinsan.network import addresses
from twinsan.network.addresses import AssignedAddress
from twinsan.operate.facts import storage, storage_shape

INFO = """\
InitiatorName: iqn.1998-01.com.vmware:esx1
InitiatorAlias: esx1
LIO Session ID: 1   ISID: 0x00 02 3d 01 00 00  TSIH: 1  SessionType: Normal
Session State: TARG_SESS_STATE_LOGGED_IN
---------------------[iSCSI Session Values]-----------------------
  CmdSN/WR  :  CmdSN/WC  :  ExpCmdSN  :  MaxCmdSN  :     ITT    :     TTT
 0x00000080   0x00000080   0x00000014   0x00000093   0x13000000   0x00000001
----------------------[iSCSI Connections]-------------------------
CID: 0  Connection State: TARG_CONN_STATE_LOGGED_IN
   Address 10.0.5.4 TCP  StatSN: 0x5e1e3b9c
"""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = fake_configfs.install(monkeypatch, tmp_path)
    monkeypatch.setattr(addresses, "present", lambda: [AssignedAddress(2, "10.0.5.50", 24, 0)])
    assert target("start") == 0
    assert run("start") == 0
    return fake


def write(place: str, **values: str) -> None:
    Path(place).mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        Path(place, name).write_text(value + "\n")


def seen() -> tuple[storage_shape.Lun, storage_shape.Target]:
    lun, found = storage.look()
    assert isinstance(lun, storage_shape.Lun)
    assert isinstance(found, storage_shape.Target)
    return lun, found


def test_a_lun(kernel: Kernel) -> None:
    place = Lun(IQN, 1, "/dev/drbd0").storage.place
    write(f"{place}/statistics/scsi_lu", num_cmds="12", read_mbytes="3", write_mbytes="4", resets="0")
    lun, _ = seen()
    assert (lun.target, lun.lun, lun.device, lun.size_bytes) == (IQN, 1, "/dev/drbd0", 128 << 20)
    assert lun.naa.startswith("naa.6001405")
    assert lun.vaai == ("ats", "xcopy", "write_same", "unmap")
    assert lun.alua == "active/optimized"
    assert (lun.commands, lun.read_mib, lun.written_mib, lun.resets) == (12, 3, 4, 0)
    assert lun.reservation == storage_shape.Reservation(0, None, None)


def test_a_reservation(kernel: Kernel) -> None:
    write(
        f"{Lun(IQN, 1, '/dev/drbd0').storage.place}/pr",
        res_pr_registered_i_pts=f"SPC-3 PR Registrations:\niSCSI Node: {ESX1},i,0x00023d Key: 0xabc PRgen: 0x1",
        res_pr_type="SPC-3 Reservation Type: Write Exclusive Access, Registrants Only",
        res_holder=f"SPC-3 Reservation: iSCSI Initiator: {ESX1},i,0x00023d",
    )
    lun, _ = seen()
    assert lun.reservation == storage_shape.Reservation(1, "Write Exclusive Access, Registrants Only", ESX1)


def test_a_session(kernel: Kernel) -> None:
    acl = f"{kernel.root}/{GROUP}/acls/{ESX1}"
    write(acl, info=INFO)
    write(f"{acl}/fabric_statistics/iscsi_sess_stats", cmd_pdus="7", rxdata_octs="512", txdata_octs="1024")
    write(f"{acl}/param", ImmediateData="Yes", MaxBurstLength="1048576")
    write(f"{acl}/lun_1/statistics/scsi_auth_intr", num_cmds="7", read_mbytes="1", write_mbytes="2")
    _, found = seen()
    assert found.enabled
    assert found.portals == (storage_shape.Portal("10.0.5.50", 3260, here=True),)
    session = next(each for each in found.sessions if each.initiator == ESX1)
    assert (session.logged_in, session.state, session.address) == (True, "LOGGED_IN", "10.0.5.4")
    # What rxdata_octs has lacks immediate data.
    assert (session.commands, session.received_bytes, session.sent_bytes) == (7, 2 << 20, 1024)
    assert session.parameters["MaxBurstLength"] == "1048576"
    assert session.luns == (storage_shape.LunUse(1, 7, 1, 2),)
    other = next(each for each in found.sessions if each.initiator != ESX1)
    assert (other.logged_in, other.address, other.parameters) == (False, None, {})


def test_nothing_is_read_that_a_hanging_lun_locks(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of the LUN in its portal group, and the attributes and parameters of the group."""
    locked = (f"{kernel.root}/{GROUP}/lun/lun_1", f"{kernel.root}/{GROUP}/attrib", f"{kernel.root}/{GROUP}/param")

    def guarded(name: str) -> None:
        real = getattr(configfs, name)

        def call(path: str) -> object:
            assert not path.startswith(locked), f"{name} {path}"
            return real(path)

        monkeypatch.setattr(configfs, name, call)

    for name in ("exists", "links", "names", "read"):
        guarded(name)
    lun, found = seen()
    assert (lun.lun, found.target) == (1, IQN)


def test_a_lun_counts_before_what_hangs_behind_it(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(iqn: str, group: str, here: set[str]) -> Iterator[object]:
        raise OSError("as if it hung")

    monkeypatch.setattr(storage, "_target", hanging)
    look = storage.look()
    assert isinstance(next(look), storage_shape.Lun)


def test_the_name_of_a_lun_spares_the_acls_of_all_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are many: each initiator has a directory for each LUN."""

    def read(_group: str) -> list[str]:
        raise AssertionError("an ACL was read")

    monkeypatch.setattr(acl, "initiators", read)
    name = Lun(IQN, 7, "/dev/drbd0").storage.name
    assert storage._shown(name, {"iqn.2003-01.org.example:other": "other", IQN: GROUP}) == (IQN, 7)


def test_without_lio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(configfs, "root", str(tmp_path / "none"))
    assert list(storage.look()) == []


@pytest.mark.parametrize("info", ["", "No active iSCSI Session for Initiator Endpoint: iqn.x:y"])
def test_no_session(info: str) -> None:
    assert session.parse(info) is None


def test_an_unknown_wording_is_a_session_all_the_same() -> None:
    found = session.parse("InitiatorName: x\nLIO Session ID: 1\n")
    assert found is not None
    assert (found.state, found.address) == ("", "")
