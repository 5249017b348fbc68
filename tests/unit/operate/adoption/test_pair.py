# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair of ClusterLabs and LINBIT, as the field has them, becomes a site file with the same disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operate.adoption import field
from tests.unit.operate.adoption.field import ESX, IQN, Adopted, adopt, cib
from twinsan.site.model import Lun


def lun(adopted: Adopted, number: int = 0) -> Lun:
    """A LUN of the site, by its place there."""
    assert adopted.site is not None, adopted.missing()
    return adopted.site.resources[0].luns[number]


def test_the_guide_becomes_a_site_with_the_same_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT))
    assert (adopted.status, adopted.missing(), adopted.lost()) == (0, [], "")
    site = adopted.site
    assert site is not None
    assert site.name == "storage"
    assert [(node.name, node.links, node.bmc) for node in site.nodes] == [
        ("alice", ("192.168.1.11", "192.168.2.11"), "192.168.2.111"),
        ("bob", ("192.168.1.12", "192.168.2.12"), "192.168.2.112"),
    ]
    assert set(map(str, site.networks.values())) == {"192.168.1.0/24", "192.168.2.0/24"}
    assert (site.policy.token_ms, site.policy.consensus_ms) == (5000, 1000), "the token is that of corosync"
    (resource,) = site.resources
    assert (resource.name, resource.suffix, resource.port) == ("r0", "", 7788)
    assert resource.target == {"iqn": IQN, "allowed_initiators": ESX}
    assert [(portal.address, portal.port) for portal in resource.portals] == [("192.168.1.50", "3260")]
    disk = lun(adopted)
    assert (disk.number, disk.volume.device, disk.volume.disks) == (
        0,
        "/dev/drbd0",
        {"alice": "/dev/vg0/r0", "bob": "/dev/vg0/r0"},
    )
    assert disk.parameters == {"scsi_sn": "aaaaaaa0", "product_id": "p_iscsi_lun", "vaai": "ats xcopy write_same"}
    assert len(adopted.text.splitlines()) < 45, "it is short"


def test_what_the_agents_take_by_default_is_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "p_iscsi_lun_of_the_first_store"
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.group(field.address(), field.target(), field.lun(name))))
    # printf %s p_iscsi_lun_of_the_first_store | md5sum
    assert 'scsi_sn = "8861bcc6"' in adopted.text
    assert f'product_id = "{name[:15]}"' in adopted.text, "what the kernel keeps of the backstore's name"
    assert "demo_mode = true" in adopted.text, "without allowed_initiators everybody was let in"
    assert 'portals = [{ ip = "192.168.1.50" }]' in adopted.text, "the default portal is none: that of its group"


@pytest.mark.parametrize(
    ("given", "primitives"),
    [
        ({}, "ats xcopy write_same"),
        ({"emulate_tpu": "1"}, "ats xcopy write_same unmap"),
        ({"emulate_3pc": "0", "emulate_caw": "0"}, "write_same"),
        ({"emulate_3pc": "y", "emulate_tpu": "0"}, "ats xcopy write_same"),
    ],
)
def test_a_disk_keeps_its_primitives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: dict[str, str], primitives: str
) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(**given), field.FENCING, field.MANAGEMENT))
    assert lun(adopted).parameters["vaai"] == primitives
    assert lun(adopted).parameters.get("emulate_tpws") == ("no" if "unmap" in primitives else None)


def test_an_older_configuration_with_a_master(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drbd = field.drbd(tag="master")
    adopted = adopt(tmp_path, capsys, cib(drbd, field.guide(), field.FENCING, field.MANAGEMENT))
    assert adopted.status == 0
    assert "cibadmin --delete --xpath '//resources/*[@id=\"ms_drbd_r0\"]'" in adopted.commands()


def test_a_template_and_values_of_the_group_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = (
        '<template id="lun" class="ocf" provider="heartbeat" type="iSCSILogicalUnit">'
        '<instance_attributes id="t"><nvpair id="t1" name="implementation" value="lio-t"/>'
        '<nvpair id="t2" name="scsi_sn" value="bad00bad"/></instance_attributes></template>'
    )
    member = (
        '<primitive id="p_lun" template="lun"><instance_attributes id="l">'
        '<nvpair id="l1" name="scsi_sn" value="cafe0001"/><nvpair id="l2" name="lun" value="3"/>'
        '<nvpair id-ref="shared"/></instance_attributes>'
        '<instance_attributes id="m"><nvpair id="m1" name="scsi_sn" value="bad00bad"/></instance_attributes>'
        "</primitive>"
    )
    more = (
        f'<instance_attributes id="g"><nvpair id="g1" name="target_iqn" value="{IQN}"/>'
        '<nvpair id="shared" name="path" value="/dev/drbd0"/></instance_attributes>'
    )
    group = field.group(field.address(), field.target(allowed_initiators=ESX), member, more=more)
    adopted = adopt(tmp_path, capsys, cib(template, field.drbd(), group, field.FENCING, field.MANAGEMENT))
    assert lun(adopted).number == 3
    assert lun(adopted).parameters["scsi_sn"] == "cafe0001"


def test_two_targets_on_two_resources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = "iqn.2001-04.com.example:storage.r1"
    first = field.group(
        field.address(), field.target(allowed_initiators=ESX), field.lun("l0", scsi_sn="aaaaaaa0"), name="g_iscsi"
    )
    second = field.group(
        field.address("p_ip1", "192.168.1.51"),
        field.target("p_target1", iqn=other, allowed_initiators=ESX),
        field.lun("l1", target_iqn=other, lun="1", path="/dev/drbd/by-res/r1/0", scsi_sn="aaaaaaa1"),
        name="g_iscsi1",
    )
    resources = cib(field.drbd(), field.drbd("p_drbd_r1", "r1"), first, second, field.FENCING, field.MANAGEMENT)
    dumps = field.dumped(field.dump(), field.dump("r1", 1, ("/dev/vg0/r1", "/dev/vg1/r1")).replace("7788", "7799"))
    adopted = adopt(tmp_path, capsys, resources, drbd=dumps)
    assert adopted.site is not None, adopted.missing()
    one, two = adopted.site.resources
    assert (one.iqn, one.suffix, one.luns[0].volume.minor) == (IQN, "_san_r0", 0)
    assert (two.iqn, two.suffix, two.luns[0].volume.minor, two.port) == (other, "_san_r1", 1, 7799)
    assert two.luns[0].volume.disks == {"alice": "/dev/vg0/r1", "bob": "/dev/vg1/r1"}
    assert two.target["relative_port"] == "2"
    assert [portal.address for portal in two.portals] == ["192.168.1.51"]


def test_a_name_that_would_clash_gets_a_suffix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group = field.group(
        field.address("p_portal"), field.target("p_target", allowed_initiators=ESX), field.lun("p_lun0")
    )
    adopted = adopt(tmp_path, capsys, cib(field.drbd("p_drbd"), group, field.FENCING, field.MANAGEMENT))
    assert adopted.site is not None
    assert adopted.site.resources[0].suffix == "_san"


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        (field.guide().replace('value="lio-t"', 'value="tgt"'), "implementation=tgt"),
        (field.guide(liot_bstype="pscsi"), "liot_bstype=pscsi"),
        (field.guide(block_size="4096"), "block_size=4096"),
        (field.guide(path="/dev/vg_on_drbd/store"), "its path is /dev/vg_on_drbd/store"),
        (
            field.guide().replace("</group>", field.primitive("fs", "ocf:heartbeat:Filesystem", {}) + "</group>"),
            "fs: ocf",
        ),
        (field.guide().replace(f'name="allowed_initiators" value="{ESX}"', 'name="x" value="y"'), ""),
        (field.guide(allowed_initiators="iqn.2000-01.com.example:b"), "LUN 0 is for iqn.2000-01.com.example:b alone"),
        (field.guide().replace(IQN, "iqn.2001-04.com.example:a", 1), "no iSCSITarget makes its target"),
        (field.guide(scsi_sn=""), "scsi_sn is empty"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], resources: str, told: str
) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), resources, field.FENCING, field.MANAGEMENT))
    assert told in adopted.lost()
    assert adopted.status == (1 if told else 0)


def test_an_unknown_serial_is_no_serial_that_twinsan_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(scsi_sn=""), field.FENCING, field.MANAGEMENT))
    assert adopted.missing() == ["resources.r0.luns[0]"]
    assert "scsi_sn" in adopted.told["missing"][0]["what"]


def test_parameters_without_a_place_are_told_with_the_words_of_the_manual(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = field.group(
        field.address(arp_count="9", nic="eth0:0", iflabel="x"),
        field.target(allowed_initiators=ESX, additional_parameters="MaxBurstLength=131072 Frobnicate=1", tid="3"),
        field.lun(scsi_id="abc", lio_iblock="4"),
    )
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), group, field.FENCING, field.MANAGEMENT))
    for told in ("arp_count=9; The address is announced", "tid=3; LIO has none", "lio_iblock=4; ", "Frobnicate=1"):
        assert told in adopted.changes()
    assert adopted.site is not None
    assert adopted.site.resources[0].target["additional_parameters"] == "MaxBurstLength=131072"
    assert adopted.site.resources[0].portals[0].parameters["nic"] == "eth0"


def test_what_is_no_part_of_the_san_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = field.primitive("mail", "ocf:heartbeat:MailTo", {"email": "root"})
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), mail, field.FENCING, field.MANAGEMENT))
    left = [each["resource"] for each in adopted.told["left_alone"]]
    assert left == ["mail (ocf:heartbeat:MailTo)", "p_admin (ocf:heartbeat:IPaddr2)"]
    assert not [command for command in adopted.commands() if "mail" in command or "p_admin" in command]


def test_ipv6(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ip = field.primitive("p_ip", "ocf:heartbeat:IPv6addr", {"ipv6addr": "2001:DB8:0:0::50/64"})
    target = field.target(portals="[2001:db8::50]:3261", allowed_initiators=ESX)
    corosync = field.COROSYNC.replace("192.168.1.1", "2001:db8::1")
    dump = field.dumped(field.dump()).replace("192.168.1.1", "2001:db8::1").replace("ipv4", "ipv6")
    group = field.group(ip, target, field.lun())
    configuration = cib(field.drbd(), group, field.FENCING, field.MANAGEMENT)
    adopted = adopt(tmp_path, capsys, configuration, drbd=dump, corosync=corosync)
    assert adopted.site is not None, adopted.missing()
    (portal,) = adopted.site.resources[0].portals
    assert (portal.address, portal.port, portal.parameters["cidr_netmask"]) == ("2001:db8::50", "3261", "64")


def test_what_is_not_known_is_named_by_render_and_not_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide()), drbd="<config/>", corosync="quorum {\n}\n")
    assert adopted.status == 1
    missing = adopted.missing()
    for key in ("nodes.alice.links", "nodes.bob.bmc", "fencing.username", "resources.r0.luns[0].disk"):
        assert key in missing
    assert adopted.told["site"].count('disk = ""') == 1


def test_a_portal_of_a_node_is_none_that_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = field.target(portals="192.168.1.11:3260 192.168.1.12:3260", allowed_initiators=ESX)
    other = field.address("p_other", "192.168.1.60")
    group = field.group(target, field.lun())
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), group, other, field.FENCING, field.MANAGEMENT))
    assert "portal 192.168.1.11 is an address of a node" in adopted.lost()
    assert adopted.missing() == ["resources.r0.portals"]


def test_a_rule_that_decides_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = '<rule id="r"><expression id="e" attribute="#uname" operation="eq" value="bob"/></rule>'
    guide = field.guide().replace('id="p_ip-instance_attributes">', f'id="p_ip-instance_attributes">{rule}')
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), guide, field.FENCING, field.MANAGEMENT))
    assert "p_ip: a rule decides on its parameters" in adopted.lost()
