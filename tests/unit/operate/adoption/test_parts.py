# SPDX-License-Identifier: GPL-2.0-or-later
"""Fencing, secrets, DRBD's file and corosync.conf of a pair that is adopted, and the steps of its take-over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operate.adoption import field
from tests.unit.operate.adoption.field import ESX, adopt, cib

SBD = field.primitive("sbd", "stonith:fence_sbd", {"devices": "/dev/disk/by-id/a,/dev/disk/by-id/b,/dev/disk/by-id/c"})
EXTERNAL = "".join(
    field.primitive(
        f"st_{node}",
        "stonith:external/ipmi",
        {"hostname": node, "ipaddr": ip, "userid": "root", "passwd": field.BMC_SECRET, "interface": "lanplus"},
    )
    for node, ip in (("alice", "192.168.2.111"), ("bob", "192.168.2.112"))
)


def test_the_bmcs_and_their_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT))
    assert adopted.site is not None
    assert adopted.site.fencing.parameters["username"] == "admin"
    assert adopted.site.fencing.parameters["password_script"] == "/etc/twinsan/bmc-password"
    assert [
        line for line in adopted.commands() if "crm_resource --resource fence_by_alice --get-parameter password" in line
    ]
    # They have other names than the new ones, and go at the end.
    assert "cibadmin --delete --xml-text '<primitive id=\"fence_by_bob\"/>'" in adopted.commands()[-6:]


def test_fence_devices_by_other_names_and_older_agents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), EXTERNAL, field.MANAGEMENT))
    assert adopted.site is not None, adopted.missing()
    assert [node.bmc for node in adopted.site.nodes] == ["192.168.2.111", "192.168.2.112"]
    assert adopted.site.fencing.parameters["username"] == "root"


def test_fencing_by_sbd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), SBD, field.MANAGEMENT))
    assert adopted.site is not None, adopted.missing()
    assert (adopted.site.fencing.by, len(adopted.site.fencing.devices)) == ("sbd", 3)


def test_fencing_by_watchdog(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = field.COROSYNC.replace("two_node: 1", "device {\nmodel: net\nnet {\nhost: 192.168.2.13\n}\n}")
    options = {"stonith-watchdog-timeout": "30s"}
    configuration = cib(field.drbd(), field.guide(), field.MANAGEMENT, properties=options)
    adopted = adopt(tmp_path, capsys, configuration, corosync=conf)
    assert adopted.site is not None, adopted.missing()
    assert (adopted.site.fencing.by, adopted.site.witness) == ("watchdog", "192.168.2.13")


@pytest.mark.parametrize(
    ("devices", "key", "told"),
    [
        ("", "nodes.alice.bmc", "no fence device"),
        (field.primitive("pdu", "stonith:fence_apc", {"ip": "192.168.2.9"}), "fencing.by", "fencing by fence_apc"),
        (field.FENCING + SBD, "", "fencing by sbd"),
        (field.FENCING.replace('value="admin"', 'value="other"', 1), "", "user names admin other"),
        (field.FENCING.replace(field.BMC_SECRET, "different", 1), "", "passwords that differ"),
    ],
)
def test_other_fencing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], devices: str, key: str, told: str
) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), devices, field.MANAGEMENT))
    assert told in adopted.lost()
    assert (key in adopted.missing()) == bool(key)


def test_options_that_would_win_are_deleted_and_fencing_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"stonith-enabled": "false", "no-quorum-policy": "ignore", "start-failure-is-fatal": "true"}
    configuration = cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT, properties=options)
    adopted = adopt(tmp_path, capsys, configuration)
    deleted = [line for line in adopted.commands() if "<nvpair" in line]
    for name in ("stonith-enabled", "start-failure-is-fatal"):
        assert [line for line in deleted if f'-{name}"' in line], name
    assert not [line for line in deleted if "no-quorum-policy" in line]
    assert "two_node: 1" in adopted.lost()


def test_chap_goes_into_a_file_and_nowhere_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chap = {"incoming_username": "esx", "incoming_password": field.SECRET}
    group = field.group(field.address(), field.target(allowed_initiators=ESX, **chap), field.lun())
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), group, field.FENCING, field.MANAGEMENT))
    assert adopted.site is not None, adopted.missing()
    assert adopted.site.resources[0].target["incoming_username"] == "esx"
    assert adopted.site.resources[0].target["incoming_password_file"] == "/etc/twinsan/chap"
    command = "(umask 077; crm_resource --resource p_iscsi_target --get-parameter incoming_password >/etc/twinsan/chap)"
    assert command in adopted.commands()
    for secret in (field.SECRET, field.BMC_SECRET, "drbdsecret99"):
        assert secret not in str(adopted.told)


@pytest.mark.parametrize(("secret", "told"), [("short", "has 5 characters"), ("lrm://", "")])
def test_a_secret_that_twinsan_does_not_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], secret: str, told: str
) -> None:
    chap = {"incoming_username": "esx", "incoming_password": secret}
    group = field.group(field.address(), field.target(allowed_initiators=ESX, **chap), field.lun())
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), group, field.FENCING, field.MANAGEMENT))
    assert told in adopted.lost()
    assert bool(adopted.lost()) == bool(told)
    if not told:
        assert [line for line in adopted.commands() if "cibsecret get p_iscsi_target incoming_password" in line]


def test_what_the_file_of_drbd_lacks_is_told_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        '<section name="options"><option name="on-no-data-accessible" value="suspend-io"/></section>'
        '<section name="disk"><option name="fencing" value="resource-and-stonith"/></section>'
        '<section name="handlers"><option name="fence-peer" value="/usr/sbin/twinsan fence-peer"/>'
        '<option name="after-resync-target" value="/usr/lib/drbd/crm-unfence-peer.sh"/></section>'
        '<section name="net"><option name="after-sb-0pri" value="discard-zero-changes"/></section>'
    )
    dump = field.dumped(field.dump(more=options))
    configuration = cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT)
    adopted = adopt(tmp_path, capsys, configuration, drbd=dump)
    (lines,) = [step["lines"] for step in adopted.told["steps"] if step["lines"]]
    assert lines == [
        "resource r0 {",
        '  handlers { unfence-peer "/usr/sbin/twinsan unfence-peer"; split-brain "/usr/sbin/twinsan split-brain"; }',
        "}",
    ]
    assert "/etc/drbd.d/r0.res: after-sb-0pri discard-zero-changes" in adopted.lost()
    assert "crm-unfence-peer.sh" in adopted.lost()


def test_external_meta_data_must_not_be_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = field.dumped(field.dump()).replace("internal", "/dev/sdz")
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT), drbd=dump)
    assert "never copy it over this one" in adopted.lost()


def test_the_steps_stop_what_serves_and_leave_drbd_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT))
    commands = adopted.commands()
    stop = "crm_resource --resource g_iscsi --meta --set-parameter target-role --parameter-value Stopped"
    order = [
        "cibadmin --query --scope configuration >before.xml",
        "cibadmin --delete --xml-text '<rsc_order id=\"o_1\"/>'",
        "cibadmin --delete --xml-text '<group id=\"g_iscsi\"/>'",
        "cibadmin --modify --allow-create --xml-file rendered/cib.xml",
        "crm_attribute --name maintenance-mode --update true",
        stop,
        "cibadmin --replace --scope configuration --xml-file after.xml",
        next(command for command in commands if command.startswith("until ")),
        "crm_attribute --name maintenance-mode --delete",
        "crm_resource --resource g_san --meta --set-parameter target-role --parameter-value Stopped",
    ]
    places = [commands.index(command) for command in order]
    assert places == sorted(places)
    assert "do crm_resource --refresh --resource p_drbd_r0; crm_resource --wait" in order[7]
    assert not [line for line in commands[: places[-2]] if "ms_drbd_r0" in line and "Stopped" in line]
