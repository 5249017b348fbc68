# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failover cost, from times that are known: pauses, phases, the table, the JSON and the picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operate import pair_facts
from twinsan.operate.drill import outcome
from twinsan.operate.drill.history import History
from twinsan.operate.drill.outcome import longest_pause
from twinsan.operate.drill.report import Report
from twinsan.operate.drill.unit import Unit
from twinsan.operate.facts import services
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.fact import replace

CONFIGURATION = Configuration(pair_facts.CIB)
LEFT = """\
100.900000 atlas pacemaker-controld[11]:  notice: Result of stop operation for p_portal on atlas: OK
101.500000 atlas pacemaker-controld[11]:  notice: Result of stop operation for p_lun1 on atlas: OK
101.600000 atlas pacemaker-controld[11]:  notice: Result of stop operation for p_lun2 on atlas: error
102.000000 atlas pacemaker-controld[11]:  notice: Result of demote operation for p_drbd on atlas: OK
"""
RIGHT = """\
103.100000 zeus pacemaker-controld[12]:  notice: Result of promote operation for p_drbd:1 on zeus: ok
104.100000 zeus pacemaker-controld[12]:  notice: Result of start operation for p_lun1 on zeus: OK
104.600000 zeus pacemaker-controld[12]:  notice: Result of start operation for p_lun2 on zeus: OK
105.100000 zeus pacemaker-controld[12]:  notice: Result of start operation for p_portal on zeus: OK
105.200000 zeus pacemaker-controld[12]:  notice: Result of monitor operation for p_portal on zeus: OK
"""
SURVIVOR = (
    "103.000000 zeus pacemaker-controld[12]:  notice: Node atlas state is now lost\n"
    "103.500000 zeus pacemaker-controld[12]:  notice: Peer atlas was terminated (reboot) by zeus on behalf of x: OK\n"
) + RIGHT.replace("103.1", "103.9")
# Another resource starts after the address; it is no part of the failover.
RIGHT += "105.300000 zeus pacemaker-controld[12]:  notice: Result of start operation for fence_atlas on zeus: OK\n"
LEFT += "102.500000 atlas pacemaker-controld[11]:  notice: Result of stop operation for fence_zeus on atlas: OK\n"
_SERVICE = services.find(CONFIGURATION, None, [])[0]
UNIT = Unit(replace(_SERVICE, luns=("p_lun1",)), CONFIGURATION)
UNIT.luns["p_lun2"] = ""


def report(kind: str = "switchover") -> Report:
    """A switchover with one LUN that was written and one that was not."""
    written = [99.5, 99.9, 100.3, 105.5, 105.9]
    ends = outcome.of_switchover(History(LEFT), History(RIGHT), UNIT)
    phases = outcome.phases(100.3, ends, 105.5)
    return Report(kind, "atlas", "zeus", {"p_lun1": written, "p_lun2": []}, phases, (100.0, 106.0), ["what: why"])


def test_the_phases_of_a_switchover_fill_its_pause() -> None:
    phases = report().phases
    assert [(phase.name, round(phase.seconds, 1)) for phase in phases] == [
        ("stop", 1.2),
        ("demote", 0.5),
        ("promote", 1.1),
        ("LUNs", 1.5),
        ("address", 0.5),
        ("initiators", 0.4),
    ]
    assert sum(phase.seconds for phase in phases) == pytest.approx(5.2)


def test_the_phases_of_a_power_cut() -> None:
    ends = outcome.of_power_cut(History(SURVIVOR), UNIT)
    phases = outcome.phases(100.0, ends, 105.5)
    names = ["detection", "fencing", "promote", "LUNs", "address", "initiators"]
    assert [phase.name for phase in phases] == names
    assert [round(phase.seconds, 1) for phase in phases] == [3.0, 0.5, 0.4, 0.7, 0.5, 0.4]


def test_what_a_node_did_not_tell_is_part_of_the_next_phase() -> None:
    ends = outcome.of_switchover(None, History(RIGHT), UNIT)
    assert [phase.name for phase in outcome.phases(100.3, ends, None)] == ["promote", "LUNs", "address"]
    assert outcome.phases(100.3, {}, None) == []


def test_a_phase_that_cost_no_time_is_left_out() -> None:
    """A node may be known to be fenced before corosync has missed it."""
    ends = {outcome.DETECTION: 104.0, outcome.FENCING: 103.0, outcome.PROMOTE: 105.0}
    assert [phase.name for phase in outcome.phases(100.0, ends, None)] == ["detection", "promote"]


def test_a_pause_outside_of_the_drill_does_not_count() -> None:
    pause = longest_pause([0.0, 50.0, 51.0, 51.5, 54.0, 54.2, 90.0], 51.2, 54.1)
    assert pause is not None
    assert (pause.begin, pause.end) == (51.5, 54.0)


@pytest.mark.parametrize("times", [[], [50.0], [10.0, 20.0]])
def test_without_writes_in_it_there_is_no_pause(times: list[float]) -> None:
    assert longest_pause(times, 51.0, 54.0) is None


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0, 100), st.floats(0, 50))
def test_no_pause_is_longer_than_the_longest_time_between_two_writes(
    times: list[float], begin: float, length: float
) -> None:
    times = sorted(times)
    pause = longest_pause(times, begin, begin + length)
    gaps = [second - first for first, second in zip(times, times[1:])]
    assert pause is None or (pause.seconds in gaps and pause.end > begin and pause.begin < begin + length)


def test_the_table_names_the_pause_the_phases_and_what_was_not_seen() -> None:
    text = report().text()
    assert text.startswith("switchover from atlas to zeus: no I/O for 5.2 s\n")
    assert "demote      0.5 s" in text
    assert "p_lun2       -              0" in text
    assert text.endswith("not seen: what: why")


def test_a_drill_that_nobody_noticed() -> None:
    quiet = Report("switchover", "atlas", "zeus", {"p_lun1": []}, [], (1.0, 2.0), [])
    assert "nobody used the disks" in quiet.text()
    assert quiet.json()["stall_seconds"] is None
    ET.fromstring(quiet.picture())


def test_the_json_keeps_its_names() -> None:
    found = report().json()
    assert list(found) == ["kind", "from", "to", "stall_seconds", "phases", "pauses", "seen", "not_seen"]
    assert found["stall_seconds"] == 5.2
    assert found["pauses"] == {"p_lun1": 5.2}
    assert found["seen"] == {"p_lun1": 5, "p_lun2": 0}


def test_the_picture_has_a_mark_for_each_write_and_a_box_for_each_phase() -> None:
    picture = ET.fromstring(report().picture())
    kinds = [each.get("class", "") for each in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert kinds.count("write") == 5
    assert kinds.count("pause") == 1
    # In the bar and in the legend.
    assert sum(kind.startswith("phase") for kind in kinds) == 12


def test_nothing_breaks_out_of_the_picture() -> None:
    hostile = Report("switchover", "</svg><script>", "&", {"<x>": [1.0, 5.0]}, [], (2.0, 4.0), [])
    assert ET.fromstring(hostile.picture()).find(".//script") is None
