# SPDX-License-Identifier: GPL-2.0-or-later
"""What targetcli has saved becomes a site file with the same disks."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operate.adoption import field
from tests.unit.operate.adoption.field import ESX, Adopted
from twinsan import cli

WINDOWS = "iqn.1991-05.com.microsoft:win"
VOLUMES = "".join(
    field.host(name, ip, field.volume(0, 0, "/dev/sdb") + field.volume(1, 1, "/dev/sdc"))
    for name, ip in (("alice", "10.0.5.11"), ("bob", "10.0.5.12"))
)
DRBD = field.dumped(f'<resource name="r0" conf-file-line="/etc/drbd.d/r0.res:1">{VOLUMES}</resource>')


def adopt(folder: Path, capsys: pytest.CaptureFixture[str], saved: object, *, drbd: str = DRBD) -> Adopted:
    """Adopt what targetcli has saved."""
    (folder / "saved.json").write_text(json.dumps(saved), encoding="utf-8")
    (folder / "drbd.xml").write_text(drbd, encoding="utf-8")
    words = ["--saveconfig", str(folder / "saved.json"), "--drbd", str(folder / "drbd.xml"), "--json"]
    status = cli.main(["adopt", *words])
    return Adopted(status, json.loads(capsys.readouterr().out))


def group(saved: dict[str, Any]) -> dict[str, Any]:
    """The one portal group of the sample."""
    found: dict[str, Any] = saved["targets"][0]["tpgs"][0]
    return found


def test_the_disks_keep_their_identities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = adopt(tmp_path, capsys, field.SAVED).text
    for line in (
        "[resources.r0]",
        'iqn = "iqn.2003-01.org.linux-iscsi.store.x8664:sn.1f2e3d4c5b6a"',
        f'allowed_initiators = ["{ESX}", "{WINDOWS}"]',
        'additional_parameters = ["MaxBurstLength=524288"]',
        'scsi_sn = "0c4a6b1e-52b1-4a4c-9d3b-3d6c2e5a1f77"    # naa.60014050c4a6b1e52b14a4c9d3b3d6c2',
        'product_id = "vmfs01-datastor"',
        'product_id = "IBLOCK"',
        'vaai = ["ats", "xcopy", "write_same", "unmap"]',
        "is_nonrot = true",
        "lun = 5",
        'device = "/dev/drbd1"',
        'disk = "/dev/sdc"',
    ):
        assert line in text.splitlines() or any(each.startswith(line) for each in text.splitlines()), line
    assert text.count("allowed_initiators") == 2, "LUN 0 is for one of the two, LUN 5 for both"


def test_it_renders_with_what_the_file_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = adopt(tmp_path, capsys, field.SAVED)
    assert adopted.status == 1
    assert {"name", "nodes.alice.links", "fencing.username"} <= set(adopted.missing())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda saved: group(saved).update(tag=2), "portal group 2"),
        (lambda saved: group(saved)["portals"][0].update(ip_address="0.0.0.0"), "portal 0.0.0.0:3260, on all"),
        (lambda saved: saved["storage_objects"][0].update(plugin="pscsi"), "a backstore of type unknown"),
        (
            lambda saved: group(saved)["luns"][0].update(storage_object="/backstores/pscsi/x"),
            "a backstore of type unknown",
        ),
        (lambda saved: saved["storage_objects"][0].update(readonly=True), "it is read-only"),
        (lambda saved: saved["storage_objects"][0].update(dev="/dev/sdb"), "/dev/sdb is no device of DRBD"),
        (lambda saved: saved["storage_objects"][0]["attributes"].update(emulate_pr=0), "emulate_pr=0"),
        (lambda saved: saved["storage_objects"][0]["attributes"].update(block_size=4096), "block_size=4096"),
        (lambda saved: group(saved)["node_acls"][1]["mapped_luns"][0].update(index=1), f"{WINDOWS} sees LUN 5 as 1"),
        (
            lambda saved: group(saved)["node_acls"][1]["mapped_luns"][0].update(write_protect=True),
            f"{WINDOWS} may only read LUN 5",
        ),
        (lambda saved: group(saved)["luns"][0].update(alua_tg_pt_gp_name="ao"), "ALUA group ao"),
        (lambda saved: group(saved)["attributes"].update(generate_node_acls=1), "lets everybody in beside"),
    ],
)
def test_what_cannot_be_kept_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None], told: str
) -> None:
    saved = deepcopy(field.SAVED)
    assert told not in adopt(tmp_path, capsys, saved).lost()
    change(saved)
    assert told in adopt(tmp_path, capsys, saved).lost()


def test_a_service_is_disabled_by_the_name_that_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = adopt(tmp_path, capsys, field.SAVED).commands()
    assert "systemctl disable --now rtslib-fb-targetctl || systemctl disable --now target" in commands


def test_the_way_back_with_drbd_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *_, stop, serve = adopt(tmp_path, capsys, field.SAVED).told["steps"]
    assert (stop["where"], stop["commands"]) == (
        "on both nodes",
        ["systemctl stop pacemaker corosync", "drbdadm adjust all"],
    )
    assert serve["where"] == "on the server that serves"
    assert serve["commands"][:2] == ["drbdadm primary all", "targetcli restoreconfig before.json"]


def test_disks_without_drbd_get_it_once_they_are_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = deepcopy(field.SAVED)
    for number, each in enumerate(saved["storage_objects"]):
        each.update(dev=f"/dev/vg/disk{number}")
    adopted = adopt(tmp_path, capsys, saved)
    commands = adopted.commands()
    assert "drbdadm adjust ''" not in commands, "there is no such resource"
    words = ("targetcli clearconfig", "drbdadm create-md", "drbdadm primary --force", "crm configure load")
    at = [next(at for at, each in enumerate(commands) if each.startswith(word)) for word in words]
    assert at == sorted(at)
    assert "drbdadm primary all" not in commands
    (only,) = [each for each in adopted.told["steps"] if "drbdadm primary --force RESOURCE" in each["commands"]]
    assert only["where"] == "on the server that serves"


def test_chap_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = deepcopy(field.SAVED)
    group(saved)["attributes"]["authentication"] = 1
    for acl in group(saved)["node_acls"]:
        acl.update(chap_userid="hosts", chap_password=field.SECRET, chap_mutual_userid="san")
        acl.update(chap_mutual_password=field.BMC_SECRET)
    adopted = adopt(tmp_path, capsys, saved)
    for line in (
        'incoming_username = "hosts"',
        'incoming_password_file = "/etc/twinsan/chap"',
        'outgoing_username = "san"',
        'outgoing_password_file = "/etc/twinsan/chap-of-target"',
    ):
        assert line in adopted.text.splitlines()
    assert field.SECRET not in str(adopted.told)
    assert field.BMC_SECRET not in str(adopted.told)
    assert printed(adopted, "/etc/twinsan/chap", tmp_path) == [field.SECRET]


def test_chap_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = deepcopy(field.SAVED)
    group(saved)["attributes"]["authentication"] = 1
    one, other = group(saved)["node_acls"]
    one.update(chap_userid="esx", chap_password=field.SECRET)
    other.update(chap_userid="win", chap_password=field.BMC_SECRET)
    adopted = adopt(tmp_path, capsys, saved)
    assert 'initiator_credentials_file = "/etc/twinsan/chap-of-initiators"' in adopted.text.splitlines()
    assert printed(adopted, "/etc/twinsan/chap-of-initiators", tmp_path) == [
        f"{ESX} esx {field.SECRET}",
        f"{WINDOWS} win {field.BMC_SECRET}",
    ]


def printed(adopted: Adopted, path: str, folder: Path) -> list[str]:
    """What the program of a step prints into a file."""
    (command,) = [each for each in adopted.commands() if each.startswith("(umask") and each.endswith(f">{path})")]
    *words, source, _ = shlex.split(command.partition(";")[2])
    assert source == f"<{folder / 'saved.json'}"
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()) as told:
        patched.setattr("sys.stdin", io.StringIO((folder / "saved.json").read_text()))
        exec(words[2], {})
    return told.getvalue().splitlines()
