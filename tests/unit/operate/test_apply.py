# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan apply`` on a cluster in a file: what it asks, in which steps it changes, and what it leaves alone."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit import agents
from tests.unit.operate.simulated import Running
from tests.unit.site import sites
from twinsan import cli
from twinsan.cluster import patch
from twinsan.deadline import Deadline
from twinsan.host import command
from twinsan.operate.change import node_files, settling, volumes
from twinsan.site import difference

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

LUN_2 = '\n[[resources.san.luns]]\nlun = 2\ndevice = "/dev/drbd2"\ndisk = "/dev/sdd"\n'


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A pair that runs the site of san.toml. DRBD has all that a site wants, and the files of the node are right."""
    return ready(Running(tmp_path, sites.site(sites.text())), monkeypatch)


@pytest.fixture
def two_luns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The same with a second LUN."""
    return ready(Running(tmp_path, sites.site(sites.text() + LUN_2)), monkeypatch)


def ready(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The cluster of the command."""
    monkeypatch.setattr(command, "run", running.run)
    monkeypatch.setattr(volumes, "look", lambda *_: volumes.Lacking())
    monkeypatch.setattr(node_files, "differing", lambda *_: [])
    return running


def apply(folder: Path, content: str, *words: str) -> int:
    """Apply a site file with this content."""
    file = folder / "site.toml"
    file.write_text(content)
    return cli.main(["apply", str(file), *words])


def test_what_is_the_same_changes_nothing(cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = cluster.text()
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert "nothing differs" in capsys.readouterr().out
    assert cluster.patches == []
    assert cluster.text() == before


@pytest.mark.parametrize("words", [("apply", "--yes"), ("render", "--diff")])
def test_it_finds_its_packages_as_it_is_installed(words: tuple[str, ...]) -> None:
    """And says where there is no cluster."""
    command_line = [sys.executable, "-IS", str(agents.ROOT / "bin" / "twinsan"), *words]
    site = str(sites.EXAMPLES / "san.toml")
    ended = subprocess.run([*command_line, site], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "the cluster does not answer on this node" in ended.stderr


def test_a_cluster_without_anything_gets_it_all(cluster: Running, tmp_path: Path) -> None:
    """In one change: no part is there without what it waits for."""
    tree = ET.fromstring(cluster.text())
    for path in ("configuration/crm_config", "configuration/resources", "configuration/constraints"):
        for part in tree.findall(path):
            part.clear()
    for history in tree.iter("lrm_resources"):
        history.clear()
    cluster.file.write_text(ET.tostring(tree, encoding="unicode"))
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert len(cluster.patches) == 1
    assert cluster.serving(cluster.site.resources[0]) == "atlas"
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert len(cluster.patches) == 1


def test_a_reloadable_change_reloads(cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = sites.changed("san", ("lun = 1\n", "lun = 1\nmax_unmap_lba_count = 8192\n"))
    assert apply(tmp_path, changed, "--yes") == 0
    told = capsys.readouterr().out
    assert "Interrupts nothing:\n  + p_lun1  max_unmap_lba_count  8192\n" in told
    assert "reload p_lun1" in told
    assert cluster.done[0] == ["p_lun1 reload-agent on atlas"]


def test_a_second_lun_is_one_change_that_restarts_the_address_alone(cluster: Running, tmp_path: Path) -> None:
    """Though the group becomes sets of constraints."""
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 0
    assert len(cluster.patches) == 1
    assert cluster.done[0] == ["p_portal stop on atlas", "p_lun2 start on atlas", "p_portal start on atlas"]
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 0
    assert len(cluster.patches) == 1, "a second time nothing differs"


def test_a_lun_that_goes_is_stopped_first_and_no_other_is_interrupted(
    two_luns: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = two_luns
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert "That interrupts 1 LUN: p_lun2" in capsys.readouterr().out
    assert len(cluster.patches) == 2
    assert [step for step in cluster.done if step] == [["p_lun2 stop on atlas"]]
    assert ['name="target-role" value="Stopped"' in patch for patch in cluster.patches] == [True, False]
    removal = '<change operation="delete" path="/cib/configuration/resources/primitive[@id=\'p_lun2\']" />'
    assert [removal in patch for patch in cluster.patches] == [False, True]
    assert "p_lun2" not in cluster.text().partition("<status>")[0]


def test_what_is_reloaded_comes_before_what_restarts(cluster: Running, tmp_path: Path) -> None:
    changed = sites.changed(
        "san",
        ("lun = 1\n", 'lun = 1\nvendor_id = "OTHER"\n'),
        ('iqn = "iqn.2003-01.org.example:san"\n', 'iqn = "iqn.2003-01.org.example:san"\nqueue_depth = 32\n'),
    )
    assert apply(tmp_path, changed, "--yes") == 0
    first, second, *rest = cluster.done
    assert sorted(first) == ["p_target reload-agent on atlas", "p_target reload-agent on zeus"]
    assert second == [
        "p_portal stop on atlas",
        "p_lun1 stop on atlas",
        "p_lun1 start on atlas",
        "p_portal start on atlas",
    ]
    assert not any(rest)


def test_comments_in_the_configuration_are_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = ready(Running(tmp_path, sites.site(sites.text("many-luns"))), monkeypatch)
    commented = re.sub(r"(<(primitive|resource_ref|resource_set|op|nvpair) )", r"<!-- seen -->\1", running.text())
    commented = re.sub(r"(<op [^>]*)/>", r"\1><!-- seen --></op>", commented)
    running.file.write_text(commented)
    assert apply(tmp_path, sites.text("many-luns"), "--yes") == 0
    assert running.patches == []


def test_a_place_is_counted_with_the_comments_before_it(cluster: Running, tmp_path: Path) -> None:
    """Else what is new in a group would come too early: before what it needs."""
    lun, portal = '<primitive id="p_lun1"', '<primitive id="p_portal"'
    old = cluster.text().replace(lun, f"<!-- one --><!-- two -->{lun}")
    new = old.replace(portal, f'<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"/>{portal}')
    cluster.file.write_text(old)
    patch.apply(str(tmp_path), old, new, Deadline(60))
    assert re.findall('<primitive id="(p_lun1|mail|p_portal)"', cluster.text()) == ["p_lun1", "mail", "p_portal"]


def test_what_restarts_waits_for_a_cluster_that_does_not_settle(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
    changed = sites.changed("san", ("lun = 1\n", 'lun = 1\nvendor_id = "OTHER"\n'), (iqn, iqn + "queue_depth = 32\n"))
    with monkeypatch.context() as hanging:
        hanging.setattr(settling, "wait", lambda *_: "start p_other on zeus")
        assert apply(tmp_path, changed, "--yes") == 1
    told = capsys.readouterr().out
    assert "type twinsan apply again" in told
    assert "not settled: start p_other on zeus" in told
    assert ["OTHER" in patch for patch in cluster.patches] == [False]
    assert apply(tmp_path, changed, "--yes") == 0
    assert ["OTHER" in patch for patch in cluster.patches] == [False, True]


def test_what_is_not_well_counts_if_only_a_file_differs(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that twinsan apply does not change."""
    monkeypatch.setattr(node_files, "differing", lambda *_: [node_files.File("/etc/corosync/corosync.conf", "", [])])
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "atlas", "", "", "")))
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert "nothing that twinsan apply changes differs" in capsys.readouterr().out
    cluster.go(inject="p_lun1_monitor_10000@atlas=1")
    assert apply(tmp_path, sites.text(), "--yes") == 1
    assert "not well: p_lun1 on atlas" in capsys.readouterr().out


def test_what_a_new_lun_needs_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the step before, though that interrupts nothing."""
    text = sites.text("many-luns")
    iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
    wanted = text.replace(iqn, iqn + "queue_depth = 32\n") + LUN_2.replace("2", "9").replace("sdd", "sdx")
    running = ready(Running(tmp_path, sites.site(text)), monkeypatch)
    assert apply(tmp_path, wanted, "--yes") == 0
    first, second, *_ = running.done
    assert sorted(first) == ["p_target reload-agent on atlas", "p_target reload-agent on zeus"]
    assert second == ["p_portal stop on atlas", "p_lun9 start on atlas", "p_portal start on atlas"]
    assert ["p_lun9" in patch for patch in running.patches] == [False, True]


def test_a_part_that_moves_waits_for_all_else(cluster: Running, tmp_path: Path) -> None:
    """A LUN without its group, and not yet in its constraints, would be half a chain."""
    iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
    assert apply(tmp_path, sites.changed("san", (iqn, iqn + "queue_depth = 32\n")) + LUN_2, "--yes") == 0
    first, second = cluster.patches
    assert "queue_depth" in first
    assert "p_lun1" not in first
    assert "p_lun1" in second


def test_a_removal_that_was_interrupted_is_completed(two_luns: Running, tmp_path: Path) -> None:
    cluster = two_luns
    found = difference.between(difference.parse(cluster.text()), sites.site(sites.text()))
    cluster.file.write_text(difference.text(found.stopped))
    cluster.settle()
    assert "p_lun2" in cluster.text()
    assert apply(tmp_path, sites.text(), "--yes") == 0
    assert len(cluster.patches) == 1
    assert "p_lun2" not in cluster.text().partition("<status>")[0]


def test_what_an_interrupted_removal_has_stopped_is_told_when_the_site_has_it_again(
    two_luns: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = two_luns
    found = difference.between(difference.parse(cluster.text()), sites.site(sites.text()))
    cluster.file.write_text(difference.text(found.stopped))
    cluster.settle()
    apply(tmp_path, sites.text() + LUN_2, "--yes")
    remedy = "crm_resource --resource p_lun2 --meta --delete-parameter target-role"
    assert f"p_lun2 stays stopped, for it has target-role=Stopped; type: {remedy}" in capsys.readouterr().out


def test_an_address_does_not_come_before_its_constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the constraints come later, with the part that moves."""
    running = ready(Running(tmp_path, sites.site(sites.text("sbd-disk"))), monkeypatch)
    here = running.serving(running.site.resources[0])
    assert apply(tmp_path, sites.text("two-portals"), "--yes") == 0
    first, second, *_ = running.done
    assert not [action for action in first if "p_portal2" in action]
    assert [action for action in second if "p_portal2" in action] == [f"p_portal2 start on {here}"]


def test_there_is_a_fence_device_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one starts before the old ones stop, whatever else is changed."""
    running = ready(Running(tmp_path, sites.site(sites.text("two-portals"))), monkeypatch)
    assert apply(tmp_path, sites.text("sbd-disk"), "--yes") == 0
    first, second, *_ = running.done
    assert [action for action in first if "fence" in action] == ["fence_sbd start on zeus"]
    assert {"fence_atlas stop on zeus", "fence_zeus stop on atlas"} <= set(second)


def test_a_second_resource_starts_and_interrupts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sites.text("two-resources")
    alone = whole[: whole.index("[resources.data1]")]
    running = ready(Running(tmp_path, sites.site(alone)), monkeypatch)
    assert apply(tmp_path, whole, "--yes") in (0, 1)
    told = capsys.readouterr().out
    assert "That interrupts no LUN." in told
    assert len(running.patches) == 1
    assert not any("data0" in action for step in running.done for action in step)
    assert apply(tmp_path, alone, "--yes") in (0, 1)
    assert not any("data0" in action for step in running.done for action in step)
    assert "data1" not in running.text().partition("<status>")[0]


def test_without_a_terminal_it_does_nothing_unless_it_is_told_to(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert apply(tmp_path, sites.text() + LUN_2) == 1
    shown = capsys.readouterr()
    assert "p_lun2" in shown.out
    assert "type it again with --yes" in shown.err
    assert cluster.patches == []


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(("answer", "changes"), [("Yes\n", 1), ("n\n", 0), ("", 0)])
def test_it_asks(cluster: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, changes: int) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert apply(tmp_path, sites.text() + LUN_2) == 1 - changes
    assert len(cluster.patches) == changes


def test_a_change_of_the_status_is_no_obstacle(cluster: Running, tmp_path: Path) -> None:
    left = [cluster.change_status, cluster.change_status]
    cluster.before_patch = lambda: left.pop()() if left else None
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 0
    assert len(cluster.patches) == 3


def intrude(cluster: Running) -> None:
    """What somebody else does: another resource."""
    cluster.before_patch = lambda: None
    xml = '<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"/>'
    cluster.change_configuration(xml, "resources")


@pytest.mark.parametrize("when", ["while the operator reads", "in the last moment"])
def test_a_change_by_somebody_else_meanwhile_is_shown_and_nothing_is_done(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    class Reader(Terminal):
        def isatty(self) -> bool:
            if when == "while the operator reads":
                intrude(cluster)
            else:
                cluster.before_patch = lambda: intrude(cluster)
            return True

    monkeypatch.setattr("sys.stdin", Reader("y\n"))
    assert apply(tmp_path, sites.text() + LUN_2) == 1
    shown = capsys.readouterr()
    assert "has changed meanwhile" in shown.err
    assert "+ primitive mail" in shown.out
    assert "p_lun2" not in cluster.text()


def test_a_volume_that_is_missing_stops_all_before_anything_is_changed(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = volumes.Lacking(obstacles=["/dev/drbd2 (LUN 2) is no volume; make it"])
    monkeypatch.setattr(volumes, "look", lambda *_: lacking)
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 1
    assert "/dev/drbd2 (LUN 2) is no volume; make it" in capsys.readouterr().err
    assert cluster.patches == []


@pytest.mark.parametrize(("name", "value"), [("is-managed", "false"), ("is-managed", "False"), ("maintenance", "y")])
def test_what_cannot_be_stopped_is_not_removed(
    two_luns: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    cluster = two_luns
    cluster.change("primitive[@id='p_lun2']/meta_attributes/nvpair", name=name, value=value)
    assert apply(tmp_path, sites.text(), "--yes") == 1
    assert "p_lun2 is to be removed" in capsys.readouterr().err
    assert cluster.patches == []


def test_nothing_is_removed_if_the_cluster_does_not_say_that_it_has_stopped(
    two_luns: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] == "crm_resource":
            return command.Result(argv, 102, "", "Could not connect to the CIB: Transport endpoint is not connected")
        return two_luns.run(*argv, deadline=deadline, input=input, check=check)

    monkeypatch.setattr(command, "run", run)
    assert apply(tmp_path, sites.text(), "--yes") == 1
    assert "Could not connect to the CIB" in capsys.readouterr().err
    assert 'id="p_lun2"' in two_luns.text().partition("<status>")[0]


def test_what_others_say_about_something_that_goes_is_not_touched(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.move("atlas")
    cluster.settle()
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 1
    assert "crm_resource --clear --resource g_san" in capsys.readouterr().err
    assert cluster.patches == []


def test_an_old_schema_is_refused(cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for schema in cluster.anything.iterdir():
        schema.rename(schema.with_stem("pacemaker-3.5"))
    cluster.file.write_text(
        '<cib validate-with="pacemaker-3.5" admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/>'
        "<nodes/><resources/><constraints/></configuration><status/></cib>"
    )
    assert apply(tmp_path, sites.text(), "--yes") == 1
    assert "cibadmin --upgrade --force" in capsys.readouterr().err
    assert cluster.patches == []


def test_in_maintenance_mode_it_shows_what_comes_when_that_ends(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = '<nvpair id="mine-1" name="maintenance-mode" value="true"/>'
    cluster.change_configuration(f'<cluster_property_set id="mine">{pair}</cluster_property_set>', "crm_config")
    cluster.settle()
    cluster.done.clear()
    assert apply(tmp_path, sites.text() + LUN_2, "--yes") == 0
    told = capsys.readouterr().out
    assert "restart p_portal on atlas" in told
    assert "the cluster is in maintenance mode" in told
    assert not any(cluster.done)
    assert apply(tmp_path, sites.text(), "--yes") == 1
    assert "does not manage it now (maintenance mode)" in capsys.readouterr().err


def test_what_is_not_well_is_told_with_what_to_type(
    cluster: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.go(inject="p_lun1_monitor_10000@atlas=1")
    assert apply(tmp_path, sites.text(), "--yes") == 1
    told = capsys.readouterr().out
    assert "not well: p_lun1 on atlas" in told
    assert "crm_resource --cleanup --resource p_lun1" in told
