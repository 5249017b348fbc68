# SPDX-License-Identifier: GPL-2.0-or-later
"""The yardstick of the benchmark, and what it reads from the controllers' journals."""

from __future__ import annotations

from typing import cast

from lxml import etree

from lab import operations
from lab.bench import idle_configuration
from lab.machine import Machine
from lab.operations import Operation
from tests.unit import agents

JOURNAL = """\
100.250000 zeus pacemaker-controld[833]:  notice: Result of start operation for p_portal on zeus: OK
101.500000 zeus pacemaker-controld[833]:  notice: Result of monitor operation for p_lun1 on zeus: Not running
102.000000 zeus pacemaker-controld[833]:  notice: Peer atlas was terminated (reboot) by zeus on behalf of controld: OK
99.000000 zeus pacemaker-controld[833]:  notice: Result of stop operation for p_portal on zeus: OK
"""


class FakeMachine:
    def journal(self) -> str:
        return JOURNAL


def test_the_yardstick_is_the_template_without_its_agents() -> None:
    cib = etree.fromstring(idle_configuration(agents.TEMPLATE.read_text()))
    shipped = etree.parse(agents.TEMPLATE).getroot()
    kinds = [(each.get("provider"), each.get("type")) for each in cib.iter("primitive")]
    assert kinds == [("pacemaker", "Stateful"), *[("pacemaker", "Dummy")] * 3]
    assert not {each.get("id") for each in cib.iter("*")} & {each.get("id") for each in shipped.iter("*")} - {None}
    for tag in ("rsc_order", "rsc_colocation"):
        assert len(list(cib.iter(tag))) == len(list(shipped.iter(tag))) > 0
    assert not list(cib.iter("instance_attributes"))


def test_operations_are_read_in_their_order() -> None:
    machine = cast("Machine", FakeMachine())
    assert operations.read([machine], 99.5) == [Operation(100.25, "start", "p_portal", "zeus")]
    assert [each.action for each in operations.read([machine], 0)] == ["stop", "start"]


def test_a_fencing_is_found() -> None:
    machine = cast("Machine", FakeMachine())
    assert operations.fenced(machine, 99.0) == 102.0
    assert operations.fenced(machine, 103.0) is None
