# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from the controllers' journals."""

from __future__ import annotations

from typing import cast

from lab import operations
from lab.machine import Machine
from lab.operations import Operation

JOURNAL = """\
100.250000 zeus pacemaker-controld[833]:  notice: Result of start operation for p_portal on zeus: OK
101.500000 zeus pacemaker-controld[833]:  notice: Result of monitor operation for p_lun1 on zeus: Not running
101.750000 zeus pacemaker-controld[833]:  notice: Node atlas state is now lost
102.000000 zeus pacemaker-controld[833]:  notice: Peer atlas was terminated (reboot) by zeus on behalf of controld: OK
99.000000 zeus pacemaker-controld[833]:  notice: Result of stop operation for p_portal on zeus: OK
"""


class FakeMachine:
    def journal(self) -> str:
        return JOURNAL


def test_operations_are_read_in_their_order() -> None:
    machine = cast("Machine", FakeMachine())
    assert operations.read([machine], 99.5) == [Operation(100.25, "start", "p_portal", "zeus")]
    assert [each.action for each in operations.read([machine], 0)] == ["stop", "start"]


def test_a_fencing_is_found() -> None:
    machine = cast("Machine", FakeMachine())
    assert operations.fenced(machine, 99.0) == 102.0
    assert operations.fenced(machine, 103.0) is None


def test_a_loss_is_found() -> None:
    machine = cast("Machine", FakeMachine())
    assert operations.lost(machine, 99.0) == 101.75
    assert operations.lost(machine, 103.0) is None
