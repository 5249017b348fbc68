# SPDX-License-Identifier: GPL-2.0-or-later
"""What two versions of Pacemaker give to an agent, and what the frame makes of it."""

from __future__ import annotations

import pytest

from tests.unit import agents, pacemaker
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment

CALLS = sorted(path.stem for path in (pacemaker.FOLDER / "3.0.0").glob("*.env") if path.stem != "meta-data")


@pytest.fixture(params=pacemaker.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_comes_from_the_cluster(version: str, call: str) -> None:
    given = Environment(pacemaker.environment(version, call))
    assert given.in_cluster
    assert (given.resource, given.node) in (("p_rec", "atlas"), ("p_rec", "zeus"))
    assert given.timeout in (20.0, 21.0, 22.0)
    assert given.names_version


@pytest.mark.parametrize(
    ("call", "is_probe"), [("probe", True), ("monitor-promoted", False), ("monitor-unpromoted", False)]
)
def test_a_probe_is_told_from_a_monitor(version: str, call: str, is_probe: bool) -> None:
    assert Environment(pacemaker.environment(version, call)).is_probe is is_probe


def test_only_the_newer_one_shows_what_is_degraded(version: str) -> None:
    given = Environment(pacemaker.environment(version, "monitor-promoted"))
    assert given.knows_degraded is (version == "3.0.0")


def test_the_level_of_a_monitor(version: str) -> None:
    assert Environment(pacemaker.environment(version, "monitor-unpromoted")).check_level == 10
    assert Environment(pacemaker.environment(version, "monitor-promoted")).check_level is None


def test_a_notification(version: str) -> None:
    assert Environment(pacemaker.environment(version, "notify-post-start")).notification() == ("post", "start")


def test_there_is_one_promoted_replica(version: str) -> None:
    given = Environment(pacemaker.environment(version, "promote"))
    assert (given.meta("promoted_max") or given.meta("master_max")) == "1"


@pytest.mark.parametrize("name", agents.NAMES)
def test_a_test_in_a_cluster_runs_in_one_that_there_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runner gives what the version of Pacemaker gives whose feature set the test names."""
    seen: list[Environment] = []

    def look(agent: Agent) -> int:
        seen.append(agent.environment)
        return 0

    run = agents.Runner(name, crm_feature_set="3.20.0")
    monkeypatch.setattr(run.agent, "run", look)
    run("monitor")
    run.probe()
    assert [each.is_probe for each in seen] == [False, True]
    assert [each.meta("interval") for each in seen] == ["10000", None]
