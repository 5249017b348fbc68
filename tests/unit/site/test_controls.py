# SPDX-License-Identifier: GPL-2.0-or-later
"""The controls of the matrix: without any one constraint, and with any value that matters weaker, a scenario fails.

What no plan shows is in EXPLAINED, with what shows it. `make test` weakens all of the template of one disk, and each
kind of constraint that other templates have besides; `make soak` weakens everything, on every version.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from lxml import etree

from lab import pacemaker_tools
from tests.unit import simulation
from tests.unit.site import laws, scenarios, simulated_sites, weakenings
from tests.unit.site.pair import Pair
from tests.unit.site.simulated_sites import Record
from tests.unit.site.test_cib import as_live
from tools import templates

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

NEWEST = simulation.NEWEST
# The newest version, and the others in `make soak`.
VERSIONS = [pytest.param(each, marks=[] if each == NEWEST else [pytest.mark.soak]) for each in simulation.VERSIONS]

_SET_STARTS = "the action that a set without one has: it stands beside the one that promotes"
_SET_STANDS_ALONE = "a LUN that somebody stops takes no other along; with any of them stopped the address waits anyway"

# Pacemaker before 3.0 takes 1 for a clone that is not globally unique, whatever it says.
_IGNORED = "clone-node-max=2"

# What no scenario shows, and why it is there all the same.
EXPLAINED = {
    "interleave=false": "for clones of an administrator's own; see test_a_fault_of_a_clone_below_on_the_other_node",
    "resource-stickiness": "where nothing prefers a node; see test_what_serves_stays and test_the_sbd_device_stays",
    "prefers-": "where the scheduler takes the same node by itself; see test_a_preferred_node_is_taken",
    "-monitor-unpromoted without role": "the role that a monitor without one has; agents' metadata name it",
    "load-threshold": "how many actions the controller starts at once, which is no matter of the plan",
    "fence_sbd-failure-timeout": "as for the other devices; no scenario has an SBD disk that fails",
    "fence_sbd-migration-threshold": "as for the other devices; no scenario has an SBD disk that fails",
    "stonith-watchdog-timeout": "how long a node that is lost counts as alive, which is no matter of the plan",
    "cluster-recheck-interval": "when the scheduler runs again, which is no matter of the plan",
    "pe-error-series-max": "what the scheduler keeps on the disk",
    "priority-fencing-delay": "where it is 0, which is the default; see reasons._NO_DELAY",
    "luns-after-promotion-2 without action": _SET_STARTS,
    "luns-after-promotion-3 without action": _SET_STARTS,
    "luns-after-target-1 without action": _SET_STARTS,
    "luns-after-target-2 without action": _SET_STARTS,
    "luns-where-promoted-2 without sequential": _SET_STANDS_ALONE,
    "luns-where-target-1 without sequential": _SET_STANDS_ALONE,
    "p_drbd_data0-priority": "the replicas of the other resource have one as well",
    "p_drbd_data1-priority": "the replicas of the other resource have one as well",
    "p_drbd-priority": "where there is no delay; see reasons._PRIORITY_NO_DELAY",
}
# Where to look first: a scenario for what is weakened. All others follow.
LIKELY = [
    (r"fence_zeus-not-on-zeus", "lost atlas"),
    (r"fence_(\w+)-(migration-threshold|failure-timeout)", r"fence_\1 fails"),
    (r"(p_\w+|g_san\w*)-migration-threshold", "fails often"),
    (r"(p_\w+|g_san\w*)-failure-timeout", "fails alone"),
    (r"priority", "lost"),
    (r"stickiness", "lost"),
    (r"no-quorum-policy", "quorum lost"),
    (r"kind=Optional", "monitor fails"),
    (r"promoted-where-target.*(INFINITY)", "outdated"),
    (r"promoted-where-target.*role", "p_target fails often"),
    (r"where-target", "no_target"),
    (r"where-promoted", "outdated"),
]
OFTEN = ("cold start", "outdated", "no_target", "p_target", "p_drbd monitor")


@functools.cache
def all_of(name: str) -> list[str]:
    """The names of all weakenings of a template."""
    return [each.name for each in weakenings.of_template(simulated_sites.template(name))]


def constraints(name: str) -> set[str]:
    """The names of all constraints of a template."""
    found = etree.fromstring(simulated_sites.template(name)).iterfind(".//constraints/*")
    return {str(each.get("id")) for each in found}


# By template: the constraints that those before it have not, "san" being the first; with several resources there is one
# of each for each resource.
_FIRST_IN: dict[str, set[str]] = {}
for _name in sorted(templates.NAMES, key=lambda name: name != "san"):
    _found = {re.sub(r"_data\d+$", "", each) for each in constraints(_name)}
    _FIRST_IN[_name] = _found - set().union(*_FIRST_IN.values())
ALL = [(name, version, each) for name in templates.NAMES for version in simulation.VERSIONS for each in all_of(name)]


def is_checked(name: str, version: str, weakening: str) -> bool:
    """Whether `make test` looks at it."""
    gone = weakening.removeprefix("without ") if weakening.startswith("without ") else ""
    # The device of zeus is as that of atlas.
    return version == NEWEST and "fence_zeus" not in weakening and (name == "san" or gone in _FIRST_IN[name])


def explanation(name: str, weakening: str) -> str:
    """Why no scenario shows a weakening, "" if one has to."""
    if "without sequential" in weakening and all(len(each.luns) == 1 for each in simulated_sites.site(name).resources):
        return "a set with one member has no sequence"
    for words, why in EXPLAINED.items():
        needed = _delayed(name) if words in ("priority-fencing-delay", "p_drbd-priority") else False
        needed = needed or (words == "resource-stickiness" and _prefers(name) and "fence" not in weakening)
        if words in weakening and not needed:
            return why
    return ""


def _prefers(name: str) -> bool:
    return any(each.preferred for each in simulated_sites.site(name).resources)


def _delayed(name: str) -> bool:
    return simulated_sites.site(name).priority_fencing_delay > 0


def ordered(weakening: str, found: dict[str, scenarios.Scenario]) -> list[str]:
    """The names of scenarios, those first that are likely to show a weakening."""
    likely = [
        re.sub(r".*" + pattern + r".*", words, weakening) for pattern, words in LIKELY if re.search(pattern, weakening)
    ]
    wanted = [*likely, *OFTEN]

    def rank(name: str) -> int:
        return next((number for number, words in enumerate(wanted) if words in name), len(wanted))

    return sorted(found, key=rank)


@pytest.mark.parametrize(
    ("name", "version", "weakening"),
    [
        pytest.param(*each, id=":".join(each), marks=[] if is_checked(*each) else [pytest.mark.soak])
        for each in ALL
        if not explanation(each[0], each[2]) and not (each[1] != NEWEST and each[2].endswith(_IGNORED))
    ],
)
def test_a_scenario_fails(tmp_path: Path, name: str, version: str, weakening: str, record_property: Record) -> None:
    weaker = next(each for each in weakenings.of_template(simulated_sites.template(name)) if each.name == weakening)
    pair = simulated_sites.pair(tmp_path, name, version, weaker.template)
    found = scenarios.of_site(pair.site, where(name, version, tmp_path))
    record_property("controls", 1)
    for each in ordered(weakening, found):
        try:
            found[each](pair)
        except AssertionError:
            return
    raise AssertionError(f"{weakening}: no scenario fails; is it of any use?")


def where(name: str, version: str, folder: Path) -> dict[tuple[str, str], str]:
    """What runs where in a pair with the whole configuration."""
    if (name, version) not in _WHERE:
        whole = folder / "whole"
        whole.mkdir()
        pair = simulated_sites.pair(whole, name, version)
        scenarios.begin_settled(pair)
        _WHERE[name, version] = pair.state()
    return _WHERE[name, version]


_WHERE: dict[tuple[str, str], dict[tuple[str, str], str]] = {}


@pytest.mark.parametrize("name", templates.NAMES)
def test_each_weakening_is_valid(name: str) -> None:
    """And every constraint is among what is weakened."""
    schema = pacemaker_tools.schemas(NEWEST) / f"{simulation.VERSIONS[NEWEST].schema}.rng"
    relaxng = etree.RelaxNG(etree.parse(schema))
    for each in weakenings.of_template(simulated_sites.template(name)):
        assert relaxng.validate(as_live(etree.fromstring(each.template), schema)), (each.name, relaxng.error_log)
    assert constraints(name)
    assert {f"without {each}" for each in constraints(name)} <= set(all_of(name))


def test_each_explanation_is_needed() -> None:
    found = [each for name in templates.NAMES for each in all_of(name)]
    assert [words for words in EXPLAINED if not any(words in each for each in found)] == []


OWN = """
<clone id="c_own">
  <primitive id="p_own" class="ocf" provider="pacemaker" type="Dummy">
    <operations><op id="p_own-monitor" name="monitor" interval="10s"/></operations>
  </primitive>
</clone>"""


@pytest.mark.parametrize("interleave", [True, False])
@pytest.mark.parametrize("above", ["ms_drbd", "c_target"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_of_a_clone_below_on_the_other_node(tmp_path: Path, version: str, above: str, interleave: bool) -> None:
    """What `interleave` is for: it would restart what serves here."""
    text = simulated_sites.template("san").replace("</resources>", f"{OWN}</resources>")
    order = f'<rsc_order id="own" first="c_own" then="{above}" kind="Mandatory"/>'
    text = text.replace("</constraints>", f"{order}</constraints>")
    if not interleave:
        text = re.sub(f'<nvpair id="{above}-interleave".*?/>', "", text)
    pair = simulated_sites.pair(tmp_path, "san", version, text)
    pair.go()
    pair.go(inject="p_own_monitor_10000@zeus=1")
    here = {name for name, _, node in pair.carried_out().changes() if node == "atlas"}
    assert bool(here) is not interleave


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lun_waits_for_what_starts_on_the_other_node_at_the_same_time(tmp_path: Path, version: str) -> None:
    """As the templates say: it is no clone, so `interleave` changes nothing for it."""
    pair = simulated_sites.pair(tmp_path, "san", version)
    pair.go()
    assert pair.carried_out().before("p_target_start zeus", "p_lun1_start atlas")


@pytest.mark.parametrize("resource", [0, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_preferred_node_is_taken(tmp_path: Path, version: str, resource: int) -> None:
    """Also if it is not the one that the scheduler takes without a constraint."""
    here, other = laws.NODES[resource], laws.NODES[1 - resource]
    whole = f'rsc="g_san_data{resource}" node="{here}"'
    text = simulated_sites.template("two-resources")
    assert whole in text
    pair = simulated_sites.pair(tmp_path, "two-resources", version, text.replace(whole, whole.replace(here, other)))
    scenarios.settle(pair)
    assert scenarios.serving(pair, pair.site.resources[resource]) == other


@pytest.mark.parametrize("stickiness", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_serves_stays(tmp_path: Path, version: str, stickiness: bool) -> None:
    """What `resource-stickiness` is for where the site prefers no node."""
    text = simulated_sites.template("san")
    if not stickiness:
        text = re.sub(r'<nvpair id="g_san-resource-stickiness".*?/>', "", text)
    pair = simulated_sites.pair(tmp_path, "san", version, text)
    resource = pair.site.resources[0]
    here = scenarios.begin_settled(pair)["san"]
    other = laws.OTHER[here]
    add_location(pair, f'<rsc_location id="own" rsc="g_san" node="{other}" score="50"/>')
    pair.go()
    assert scenarios.serving(pair, resource) == (here if stickiness else other)


def add_location(pair: Pair, xml: str) -> None:
    """Let an administrator add a constraint."""
    pair.load(pair.saved().replace("</constraints>", f"{xml}</constraints>"))


@pytest.mark.parametrize("stickiness", [True, False])
def test_the_sbd_device_stays(tmp_path: Path, stickiness: bool) -> None:
    """Three LUNs are more than one device, so the scheduler would have it on the other node."""
    name = next(each for each in simulated_sites.MADE if _has_sbd_and_three_luns(each))
    text = simulated_sites.template(name)
    if not stickiness:
        text = re.sub(r'<nvpair id="fence_sbd-resource-stickiness".*?/>', "", text)
    pair = simulated_sites.pair(tmp_path, name, NEWEST, text)
    here = scenarios.begin_settled(pair)
    resource = pair.site.resources[0]
    pair.move(laws.OTHER[here[resource.name]], resource.portals[0].name)
    pair.go()
    moved = {each for each, _, _ in pair.carried_out().changes()}
    assert ("fence_sbd" in moved) is not stickiness


def _has_sbd_and_three_luns(name: str) -> bool:
    site = simulated_sites.site(name)
    return site.fencing.by == "sbd" and len(site.resources[0].luns) == 3
