# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of the take-over, typed to Pacemaker's programs with a cluster in a file: what its scheduler then does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.unit.operate.adoption import field
from twinsan import cli

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

_STATE = """\
<node_state id="{number}" uname="{node}" in_ccm="true" crmd="online" join="member" expected="member">
  <lrm id="{number}"><lrm_resources/></lrm>
  <transient_attributes id="{number}"><instance_attributes id="status-{number}">
    <nvpair id="status-{number}-old" name="master-p_drbd_r0" value="10000"/>
    <nvpair id="status-{number}-new" name="master-p_drbd" value="10000"/>
  </instance_attributes></transient_attributes>
</node_state>"""
_GUIDE = ("p_block", "p_ip", "p_iscsi_target", "p_iscsi_lun", "p_unblock")


class Cluster:
    """The cluster of LINBIT's guide in a file, all of it started; what is typed goes to its shell."""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder = folder
        states = "".join(_STATE.format(number=number, node=node) for number, node in enumerate(("alice", "bob"), 1))
        text = configuration.replace("<status/>", f"<status>{states}</status>")
        head = 'validate-with="pacemaker-3.7" crm_feature_set="3.16.1" admin_epoch="0" num_updates="0" have-quorum="1"'
        self.path = folder / "live.cib"
        head = head.replace("3.7", "2.10") if "<master" in text else head
        self.path.write_text(text.replace('validate-with="pacemaker-3.7"', head))
        while self.go():
            pass

    def type(self, *commands: str) -> str:
        """Type commands of a step. Returns what they print."""
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        environment = {"PATH": path, "CIB_file": str(self.path), "CIB_shadow": ""}
        typed = subprocess.run(
            ["sh", "-e", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert typed.returncode == 0, typed.stderr
        return typed.stdout

    def go(self) -> list[str]:
        """Have the scheduler's plan carried out. Returns its actions, but for looks and fence devices."""
        printed = self.type("crm_simulate --xml-file live.cib --simulate --save-output next.cib")
        (self.folder / "next.cib").replace(self.path)
        actions = re.findall(r"Resource action: (\S+) +(\S+) on (\S+)", printed)
        looks, fencing = ("monitor", "cancel", "delete"), "fence_"
        return [
            f"{name} {what}" for name, what, _ in actions if not (what.startswith(looks) or name.startswith(fencing))
        ]

    def forget(self, name: str) -> None:
        """What crm_resource --refresh does."""
        tree = ET.parse(self.path)
        for resources in tree.iter("lrm_resources"):
            for each in resources.findall("lrm_resource"):
                if each.get("id", "").startswith(name):
                    resources.remove(each)
        tree.write(self.path)


def configuration(tag: str = "clone") -> str:
    """The guide's configuration: with the tag master as it was before Pacemaker 2.1."""
    tied = field.TIED if tag == "master" else field.TIED.replace("Master", "Promoted")
    drbd = field.drbd(tag=tag)
    return field.cib(drbd, field.guide(), field.FENCING, field.MANAGEMENT, constraints=tied)


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Cluster:
    return Cluster(tmp_path, getattr(request, "param", configuration()))


@pytest.fixture
def steps(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The commands of each step; the site is rendered."""
    files = {"drbd.xml": field.dumped(field.dump()), "corosync.conf": field.COROSYNC}
    for name, content in files.items():
        (cluster.folder / name).write_text(content)
    words = ["--drbd", str(cluster.folder / "drbd.xml"), "--corosync", str(cluster.folder / "corosync.conf")]
    assert cli.main(["adopt", "--cib", str(cluster.path), *words, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (cluster.folder / "site.toml").write_text(told["site"])
    assert cli.main(["render", str(cluster.folder / "site.toml"), "--output", str(cluster.folder / "rendered")]) == 0
    return [step["commands"] for step in told["steps"]]


_ASKING = ("crm_resource --wait", "until ", "crm_mon", "test ", "{", "(set")


def step_with(steps: list[list[str]], word: str) -> list[str]:
    """The first step with a word."""
    return next(step for step in steps if any(word in command for command in step))


def part(steps: list[list[str]], first: str, last: str) -> list[str]:
    """The commands of the pause from one to another, without those that ask a running cluster."""
    commands = step_with(steps, "maintenance-mode --delete")
    begin, end = (next(at for at, each in enumerate(commands) if word in each) for word in (first, last))
    return [each for each in commands[begin : end + 1] if not each.startswith(_ASKING)]


@pytest.mark.parametrize("cluster", [configuration(), configuration("master")], ids=["clone", "master"], indirect=True)
def test_drbd_stays_promoted_while_all_else_is_replaced(cluster: Cluster, steps: list[list[str]]) -> None:
    printed = cluster.type(*step_with(steps, "after.cib"))
    assert "Transition Summary" not in printed
    assert cluster.go() == [], "nothing has changed yet"
    cluster.type(*part(steps, "set -e", "Stopped"))
    assert cluster.go() == [f"{name} stop" for name in reversed(_GUIDE)]
    cluster.type(*part(steps, "after.xml", "after.xml"))
    assert cluster.go() == [], "in maintenance mode"
    cluster.forget("p_drbd_r0")
    cluster.type(*part(steps, "maintenance-mode", "maintenance-mode"))
    started = cluster.go()
    assert not [action for action in started if "p_drbd_r0" in action or "demote" in action]
    assert [action for action in started if action in ("p_lun0 start", "p_portal start")] == [
        "p_lun0 start",
        "p_portal start",
    ]
    assert not [action for action in started if action.startswith("p_admin")], "no part of the SAN"


def test_nobody_else_reads_the_configuration_with_its_secrets(cluster: Cluster, steps: list[list[str]]) -> None:
    cluster.type("umask 022", *step_with(steps, "after.cib"))
    for name in ("before.xml", "after.cib", "after.xml"):
        assert (cluster.folder / name).stat().st_mode & 0o077 == 0, name


def test_without_maintenance_mode_the_cluster_would_stop_drbd(cluster: Cluster, steps: list[list[str]]) -> None:
    cluster.type(*(each for each in step_with(steps, "after.cib") if "maintenance-mode" not in each))
    cluster.type(*part(steps, "set -e", "Stopped"))
    cluster.go()
    cluster.type(*part(steps, "after.xml", "after.xml"))
    assert "p_drbd_r0 stop" in cluster.go()


def test_the_way_back(cluster: Cluster, steps: list[list[str]]) -> None:
    cluster.type(*step_with(steps, "after.cib"))
    cluster.type(*part(steps, "set -e", "Stopped"))
    cluster.go()
    cluster.type(*part(steps, "after.xml", "after.xml"))
    cluster.go()
    cluster.forget("p_drbd_r0")
    cluster.type(*part(steps, "maintenance-mode", "maintenance-mode"))
    cluster.go()
    back = [each for each in steps[-1] if not each.startswith("crm_resource --wait")]
    cluster.type(*back[:-1])
    while cluster.go():
        pass
    cluster.type(back[-1])
    ran = [*cluster.go(), *cluster.go(), *cluster.go()]
    assert [f"{name} start" for name in _GUIDE] == [each for each in ran if each.split()[0] in _GUIDE]
