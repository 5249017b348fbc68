# SPDX-License-Identifier: GPL-2.0-or-later
"""What the shipped configuration makes of failures, by Pacemaker's own scheduler: again at once, then on the other
node, and never for long on neither.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.simulation import Cluster

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

GROUP = ("p_target", "p_lun1", "p_portal")
# What the last node waits, at the longest, until it tries again (s), where its agents could not have its failures
# forgotten: failure-timeout of the template.
PAUSE = 150


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def starts(actions: list[str], node: str) -> bool:
    """Whether these actions end with the SAN serving on a node."""
    return actions[-1:] == [f"p_portal start on {node}"]


def test_nothing_fails_and_it_serves_and_is_done(cluster: Cluster) -> None:
    assert starts(cluster.go(), "atlas")
    assert cluster.go() == []


@pytest.mark.parametrize("resource", GROUP)
def test_a_start_that_failed_once_is_tried_again_at_once_where_it_failed(cluster: Cluster, resource: str) -> None:
    cluster.go(f"{resource}_start_0@atlas=1")
    again = cluster.go()
    assert f"{resource} start on atlas" in again
    assert starts(again, "atlas")


def test_a_replica_that_failed_to_start_once_is_started_at_once(cluster: Cluster) -> None:
    cluster.go("p_drbd_start_0@atlas=1")
    again = cluster.go()
    assert "p_drbd start on atlas" in again
    assert again[-1].startswith("p_portal start on ")


def test_a_promotion_that_failed_once_ends_with_the_san_serving(cluster: Cluster) -> None:
    cluster.go("p_drbd_promote_0@atlas=1")
    assert cluster.go()[-1].startswith("p_portal start on ")


@pytest.mark.parametrize("resource", GROUP)
def test_a_second_failure_moves_all_to_the_other_node_where_it_stays(cluster: Cluster, resource: str) -> None:
    for _ in range(2):
        cluster.go(f"{resource}_start_0@atlas=1")
    assert starts(cluster.go(), "zeus")
    later = cluster.go(seconds=PAUSE + 1)
    assert later == (["p_target start on atlas"] if resource == "p_target" else []), "nothing goes back"


def test_a_switchover_leaves_the_target_alone(cluster: Cluster) -> None:
    cluster.go()
    cluster.move("zeus")
    assert cluster.go() == [
        "p_portal stop on atlas",
        "p_lun1 stop on atlas",
        "p_drbd demote on atlas",
        "p_drbd promote on zeus",
        "p_lun1 start on zeus",
        "p_portal start on zeus",
    ]


@pytest.mark.parametrize("status", [1, 2, 5])
def test_a_target_that_cannot_stand_by_shows_before_it_is_needed_and_costs_neither_service_nor_replica(
    cluster: Cluster, status: int
) -> None:
    """An instance of a clone never answers 6, for which the cluster would stop all (see ocf.failure_code)."""
    done = [action for _ in range(2) for action in cluster.go(f"p_target_start_0@zeus={status}")] + cluster.go()
    assert "p_portal start on atlas" in done
    assert not any(" stop " in action for action in done if not action.startswith("p_target"))
    assert "p_target start on zeus" in cluster.go(seconds=PAUSE + 1)


def test_a_target_that_fails_where_it_stands_by_disturbs_nobody(cluster: Cluster) -> None:
    cluster.go()
    again = cluster.go(inject="p_target_monitor_10000@zeus=1")
    assert again == ["p_target stop on zeus", "p_target start on zeus"]


def test_a_required_target_for_a_promotion_would_stop_the_replica_without_one(cluster: Cluster) -> None:
    """The control: why the score of that constraint is finite."""
    cluster.change("rsc_colocation[@id='promoted-where-target']", score="INFINITY")
    for _ in range(2):
        cluster.go("p_target_start_0@zeus=1")
    assert "p_drbd stop on zeus" in cluster.go()


def test_without_a_preferred_target_for_a_promotion_nobody_would_serve(cluster: Cluster) -> None:
    """The control: why there is that constraint."""
    cluster.change("rsc_colocation[@id='promoted-where-target']", score="0")
    cluster.go("p_target_start_0@atlas=5")
    assert not any("p_portal start" in action for _ in range(3) for action in cluster.go())


@pytest.mark.parametrize("status", [2, 5])
@pytest.mark.parametrize("resource", GROUP)
def test_what_cannot_pass_on_a_node_moves_at_once(cluster: Cluster, resource: str, status: int) -> None:
    cluster.go(f"{resource}_start_0@atlas={status}")
    assert starts(cluster.go(), "zeus")


@pytest.mark.parametrize("status", [1, 2, 5, 6])
@pytest.mark.parametrize("resource", GROUP)
def test_the_last_node_tries_again_when_its_agent_has_had_the_failures_forgotten(
    cluster: Cluster, resource: str, status: int
) -> None:
    """15 s after the stop that follows each failed start (see test_failures)."""
    cluster.lose("zeus")
    for _ in range(2 if status == 1 else 1):
        cluster.go(f"{resource}_start_0@atlas={status}")
    assert f"{resource} stop on atlas" in cluster.go()
    assert not any("start" in action for action in cluster.go(seconds=15))
    cluster.forget(resource, "atlas")
    assert starts(cluster.go(), "atlas")


@pytest.mark.parametrize("answer", [0, 1, 2, 5, 6])
def test_an_answer_of_a_node_that_does_not_serve_would_disturb_the_one_that_does(cluster: Cluster, answer: int) -> None:
    """Why a monitor of role Stopped says nothing but "not running", unless the address is there as well."""
    cluster.go()
    assert "p_portal stop on atlas" in cluster.go(inject=f"p_portal_monitor_7000@zeus={answer}")


@pytest.mark.parametrize("status", [1, 2, 5, 6])
@pytest.mark.parametrize("resource", GROUP)
def test_the_last_node_tries_again_after_a_pause(cluster: Cluster, resource: str, status: int) -> None:
    cluster.lose("zeus")
    for _ in range(2 if status == 1 else 1):
        cluster.go(f"{resource}_start_0@atlas={status}")
    cluster.go()
    assert not any("start" in action for action in cluster.go(seconds=PAUSE - 2))
    assert starts(cluster.go(seconds=3), "atlas")


@pytest.mark.parametrize("resource", GROUP)
def test_when_both_nodes_have_failed_one_of_them_tries_again_after_a_pause(cluster: Cluster, resource: str) -> None:
    for node in ("atlas", "zeus"):
        for _ in range(2):
            cluster.go(f"{resource}_start_0@{node}=1")
    cluster.go()
    assert not any(f"{resource} start" in action for action in cluster.go(seconds=PAUSE - 2))
    assert cluster.go(seconds=3)[-1].startswith("p_portal start on ")


def test_a_monitor_that_fails_each_time_moves_the_san(cluster: Cluster) -> None:
    """An interval and a restart apart, the failures still add up."""
    cluster.go()
    for _ in range(2):
        cluster.go("p_lun1_monitor_10000@atlas=1", seconds=12)
    assert starts(cluster.go(), "zeus")


def test_a_failed_stop_fences(cluster: Cluster) -> None:
    cluster.go()
    cluster.standby("atlas")
    cluster.go("p_lun1_stop_0@atlas=1")
    actions = cluster.go(seconds=1)
    assert "fence atlas" in actions
    assert starts(actions, "zeus")


def test_a_failed_stop_that_was_not_fenced_is_tried_again_before_anything_starts_elsewhere(cluster: Cluster) -> None:
    cluster.go()
    cluster.standby("atlas")
    cluster.go("p_lun1_stop_0@atlas=1")
    actions = cluster.go(seconds=PAUSE + 1)
    assert actions.index("p_lun1 stop on atlas") < actions.index("p_drbd promote on zeus")
    assert starts(actions, "zeus")


def test_a_controller_that_did_not_answer_is_asked_again_after_a_minute(cluster: Cluster) -> None:
    cluster.go("fence_atlas_start_0@zeus=1")
    assert not any("fence_atlas start" in action for action in cluster.go())
    assert "fence_atlas start on zeus" in cluster.go(seconds=61)


def test_by_default_one_failed_start_would_end_the_service_of_the_last_node(cluster: Cluster) -> None:
    """The control: without the template's property the same simulation finds the fault."""
    cluster.fatal_start_failures()
    cluster.lose("zeus")
    cluster.go("p_lun1_start_0@atlas=1")
    assert not any("start" in action for action in cluster.go())
