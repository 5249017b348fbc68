# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render --diff``: what it shows, in which groups, and its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.unit.operate.simulated import Running
from tests.unit.site import configurations, sites
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.change import settling

IQN = 'iqn = "iqn.2003-01.org.example:san"\n'
LUN = "lun = 1\n"


def diff(folder: Path, content: str, *words: str, cib: str = "") -> int:
    """Show what differs between a site file with this content and a configuration, by default that of san.toml."""
    site, cluster = folder / "site.toml", folder / "cluster.xml"
    site.write_text(content)
    cluster.write_text(cib or etree.tostring(configurations.running(sites.site(sites.text())), encoding="unicode"))
    return cli.main(["render", str(site), "--diff", "--cib", str(cluster), *words])


def as_json(folder: Path, content: str, capsys: pytest.CaptureFixture[str], cib: str = "") -> dict[str, Any]:
    """The same for programs."""
    assert diff(folder, content, "--json", cib=cib) == 3
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_nothing_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = configurations.running(sites.site(sites.text()))
    for pair in cluster.iterfind(".//nvpair[@name='password']"):
        pair.set("value", "lrm://")
    assert diff(tmp_path, sites.text(), cib=etree.tostring(cluster, encoding="unicode")) == 0
    assert capsys.readouterr().out == "nothing differs\n"
    assert diff(tmp_path, sites.text()) == 0
    assert "fence_atlas has no password yet" in capsys.readouterr().out


def test_a_wrong_site_and_a_wrong_configuration_have_other_statuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff(tmp_path, sites.text().replace("[networks]", "[network]")) == 2
    assert "site.toml:" in capsys.readouterr().err
    assert diff(tmp_path, sites.text(), cib="<cib/>") == 1
    assert "cluster.xml is no configuration of a cluster" in capsys.readouterr().err
    assert cli.main(["render", "--diff", "--cib", "/no/such/file", str(tmp_path / "site.toml")]) == 1
    assert "/no/such/file cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--cib", "x"], "is for twinsan render --diff"), (["--diff", "--only", "cib.xml"], "leave out --output")],
)
def test_options_that_do_not_go_together(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", str(sites.EXAMPLES / "san.toml"), *words]) == 1
    assert told in capsys.readouterr().err


def test_without_a_status_the_agents_tell_what_restarts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = sites.changed("san", (IQN, IQN + "queue_depth = 32\n"), (LUN, LUN + 'vendor_id = "OTHER"\n'))
    assert diff(tmp_path, changed) == 3
    told = capsys.readouterr().out
    assert "Interrupts nothing:\n  + p_target  queue_depth  32\n" in told
    assert "Restarts something:\n  + p_lun1  vendor_id  OTHER\n" in told
    assert "What the cluster does is not known: the configuration comes without the status of a cluster" in told


def test_programs_get_names_that_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(tmp_path, sites.changed("san", (IQN, IQN + "queue_depth = 32\n")), capsys)
    assert found.pop("notes")
    assert found == {
        "differs": True,
        "version": "0.7",
        "changes": [
            {
                "sign": "+",
                "name": "p_target",
                "attribute": "queue_depth",
                "old": None,
                "new": "32",
                "consequence": "nothing",
            }
        ],
        "scheduler": False,
        "actions": [],
        "interrupted_luns": [],
        "not_reloadable": [],
        "files": [],
        "secrets": [],
        "volumes": [],
        "obstacles": [],
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Running:
    """A pair that runs the site of san.toml."""
    return Running(tmp_path, sites.site(sites.text()))


@pytest.mark.runs_programs
def test_the_scheduler_tells_what_restarts(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = sites.changed("san", (IQN, IQN + "queue_depth = 32\n"), (LUN, LUN + 'vendor_id = "OTHER"\n'))
    found = as_json(tmp_path, changed, capsys, cluster.text())
    assert found["scheduler"] is True
    assert {each["name"]: each["consequence"] for each in found["changes"]} == {
        "p_target": "nothing",
        "p_lun1": "restarts",
    }
    assert {(each["action"], each["resource"]) for each in found["actions"]} == {
        ("reload", "p_target"),
        ("restart", "p_lun1"),
        ("restart", "p_portal"),
    }
    assert found["interrupted_luns"] == ["p_lun1"]


@pytest.mark.runs_programs
def test_what_a_probe_has_found_running_restarts(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, and it is said why; but not of what restarts for other reasons as well."""
    limit, vendor = LUN + "max_unmap_lba_count = 8192\n", LUN + 'vendor_id = "OTHER"\n'
    found = as_json(tmp_path, sites.changed("san", (LUN, limit)), capsys, cluster.text())
    assert ([each["action"] for each in found["actions"]], found["not_reloadable"]) == (["reload"], [])

    cluster.find_running("p_lun1")
    found = as_json(tmp_path, sites.changed("san", (LUN, limit)), capsys, cluster.text())
    assert found["changes"][0]["consequence"] == "restarts"
    assert {(each["action"], each["resource"]) for each in found["actions"]} == {
        ("restart", "p_lun1"),
        ("restart", "p_portal"),
    }
    assert (found["interrupted_luns"], found["not_reloadable"]) == (["p_lun1"], ["p_lun1"])
    diff(tmp_path, sites.changed("san", (LUN, limit)), cib=cluster.text())
    told = capsys.readouterr().out
    assert "p_lun1: a reload is not possible this time" in told
    assert "crm_attribute --node NODE --name standby --update on" in told
    found = as_json(tmp_path, sites.changed("san", (LUN, limit + vendor.replace(LUN, ""))), capsys, cluster.text())
    assert found["not_reloadable"] == []


@pytest.mark.runs_programs
def test_what_goes_with_an_address_is_interrupted_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new LUN of a target with four restarts the address of all."""
    lun = '\n[[resources.san.luns]]\nlun = 9\ndevice = "/dev/drbd9"\ndisk = "/dev/sdx"\n'
    cluster = Running(tmp_path, sites.site(sites.text("many-luns")))
    found = as_json(tmp_path, sites.text("many-luns") + lun, capsys, cluster.text())
    assert found["interrupted_luns"] == ["p_lun1", "p_lun2", "p_lun3", "p_lun4", "p_lun9"]
    assert {each["consequence"] for each in found["changes"]} == {"restarts"}


def test_of_a_long_list_only_what_differs_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = sites.text("many-luns").partition("[[resources.san.luns]]")[0]
    luns = [
        f'\n[[resources.san.luns]]\nlun = {number}\ndevice = "/dev/drbd{number + 1}"\ndisk = "/dev/disk/{number}"\n'
        for number in range(1, 41)
    ]
    running = configurations.running(sites.site(text + "".join(luns[:39])))
    assert diff(tmp_path, text + "".join(luns), cib=etree.tostring(running, encoding="unicode")) == 3
    told = capsys.readouterr().out
    assert "~ luns-after-promotion  set 2  +p_lun40\n" in told
    assert max(map(len, told.splitlines())) < 300
    assert diff(tmp_path, text + "".join(luns[39:] + luns[:39]), cib=etree.tostring(running, encoding="unicode")) == 3


@pytest.mark.runs_programs
def test_a_cluster_that_is_not_at_rest_is_told(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.standby("atlas")
    assert diff(tmp_path, sites.text(), cib=cluster.text()) == 0
    assert "has something to do without any change" in capsys.readouterr().out


def test_maintenance_and_missing_fencing_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = configurations.running(sites.site(sites.text()))
    options = running.find(".//cluster_property_set")
    assert options is not None
    for name, value in (("maintenance-mode", "true"), ("stonith-enabled", "false")):
        etree.SubElement(options, "nvpair", id=name, name=name, value=value)
    node = running.find(".//node")
    assert node is not None
    node.set("uname", "hera")
    assert diff(tmp_path, sites.text(), cib=etree.tostring(running, encoding="unicode")) == 0
    told = capsys.readouterr().out
    assert "the cluster is in maintenance mode" in told
    assert "crm_attribute --name stonith-enabled --delete" in told
    assert "the cluster has the nodes hera zeus, and the site atlas zeus" in told


# What crm_mon prints, shortened.
_STATUS = """
<pacemaker-result><nodes><node name="atlas" online="true"/><node name="zeus" online="false"/></nodes><resources>
<resource id="p_lun1" role="Stopped" managed="true" orphaned="false" blocked="false" target_role="Started"/>
<resource id="p_lun2" role="Stopped" managed="true" orphaned="false" blocked="false" target_role="Stopped"/>
<clone id="c"><resource id="p_target" role="Started" managed="true" blocked="true"/></clone></resources>
<failures><failure op_key="p_lun1_start_0" node="atlas" exitstatus="error" task="start" exitreason="no disk; look"/>
<failure op_key="p_lun1_monitor_10000" node="atlas" exitstatus="not running" task="monitor" exitreason=""/></failures>
</pacemaker-result>"""


def test_what_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, _STATUS, ""))
    assert settling.ailments(Deadline(1)) == [
        "node zeus is not online; see there: systemctl status pacemaker",
        "p_lun1 on atlas: no disk; look; when that is mended: crm_resource --cleanup --resource p_lun1",
        "p_lun1 on atlas: monitor ended with not running; "
        "when that is mended: crm_resource --cleanup --resource p_lun1",
        "p_lun1 does not run; see: crm_resource --why --resource p_lun1",
        "p_target is blocked: the cluster cannot stop it; see: crm_mon -1 and journalctl",
    ]


@pytest.mark.parametrize(("seconds", "told"), [(-8, True), (11, False)])
def test_a_degraded_monitor_that_was_well_since_is_none_of_it(
    monkeypatch: pytest.MonkeyPatch, seconds: int, told: bool
) -> None:
    """I/O was frozen until the peer was fenced: the cluster shows that until failure-timeout."""
    frozen = 'op_key="p_drbd_monitor_10000" node="atlas" exitcode="191" task="monitor" exitreason="it is frozen"'
    # 1577836800 s since the epoch.
    shown = f'<r><failures><failure {frozen} last-rc-change="2020-01-01 00:00:00Z"/></failures></r>'
    well = f'id="p_drbd_monitor_10000" operation="monitor" rc-code="8" last-rc-change="{1577836800 + seconds}"'
    history = f'<lrm><lrm_resources><lrm_resource id="p_drbd"><lrm_rsc_op {well}/></lrm_resource></lrm_resources></lrm>'
    cib = f'<r><status><node_state uname="atlas">{history}</node_state></status></r>'
    printed = {"crm_mon": shown, "cibadmin": cib}
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, printed[argv[0]], ""))
    failed = "p_drbd on atlas: it is frozen; when that is mended, its next monitor finds it well"
    assert settling.ailments(Deadline(1)) == ([failed] if told else [])


def test_a_crm_mon_that_says_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, "", ""))
    with pytest.raises(Failure, match="crm_mon: "):
        settling.ailments(Deadline(1))
