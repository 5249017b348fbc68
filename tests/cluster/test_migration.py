# SPDX-License-Identifier: GPL-2.0-or-later
"""The way over from the agents of ClusterLabs: a disk stays the disk that its initiators know."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from lab.machine import Machine
from lab.pair import INITIATOR, Pair
from tests.cluster import hand
from twinsan.operate.adoption import migration

_IQN = "iqn.2003-01.org.example:old"
_OTHERS = "/usr/lib/ocf/resource.d/heartbeat"
_OTHER_AGENTS = (("iSCSITarget", "p_oldtarget"), ("iSCSILogicalUnit", "p_a_long_name_for_a_lun"))
_MIB = 1 << 20

# How an initiator asks who the disk is, and what it can.
IDENTITY = {
    "standard INQUIRY": "sg_inq --raw",
    "unit serial number": "sg_inq --vpd --page=0x80 --raw",
    "device identification": "sg_inq --vpd --page=0x83 --raw",
}
_ABILITIES = {
    "list of VPD pages": "sg_inq --vpd --page=0x00 --raw",
    "block limits": "sg_inq --vpd --page=0xb0 --raw",
    "block device characteristics": "sg_inq --vpd --page=0xb1 --raw",
    "logical block provisioning": "sg_inq --vpd --page=0xb2 --raw",
    "mode pages": "sg_modes --raw --page=0x3f",
    "capacity": "sg_readcap --16 --raw",
}


@pytest.fixture
def device(passive: Machine) -> Iterator[str]:
    """A device of 64 MiB."""
    path = passive.succeed("modprobe loop; truncate -s 64M /run/old; losetup --find --show /run/old").strip()
    # targetcli keeps its settings only where its first process writes them (configshell saves them in the process that
    # makes the history file). Else the portal of iSCSITarget would meet targetcli's own, on all addresses.
    passive.succeed("rm -rf /root/.targetcli")
    yield path
    passive.run(f"losetup --detach {path}; rm -rf /run/old /root/.targetcli")


def _other(machine: Machine, agent: str, action: str, **parameters: str) -> None:
    """Run an agent of ClusterLabs."""
    words = [f"OCF_RESKEY_{name}={shlex.quote(value)}" for name, value in parameters.items()]
    name = dict(_OTHER_AGENTS)[agent]
    environment = ["env", "OCF_ROOT=/usr/lib/ocf", "HA_LOGFACILITY=none", f"OCF_RESOURCE_INSTANCE={name}", *words]
    machine.succeed(" ".join([*environment, f"{_OTHERS}/{agent}", action]))


def _noted(machine: Machine) -> dict[str, str]:
    """What the manual page has noted before the move, by the file's name."""
    lines = machine.succeed("; ".join(migration.IDENTITY)).splitlines()
    values = dict(line.split(":", 1) for line in lines)
    assert len({name.rpartition("/wwn/")[0] for name in values}) == 1, values
    return {name.rpartition("/")[2]: value.rpartition(": ")[2] for name, value in values.items()}


class Disk:
    """The disk, as the initiator has it."""

    def __init__(self, esx: Machine, path: str) -> None:
        self._esx = esx
        self.path = path

    def ask(self, questions: dict[str, str]) -> dict[str, str]:
        """The disk's answers, in hexadecimal."""
        dump = "od --address-radix=n --format=x1 --output-duplicates"
        answers = {name: self._esx.succeed(f"{words} {self.path} | {dump}") for name, words in questions.items()}
        assert all(answer.strip() for answer in answers.values()), answers
        return answers

    def names(self) -> list[str]:
        """What udev calls the disk, wherever it is plugged in."""
        found = self._esx.succeed(f"udevadm settle; find -L /dev/disk/by-id -samefile {self.path}").split()
        assert found
        return sorted(found)

    def write(self) -> str:
        """Fill the disk's second MiB at random; returns its checksum."""
        self._esx.succeed(f"dd if=/dev/urandom of={self.path} bs=1M count=1 seek=1 oflag=direct iflag=fullblock")
        return self.read()

    def read(self) -> str:
        """The checksum of the disk's second MiB."""
        return self._esx.succeed(f"dd if={self.path} bs=1M count=1 skip=1 iflag=direct | sha256sum")


@contextlib.contextmanager
def logged_in(pair: Pair, server: Machine) -> Iterator[Disk]:
    """The disk that the initiator finds on a server, for the time of the body."""
    address, esx = server.san_address, pair.esx
    node = f"iscsiadm -m node -T {_IQN} -p {address}"
    disk = Disk(esx, f"/dev/disk/by-path/ip-{address}:3260-iscsi-{_IQN}-lun-7")
    esx.succeed(f"iscsiadm -m discovery -t sendtargets -p {address} && {node} --login")
    try:
        esx.wait_until(f"test -b {disk.path}", "the disk is seen", 30)
        yield disk
    finally:
        esx.run(f"{node} --logout; {node} -o delete")


@pytest.mark.parametrize(
    "further",
    [
        # Starts of the other agents are what takes long.
        pytest.param({}, id="defaults", marks=pytest.mark.procedure),
        pytest.param(
            {"scsi_sn": "60a98000-572D.54_x", "product_id": "VDISK", "emulate_3pc": "1", "emulate_caw": "1"}, id="named"
        ),
        # It has other limits, and a write cache.
        pytest.param({"liot_bstype": "fileio"}, id="fileio", marks=pytest.mark.procedure),
    ],
)
@pytest.mark.usefixtures("without_the_san")
def test_a_disk_keeps_its_identity(pair: Pair, passive: Machine, device: str, further: dict[str, str]) -> None:
    portal = f"{passive.san_address}:3260"
    target = {"iqn": _IQN, "portals": portal, "allowed_initiators": INITIATOR}
    lun = {"target_iqn": _IQN, "lun": "7", "path": device, **further}
    lio = {"implementation": "lio-t"}
    _other(passive, "iSCSITarget", "start", **lio, **target)
    _other(passive, "iSCSILogicalUnit", "start", **lio, **lun)
    with logged_in(pair, passive) as disk:
        before = disk.ask(IDENTITY), disk.names()
        could = disk.ask(_ABILITIES)
        written = disk.write()
    noted = _noted(passive)
    _other(passive, "iSCSILogicalUnit", "stop", **lio, **lun)
    _other(passive, "iSCSITarget", "stop", **lio, **target)

    # What the manual page says, with every other value as it was.
    block = lun.pop("liot_bstype", "block") == "block"
    lun.update(scsi_sn=noted["vpd_unit_serial"], vendor_id=noted["vendor_id"], product_id=noted["product_id"])
    # The old agent lets the kernel take it from the device, and a loop device does not rotate.
    lun.update(is_nonrot="yes" if block else "no")
    hand.expect(passive, 0, "lio-iscsi-target", "start", **target)
    try:
        hand.expect(passive, 0, "lio-lun", "start", **lun)
        assert _noted(passive) == noted
        with logged_in(pair, passive) as disk:
            assert (disk.ask(IDENTITY), disk.names()) == before
            assert disk.read() == written
            assert disk.ask(_ABILITIES) != could, "UNMAP is new"
        # Without what was off before there is no difference at all.
        lun.update(emulate_tpu="0", emulate_tpws="no")
        hand.expect(passive, 0, "lio-lun", "reload-agent", **lun)
        with logged_in(pair, passive) as disk:
            assert (disk.ask(_ABILITIES) == could) is block
        # And without the procedure it is another disk: the comparison can fail.
        hand.expect(passive, 0, "lio-lun", "stop", **lun)
        del lun["scsi_sn"]
        hand.expect(passive, 0, "lio-lun", "start", **lun)
        with logged_in(pair, passive) as disk:
            assert disk.names() != before[1]
    finally:
        hand.expect(passive, 0, "lio-lun", "stop", **lun)
        hand.expect(passive, 0, "lio-iscsi-target", "stop", **target)


@pytest.mark.procedure
def test_the_old_resources_go_and_come_back(active: Machine) -> None:
    """By the commands of the manual page, on a copy of the configuration."""
    copy = "/run/copy.xml"
    active.succeed(f"cibadmin --query >{copy}")
    on_copy = f"cd /run && CIB_file={copy}"
    active.succeed(f"{on_copy} {migration.KEEP}")
    kept = _ids(active, copy)
    assert {"c_target", "g_san", "ms_drbd", "p_lun1"} <= kept
    by_crmsh = migration.DELETE_BY_CRMSH.replace("EACH_OLD_PRIMITIVE ...", "p_target p_lun1 p_portal p_drbd")
    by_pcs = [
        command.replace("pcs ", f"pcs -f {copy} ").replace("OLD_GROUP", "g_san").replace("OLD_CLONE", clone)
        for clone in ("ms_drbd", "c_target")
        for command in migration.DELETE_BY_PCS[0 if clone == "ms_drbd" else 1 :]
    ]
    for commands in ([by_crmsh], by_pcs):
        for command in commands:
            active.succeed(f"{on_copy} {command}")
        left = _ids(active, copy)
        assert not [name for name in left if name.startswith(("c_", "g_", "ms_", "p_"))]
        assert {"fence_atlas", "fence_zeus"} <= left
        active.succeed(f"{on_copy} {migration.RESTORE}")
        assert _ids(active, copy) == kept
    active.succeed(f"rm {copy} /run/before.xml")


def _ids(machine: Machine, path: str) -> set[str]:
    """The resources and constraints of a configuration."""
    configuration = ET.fromstring(machine.read(path)).find("configuration")
    assert configuration is not None
    kinds = {"primitive", "group", "clone", "rsc_order", "rsc_colocation", "rsc_location"}
    return {element.get("id", "") for element in configuration.iter() if element.tag in kinds}
