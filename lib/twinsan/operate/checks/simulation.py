# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes longest to find in a configuration: what Pacemaker's scheduler would do wrong with it, and what is less
than the agents advise.
"""

from __future__ import annotations

from twinsan.errors import Failure
from twinsan.operate.checks import identity, situations, structure, times
from twinsan.operate.checks.finding import ERROR, Fault
from twinsan.operate.checks.report import Report
from twinsan.operate.checks.simulator import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.stack import Stack

INVALID = Fault(
    "configuration-refused",
    ERROR,
    "Pacemaker's scheduler refuses the configuration: {complaint}",
    why="a cluster with it plans nothing",
    mend="see what is wrong: crm_verify -V -x FILE",
)

FAULTS = (INVALID,)

# What is not seen without a simulation.
ALL = "all that the scheduler would do"


def is_due(configuration: Configuration, stacks: list[Stack]) -> bool:
    """Whether a simulation tells more than the text. A clone that is wrong by itself, or two targets in one, would only
    be found again in every situation.
    """
    if not stacks or any(each.fault.severity == ERROR for each in structure.find(configuration, stacks)):
        return False
    return not any(each.fault is identity.SAME_IQN for each in identity.find(configuration, stacks))


def run(configuration: Configuration, stacks: list[Stack], deadline: Deadline) -> Report:
    """Ask the agents and simulate. Return what was found, and what was not seen until the deadline."""
    report = advised(stacks)
    try:
        report.add(situations.find(configuration, stacks, deadline))
    except Refused as refused:
        report.add([INVALID.at("configuration", complaint=str(refused))])
    except Failure as failure:
        report.not_seen(ALL, failure)
    return report


def advised(stacks: list[Stack]) -> Report:
    """Ask the agents alone."""
    report = Report()
    report.add(times.advised(stacks))
    return report
