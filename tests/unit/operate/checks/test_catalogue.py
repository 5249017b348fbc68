# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of faults: complete, each with a name of its own, each with a command, and each seeded by a test."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from tests.unit import agents
from tests.unit.operate.checks import mutation, test_cluster, test_hosts
from twinsan import cli
from twinsan.operate.checks import catalogue, situations
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault
from twinsan.operate.checks.report import Report

FOLDER = agents.ROOT / "lib" / "twinsan" / "operate" / "checks"


def test_every_fault_is_in_the_catalogue() -> None:
    modules = [importlib.import_module(f"twinsan.operate.checks.{path.stem}") for path in FOLDER.glob("*.py")]
    declared = {value for module in modules for value in vars(module).values() if isinstance(value, Fault)}
    assert declared == set(catalogue.faults())


# Seeded in tests of their own; for a cluster that never comes to rest no small change of a template is known.
SEEDED_ELSEWHERE = {
    "corosync-name-differs",
    "drbd-host-missing",
    "drbd-utils-old",
    "fencing-by-bmc-alone",
    "nothing-served",
    "old-clone",
    "one-link",
    "qdevice-not-enabled",
    "restless",
    "sbd-not-enabled",
    "third-vote-missing",
    "watchdog-of-kernel",
}


def test_every_fault_is_seeded() -> None:
    """And there are more than 40 seeds."""
    simulated = [key for _, _, expected in test_cluster.SIMULATED.values() for key, _ in expected]
    static = [key for _, _, key, _ in test_cluster.STATIC.values()]
    in_files = [key for *_, key, _ in (*test_hosts.IN_DRBD.values(), *test_hosts.IN_COROSYNC.values())]
    on_a_node = [key for _, key, _ in test_hosts.ON_ZEUS.values()]
    seeds = [*simulated, *static, *in_files, *on_a_node]
    assert len(seeds) > 40
    assert {fault.key for fault in catalogue.faults()} - set(seeds) == SEEDED_ELSEWHERE


def test_every_fault_has_a_name_of_its_own() -> None:
    keys = [fault.key for fault in catalogue.faults()]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", key) for key in keys)


@pytest.mark.parametrize("fault", catalogue.faults(), ids=lambda fault: fault.key)
def test_a_fault_is_told_in_whole(fault: Fault) -> None:
    assert fault.severity in (ERROR, WARNING, NOTE)
    assert fault.what
    assert fault.why
    assert fault.mend
    assert not fault.what.endswith(".")


def test_the_exit_status_is_of_the_worst() -> None:
    report = Report()
    assert report.status == 0
    by_severity = {
        fault.severity: fault for fault in catalogue.faults() if "{" not in fault.what.replace("{where}", "")
    }
    report.add([by_severity[NOTE].at("x")])
    assert report.status == 0
    report.not_seen("zeus", "it is off")
    assert report.status == 1
    report.add([by_severity[WARNING].at("x")])
    assert report.status == 3
    report.add([by_severity[ERROR].at("x")])
    assert report.status == 4
    assert [each.fault.severity for each in report.findings()] == [ERROR, WARNING, NOTE]


def test_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(situations, "find", lambda *_: iter(()))
    file = tmp_path / "cib.xml"
    file.write_bytes(mutation.changed("san", mutation.option("no-quorum-policy", "ignore")))
    assert cli.main(["check", "--json", str(file)]) == 4
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"findings", "unseen"}
    (finding,) = told["findings"]
    assert set(finding) == {"fault", "severity", "node", "where", "what", "why", "mend"}
    assert (finding["fault"], finding["where"]) == ("quorum-ignored", "no-quorum-policy")
