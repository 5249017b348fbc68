# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node's controller has logged, by the clock of the node that asks."""

from __future__ import annotations

import time

import pytest

from twinsan.deadline import Deadline
from twinsan.host import command
from twinsan.operate import remote
from twinsan.operate.drill import history

ASKED, ANSWERED = 100.0, 101.0


class OtherNode(remote.Node):
    """A node that another one asks for its time between ASKED and ANSWERED; it has started a LUN 2 s before."""

    def __init__(self, now: float, greeting: str = "") -> None:
        super().__init__("zeus")
        self.now = now
        self.greeting = greeting
        self.since = ""

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] == "date":
            return command.Result(argv, 0, f"{self.greeting}{self.now:.9f}\n", "")
        self.since = argv[-1]
        line = f"{self.now - 2:.6f} zeus pacemaker-controld[9]:  notice: "
        said = ("Node atlas state is now lost", "Result of start operation for p_lun1 on zeus: OK")
        return command.Result(argv, 0, "".join(f"{line}{words}\n" for words in said), "")


@pytest.mark.parametrize(
    ("now", "moment", "since"),
    [(151.0, 99.0, "--since=@140"), (100.5, 98.5, "--since=@90"), (60.0, 98.0, "--since=@50")],
    ids=["ahead", "right, as far as can be known", "behind"],
)
def test_its_moments_are_by_the_clock_of_the_node_that_asks(
    monkeypatch: pytest.MonkeyPatch, now: float, moment: float, since: str
) -> None:
    clock = iter((ASKED, ANSWERED))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    node = OtherNode(now)
    found = history.of(node, 90.0)
    assert [each.time for each in found.actions] == [moment]
    assert found.lost == moment
    assert node.since == since


def test_an_answer_that_is_no_time_corrects_nothing() -> None:
    found = history.of(OtherNode(151.0, "welcome to zeus\n"), 90.0)
    assert [each.time for each in found.actions] == [149.0]
