# SPDX-License-Identifier: GPL-2.0-or-later
"""All that can be told of a configuration of the cluster alone."""

from __future__ import annotations

from twinsan.operate.checks import fencing, identity, leftovers, outcome, structure, times
from twinsan.operate.checks import stack as stack_of
from twinsan.operate.checks.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration


def check(
    configuration: Configuration, deadline: Deadline, *, third_vote: bool | None = None, watchdog: float = 0.0
) -> Report:
    """Return what is wrong with a configuration. What fencing needs to know of the nodes is as in `fencing.find`."""
    report = read(configuration, third_vote=third_vote, watchdog=watchdog)
    report.join(outcome.of_file(configuration, deadline))
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
