# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker's scheduler makes of each shipped site: what waits for what, and what a fault restarts.

The laws hold in every plan. What else may happen to a pair is in test_matrix, the controls are in test_controls.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.site import sites
from tests.unit.site.laws import NODES, OTHER, Laws
from tests.unit.site.pair import Pair
from twinsan.site import cib

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

# data0 is as san, and what a third vote changes is tested with the template. `make test` has a group, sets, and two
# resources.
NAMES = [
    pytest.param(path.stem, marks=[] if path.stem in ("san", "many-luns", "two-resources") else [pytest.mark.soak])
    for path in sites.SHIPPED
    if path.stem not in ("data0", "san-qnetd")
]
ONE_RESOURCE = [name for name in NAMES if "two-resources" not in name.values]


def make(folder: Path, name: str, *changes: tuple[str, str]) -> Pair:
    """A pair with a shipped site file, changed."""
    site = sites.site(sites.changed(name, *changes))
    template = folder / "cib-of-site.xml"
    template.write_text(cib.text(site))
    return Pair(folder, template, site)


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return make(tmp_path, str(request.param))


@pytest.fixture(params=ONE_RESOURCE)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return make(tmp_path, str(request.param))


@pytest.fixture
def two(tmp_path: Path) -> Pair:
    """Two resources, of which each node serves one."""
    return settled(make(tmp_path, "two-resources"))


def settled(pair: Pair) -> Pair:
    """The same pair when it serves; a start that a test has seen is not simulated for the next one."""
    template = pair.template
    if template not in _SETTLED:
        settle(pair)
        _SETTLED[template] = pair.saved()
    pair.load(_SETTLED[template])
    return pair


_SETTLED: dict[str, str] = {}


def step(pair: Pair) -> list[str]:
    """Carry out the next plan, which must obey the laws."""
    before = pair.state()
    done = pair.go()
    Laws(pair.site, before, pair.carried_out()).check()
    return done


def settle(pair: Pair) -> list[str]:
    """Carry out plans until there is none."""
    done: list[str] = []
    for _ in range(4):
        now = step(pair)
        if not now:
            return done
        done += now
    raise AssertionError(f"it does not come to rest: {done}")


def all_serve_on(pair: Pair, node: str) -> None:
    """Each resource is served by a node, in full."""
    assert {pair.serving(resource) for resource in pair.site.resources} == {node}


def test_crm_verify_finds_nothing(pair: Pair) -> None:
    pair.verify()


def test_a_cold_start_ends_with_all_served(pair: Pair) -> None:
    settle(pair)
    for resource in pair.site.resources:
        assert pair.serving(resource) in ([resource.preferred] if resource.preferred else NODES)


@pytest.mark.parametrize("lost", NODES)
def test_the_survivor_of_a_power_cut_serves_all(pair: Pair, lost: str) -> None:
    settled(pair)
    pair.lose(lost)
    done = settle(pair)
    assert done[0] == f"fence {lost}"
    all_serve_on(pair, OTHER[lost])
    before = pair.where()
    pair.back(lost)
    back = settle(pair)
    assert not any("stop" in action or "demote" in action for action in back), "what serves stays"
    assert pair.where() == before


@pytest.mark.parametrize("node", NODES)
def test_standby_moves_all_and_back_moves_nothing(pair: Pair, node: str) -> None:
    settled(pair)
    pair.standby(node)
    settle(pair)
    all_serve_on(pair, OTHER[node])
    before = pair.where()
    pair.active(node)
    settle(pair)
    assert pair.where() == before


def test_a_move_takes_all_of_a_resource_and_nothing_else(pair: Pair) -> None:
    settled(pair)
    resource = pair.site.resources[0]
    there = OTHER[pair.serving(resource)]
    others = {name for other in pair.site.resources[1:] for name in other.parts}
    pair.move(there, resource.called("g_san") if resource.grouped else resource.portals[0].name)
    done = settle(pair)
    assert pair.serving(resource) == there
    assert not any(action.split()[0] in others for action in done)
    assert not any("p_target" in action for action in done), "the target stands by"


def test_a_part_that_fails_restarts_itself_and_the_addresses_alone(pair: Pair) -> None:
    settled(pair)
    before = pair.where()
    for resource in pair.site.resources:
        addresses = {portal.name for portal in resource.portals}
        for name in resource.parts:
            done = pair.go(inject=f"{name}_monitor_10000@{before[name]}=1")
            restarted = {action.split()[0] for action in done}
            assert restarted == ({name} if name in addresses else {name, *addresses})
            assert pair.where() == before


def test_a_part_that_fails_twice_takes_its_resource_to_the_other_node(one: Pair) -> None:
    settled(one)
    (resource,) = one.site.resources
    here = one.serving(resource)
    for _ in range(2):
        one.go(f"{resource.parts[-1]}_monitor_10000@{here}=1", seconds=12)
    settle(one)
    all_serve_on(one, OTHER[here])


@pytest.mark.parametrize(("status", "moves"), [(1, False), (5, True)])
def test_a_start_that_fails_is_tried_again_or_moves_all(tmp_path: Path, one: Pair, status: int, moves: bool) -> None:
    """Where it failed, if that may help."""
    (resource,) = one.site.resources
    begin = next(action for action in one.plan().actions if action.startswith(f"{resource.luns[0].name}_start"))
    here = begin.split()[1]
    one.go(f"{resource.luns[0].name}_start_0@{here}={status}")
    settle(one)
    all_serve_on(one, OTHER[here] if moves else here)


def test_a_stop_that_fails_fences_before_anything_is_promoted_elsewhere(one: Pair) -> None:
    """Without a fence device it resets itself."""
    settled(one)
    (resource,) = one.site.resources
    here = one.serving(resource)
    one.standby(here)
    one.go(f"{resource.luns[0].name}_stop_0@{here}=1")
    done = settle(one)
    # The simulator takes the cancelled monitor of role Stopped for a start, so the address may stop there first.
    assert set(done[: done.index(f"fence {here}")]) <= {
        f"{each.name} stop on {OTHER[here]}" for each in resource.portals
    }
    all_serve_on(one, OTHER[here])


def test_a_replica_that_fails_is_demoted_after_all_above_it_has_stopped(one: Pair) -> None:
    settled(one)
    (resource,) = one.site.resources
    here = one.serving(resource)
    one.plan("--op-inject", f"p_drbd_monitor_10000@{here}=1")
    done = one.go(inject=f"p_drbd_monitor_10000@{here}=1")
    demoted = done.index(f"p_drbd demote on {here}")
    assert all(done.index(f"{name} stop on {here}") < demoted for name in resource.parts)
    settle(one)
    assert one.serving(resource) in NODES


def test_each_node_serves_one_and_takes_over_the_other(two: Pair) -> None:
    first, second = two.site.resources
    assert (two.serving(first), two.serving(second)) == NODES


def test_nothing_of_one_is_restarted_by_a_fault_of_the_other(two: Pair) -> None:
    first, second = two.site.resources
    for name in ("p_lun1_data1", "p_portal_data1", "p_target_data1", "p_drbd_data1"):
        interval = 10000
        done = two.go(inject=f"{name}_monitor_{interval}@zeus=1") + settle(two)
        assert not [action for action in done if "data0" in action]
    for _ in range(2):
        two.go("p_lun1_data1_monitor_10000@zeus=1", seconds=12)
    settle(two)
    assert (two.serving(first), two.serving(second)) == ("atlas", "atlas")


@pytest.mark.parametrize("failback", [False, True])
def test_the_way_back_is_by_hand_or_by_itself(tmp_path: Path, failback: bool) -> None:
    changes = [('preferred = "zeus" ', 'preferred = "zeus"\nfailback = true # ')] if failback else []
    pair = make(tmp_path, "two-resources", *changes)
    settled(pair)
    pair.lose("zeus")
    settle(pair)
    all_serve_on(pair, "atlas")
    pair.back("zeus")
    done = settle(pair)
    first, second = pair.site.resources
    assert (pair.serving(first), pair.serving(second)) == ("atlas", "zeus" if failback else "atlas")
    assert not [action for action in done if "data0" in action and ("stop" in action or "demote" in action)]
    if not failback:
        pair.move("zeus", "g_san_data1")
        settle(pair)
        assert pair.serving(second) == "zeus"


@pytest.mark.parametrize(("lost", "delay"), [("atlas", 3), ("zeus", 0)])
def test_the_node_with_the_higher_priority_is_fenced_later(two: Pair, lost: str, delay: int) -> None:
    assert two.delay(lost) == delay


@pytest.mark.parametrize("lost", NODES)
def test_the_node_that_serves_is_fenced_later(tmp_path: Path, lost: str) -> None:
    for name, most in (("san", 3), ("sbd-disk", 5), ("many-luns", 3)):
        folder = tmp_path / name
        folder.mkdir()
        pair = make(folder, name)
        settled(pair)
        serving = pair.serving(pair.site.resources[0])
        assert pair.delay(lost) == (most if lost == serving else 0)


def test_an_optional_order_would_leave_the_address_while_a_lun_is_gone(tmp_path: Path) -> None:
    """Why the address waits for all LUNs, though a fault of one restarts it."""
    pair = make(tmp_path, "many-luns")
    pair.change("rsc_order[@id='luns-after-promotion']", kind="Optional")
    pair.go()
    done = pair.go(inject="p_lun2_monitor_10000@atlas=1")
    assert done == ["p_lun2 stop on atlas", "p_lun2 start on atlas"]


def test_without_influence_nobody_would_serve_what_one_node_cannot(tmp_path: Path) -> None:
    """Why a LUN that fails twice moves all."""
    pair = make(tmp_path, "many-luns")
    for name in ("luns-where-promoted", "luns-where-target"):
        pair.change(f"rsc_colocation[@id='{name}']", influence="false")
    pair.go("p_lun2_start_0@atlas=5")
    settle(pair)
    assert "p_portal" not in pair.where()


def test_an_address_that_no_node_can_have_leaves_the_other_one(tmp_path: Path) -> None:
    pair = make(tmp_path, "two-portals")
    for node in NODES:
        pair.go(f"p_portal2_start_0@{node}=5")
    settle(pair)
    here = pair.where()
    assert "p_portal2" not in here
    assert here["p_portal"] == here["p_lun1"]


@pytest.mark.parametrize("failback", [False, True])
def test_a_set_of_luns_has_a_preferred_node_too(tmp_path: Path, failback: bool) -> None:
    preferred = "[resources.san]\n", f"[resources.san]\npreferred = 'zeus'\nfailback = {str(failback).lower()}\n"
    pair = make(tmp_path, "many-luns", preferred)
    settle(pair)
    all_serve_on(pair, "zeus")
    pair.lose("zeus")
    settle(pair)
    all_serve_on(pair, "atlas")
    pair.back("zeus")
    settle(pair)
    all_serve_on(pair, "zeus" if failback else "atlas")


def test_a_second_lun_restarts_the_address_alone(tmp_path: Path) -> None:
    """Though the group becomes sets. The address comes after all LUNs, also after a new one."""
    pair = settled(make(tmp_path, "san"))
    lun = '\n[[resources.san.luns]]\nlun = 2\ndevice = "/dev/drbd2"\ndisk = "/dev/sdd"\n'
    pair.configure(cib.text(sites.site(sites.text() + lun)))
    assert settle(pair) == ["p_portal stop on atlas", "p_lun2 start on atlas", "p_portal start on atlas"]
