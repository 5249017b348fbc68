# SPDX-License-Identifier: GPL-2.0-or-later
"""Persistent reservations survive: every type, made with and without APTPL, command by command from three initiators.

Whatever can happen to a pair happens, and afterwards each LUN has to answer each initiator as if nothing had.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lab.initiators import Answer
from lab.machine import Machine, wait_until
from lab.pair import Pair
from tests.cluster import reservation_matrix
from tests.cluster.reservation_cell import CONFLICT, GOOD, HOLDER, OTHER, Cell, Step
from tests.cluster.reservation_matrix import Matrix


@pytest.fixture(scope="module")
def matrix(whole_pair: Pair, whole: bool) -> Iterator[Matrix]:
    """The LUNs and the initiators, for all tests of this file."""
    with reservation_matrix.added_to(whole_pair, whole) as matrix:
        yield matrix


def test_switchovers_there_and_back(matrix: Matrix, recovering: Pair, active: Machine, passive: Machine) -> None:
    """What holds goes on to hold. What ends on one server has ended, though the other has seen only how it began."""

    def move(server: Machine) -> None:
        recovering.move(server)
        matrix.wait()

    matrix.reserve()
    matrix.check()
    move(passive)
    matrix.check()
    matrix.take(lambda cell: [cell.preempt(OTHER) if cell.is_exclusive else cell.leave(OTHER)])
    move(active)
    matrix.check(HOLDER)
    matrix.take(lambda cell: [cell.clear() if cell.is_exclusive else cell.release()])
    move(passive)
    matrix.check_free(lambda cell: () if cell.is_exclusive else (HOLDER,))


# A sample has the one amid registrations.
@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.soak)], ids=["whole"], indirect=True)
def test_a_power_cut_of_the_active_server(matrix: Matrix, recovering: Pair, active: Machine, passive: Machine) -> None:
    matrix.reserve()
    active.power_off()
    recovering.wait_until_serving(on=passive)
    matrix.wait()
    matrix.check()


def test_a_power_cut_of_both_servers(matrix: Matrix, recovering: Pair) -> None:
    matrix.reserve()
    for server in recovering.servers:
        server.power_off()
    for server in recovering.servers:
        server.start()
    for server in recovering.servers:
        server.wait_for_boot()
    matrix.wait()
    matrix.check()


@pytest.mark.parametrize("whole", [pytest.param(True, marks=pytest.mark.soak)], ids=["whole"], indirect=True)
def test_a_power_cut_amid_registrations(matrix: Matrix, recovering: Pair, active: Machine, passive: Machine) -> None:
    """The other registrant takes one new key after the other, of every LUN; none that was acknowledged is lost."""
    matrix.reserve()
    stream = Stream(matrix)
    stream.wait_for_answers()
    active.power_off()
    recovering.wait_until_serving(on=passive)
    possible = stream.keys_that_may_be_left()
    matrix.wait()
    states = matrix.states()
    wrong = [
        f"{cell}: {state}, wanted one of {possible[cell]}"
        for cell, state in states.items()
        if state not in [cell.state({**cell.keys(HOLDER), OTHER: key}) for key in possible[cell]]
    ]
    assert not wrong, "\n".join(wrong)


class Stream:
    """Changes of the other registrant's keys, one after the other, whatever happens to the SAN."""

    _ROUNDS = 30

    def __init__(self, matrix: Matrix) -> None:
        self._initiators = matrix.initiators
        self._last_cell = matrix.cells[-1]
        self._changes = [
            (cell, cell.key(OTHER) + (number << 16), cell.key(OTHER) + (number + 1 << 16))
            for number in range(self._ROUNDS)
            for cell in matrix.cells
        ]
        self._answers: list[Answer] = []
        self._before = self._answered()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        steps: list[Step] = [cell.register(OTHER, old, new) for cell, old, new in self._changes]
        self._answers = self._initiators.send([(step.name, step.cell.lun, step.command) for step in steps], timeout=600)

    def _answered(self) -> int:
        return self._initiators.answered(OTHER, self._last_cell.lun)

    def wait_for_answers(self) -> None:
        """Wait until every LUN has given some."""
        wait_until(lambda: self._answered() > self._before + 3, "registrations are answered", 60, interval=0.05)

    def keys_that_may_be_left(self) -> dict[Cell, set[int]]:
        """Wait for the end; returns the keys that may be registered now: one, or two where an answer was cut off."""
        self._thread.join()
        assert len(self._answers) == len(self._changes)
        possible: dict[Cell, set[int]] = {}
        for (cell, old, new), answer in zip(self._changes, self._answers):
            before = possible.get(cell, {cell.key(OTHER)})
            if answer["host"]:
                # The connection broke. It may have been done.
                possible[cell] = before | {new} if old in before else before
            elif answer["status"] == GOOD:
                assert old in before, f"{cell}: {old:#x} was taken for the key, which was one of {before}"
                possible[cell] = {new}
            else:
                assert answer["status"] == CONFLICT, f"{cell}: {answer}"
                possible[cell] = before - {old}
                assert possible[cell], f"{cell}: the key {old:#x} was acknowledged, and is lost"
        return possible
