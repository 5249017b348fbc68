# SPDX-License-Identifier: GPL-2.0-or-later
"""What the node that serves knows itself: its kernel's word counts more than the configuration's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.operate.adoption import field
from tests.unit.operate.adoption.field import ESX, IQN, Adopted
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.host import command
from twinsan.lio import configfs
from twinsan.operate import adopt
from twinsan.operate.adoption import here

# A child asks the kernel.
pytestmark = pytest.mark.runs_programs

OTHER = "iqn.2000-01.com.example:other"
STORAGE = {
    "udev_path": "/dev/drbd0",
    "wwn/vpd_unit_serial": "T10 VPD Unit Serial Number: aaaaaaa0",
    "wwn/vendor_id": "LIO-ORG",
    "wwn/product_id": "p_iscsi_lun",
    "attrib/emulate_caw": "1",
    "attrib/emulate_3pc": "1",
    "attrib/emulate_tpu": "0",
    "attrib/is_nonrot": "0",
}


class Kernel:
    """LIO's tree of the node, with the disk of the guide."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = root / "core" / "iblock_0" / "p_iscsi_lun"
        lun = root / "iscsi" / IQN / "tpgt_1" / "lun" / "lun_0"
        lun.mkdir(parents=True)
        self.set()
        (lun / "a1b2c3").symlink_to(self.storage)
        self.show(ESX, 0)

    def set(self, **values: str) -> None:
        """Set attributes of the disk."""
        for name, value in {**STORAGE, **values}.items():
            path = self.storage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")

    def show(self, initiator: str, *numbers: int) -> None:
        """Give an initiator an ACL with these LUNs."""
        acl = self.root / "iscsi" / IQN / "tpgt_1" / "acls" / initiator
        acl.mkdir(parents=True)
        for number in numbers:
            (acl / f"lun_{number}").mkdir()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(configfs, "root", str(tmp_path / "target"))
    return Kernel(tmp_path / "target")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the programs of the node print."""
    printed = {
        "cibadmin": field.cib(field.drbd(), field.guide(), field.FENCING),
        "drbdadm": field.dumped(field.dump()),
        "ip": json.dumps(
            [
                {"addr_info": [{"local": "192.168.2.11", "prefixlen": 25, "scope": "global"}]},
                {"addr_info": [{"local": "fe80::1", "prefixlen": 64, "scope": "link"}]},
            ]
        ),
    }

    def run(*argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        assert deadline.remaining() > 0
        return command.Result(argv, 0, printed[argv[0]], "")

    monkeypatch.setattr(command, "run", run)
    return printed


@pytest.fixture
def corosync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corosync.conf").write_text(field.COROSYNC)
    monkeypatch.setattr(adopt, "_COROSYNC", str(tmp_path / "corosync.conf"))


def told(capsys: pytest.CaptureFixture[str]) -> Adopted:
    """Adopt what runs here."""
    status = cli.main(["adopt", "--json"])
    return Adopted(status, json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("kernel", "programs", "corosync")
def test_a_node_of_the_cluster_knows_all_that_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    adopted = told(capsys)
    assert (adopted.status, adopted.missing(), adopted.lost()) == (0, [], "")
    assert adopted.site is not None
    assert "192.168.2.0/25" in map(str, adopted.site.networks.values()), "of this node's own address"
    assert {each["from"] for each in adopted.told["kept"] if each["what"] == "LUN 0"} == {
        "p_iscsi_lun, as the kernel has it"
    }


@pytest.mark.usefixtures("programs", "corosync")
def test_the_kernel_counts_more_than_the_configuration(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.set(
        **{
            "wwn/vpd_unit_serial": "T10 VPD Unit Serial Number: bbbbbbb1",
            "wwn/product_id": "IBLOCK",
            "attrib/emulate_tpu": "1",
            "attrib/emulate_caw": "0",
            "attrib/is_nonrot": "1",
        }
    )
    adopted = told(capsys)
    assert adopted.site is not None
    assert adopted.site.resources[0].luns[0].parameters == {
        "scsi_sn": "bbbbbbb1",
        "product_id": "IBLOCK",
        "vaai": "xcopy write_same unmap",
        "emulate_tpws": "no",
        "is_nonrot": "yes",
    }
    assert "p_iscsi_lun: serial is bbbbbbb1, not aaaaaaa0" in adopted.changes()


@pytest.mark.usefixtures("corosync")
def test_who_sees_a_lun_is_asked(kernel: Kernel, programs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """A LUN is mapped by targetcli to each initiator that exists, whatever the configuration says of the LUN."""
    kernel.show(OTHER, 0)
    both = f"{ESX} {OTHER}"
    programs["cibadmin"] = programs["cibadmin"].replace(f'value="{ESX}"', f'value="{both}"')
    guide = field.guide(allowed_initiators=ESX).replace(f'value="{ESX}"', f'value="{both}"', 1)
    programs["cibadmin"] = field.cib(field.drbd(), guide, field.FENCING)
    adopted = told(capsys)
    assert adopted.lost() == ""
    assert adopted.site is not None
    assert "allowed_initiators" not in adopted.site.resources[0].luns[0].parameters


@pytest.mark.usefixtures("programs", "corosync")
def test_another_device_under_the_lun_is_told(kernel: Kernel, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.set(udev_path="/dev/drbd7")
    assert "LUN 0 is /dev/drbd7 now, not /dev/drbd0" in told(capsys).lost()


def test_nothing_of_this_node_is_asked_for_a_file(
    kernel: Kernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs may not even be started here."""
    kernel.set(**{"wwn/product_id": "IBLOCK"})
    guide = field.cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT)
    assert 'product_id = "p_iscsi_lun"' in field.adopt(tmp_path, capsys, guide).text


@pytest.mark.usefixtures("programs", "corosync")
def test_a_kernel_that_does_not_answer(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(here, "_SECONDS", 0.1)
    (kernel.storage / "udev_path").unlink()
    os.mkfifo(kernel.storage / "udev_path")
    adopted = told(capsys)
    assert adopted.status == 1
    assert "reading the LUNs of this node" in adopted.lost()
    assert "as the kernel has it" not in str(adopted.told["kept"])
