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
    report = read(configuration, third_vote=third_vote, watchdog=watchdog)
    report.join(simulate(configuration, deadline))
    return report


def read(configuration: Configuration, *, third_vote: bool | None = None, watchdog: float = 0.0) -> Report:
    """Return what can be read in a configuration, as `check` without a simulation."""
    report = Report()
    stacks = stack_of.of(configuration)
    report.add(structure.find(configuration, stacks))
    report.add(fencing.find(configuration, third_vote=third_vote, watchdog=watchdog))
    report.add(times.find(configuration, stacks))
    report.add(identity.find(configuration, stacks))
    report.add(leftovers.find(configuration))
    return report


def simulate(configuration: Configuration, deadline: Deadline) -> Report:
    """Return what the scheduler would do wrong. A clone that is wrong by itself, or two targets in one, would only be
    found again in every situation.
    """
    report = Report()
    stacks = stack_of.of(configuration)
    wrong = [each.fault for each in structure.find(configuration, stacks) if each.fault.severity == ERROR]
    if wrong or any(each.fault is identity.SAME_IQN for each in identity.find(configuration, stacks)):
        return report
    try:
        report.add(situations.find(configuration, stacks, deadline))
    except Refused as refused:
        report.add([INVALID.at("configuration", complaint=str(refused))])
    except Failure as failure:
        report.not_seen("all that the scheduler would do", failure)
    return report
