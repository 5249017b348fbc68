# SPDX-License-Identifier: GPL-2.0-or-later
"""All that can be told of a configuration of the cluster alone."""

from __future__ import annotations

from twinsan.errors import Failure
from twinsan.operate.checks import fencing, identity, leftovers, situations, structure, times
from twinsan.operate.checks import stack as stack_of
from twinsan.operate.checks.finding import ERROR, Fault
from twinsan.operate.checks.report import Report
from twinsan.operate.checks.simulator import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration

INVALID = Fault(
    "configuration-refused",
    ERROR,
    "Pacemaker's scheduler refuses the configuration: {complaint}",
    why="a cluster with it plans nothing",
    mend="see what is wrong: crm_verify -V -x FILE",
)

FAULTS = (INVALID,)


def check(
    configuration: Configuration, deadline: Deadline, *, third_vote: bool | None = None, watchdog: float = 0.0
) -> Report:
    """Return what is wrong with a configuration. What fencing needs to know of the nodes is as in `fencing.find`."""
    report = Report()
    stacks = stack_of.of(configuration)
    wrong = [*structure.find(configuration, stacks), *identity.find(configuration, stacks)]
    report.add(wrong)
    # A clone that is wrong by itself, or two targets in one, would be found again in every situation.
    if not any(each.fault in structure.FAULTS and each.fault.severity == ERROR for each in wrong) and not any(
        each.fault is identity.SAME_IQN for each in wrong
    ):
        try:
            report.add(situations.find(configuration, stacks, deadline))
        except Refused as refused:
            report.add([INVALID.at("configuration", complaint=str(refused))])
        except Failure as failure:
            report.not_seen("what the scheduler would do", failure)
    report.add(fencing.find(configuration, third_vote=third_vote, watchdog=watchdog))
    report.add(times.find(configuration, stacks))
    report.add(leftovers.find(configuration))
    return report
