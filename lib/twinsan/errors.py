# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures, one class for each party who can mend them. The text of each is one line: what, why, and what to type.

The seams raise them without knowing exit codes; ``ocf.agent`` maps the class to the code.
"""


class Failure(Exception):
    """Something did not work; trying again, here or on the other node, may help."""


class Misconfigured(Failure):
    """A value that is wrong on every host; of `parameter`, where it is that of one."""

    def __init__(self, text: str, *, parameter: str = "") -> None:
        super().__init__(text)
        self.parameter = parameter


class Passing(Failure):
    """Something is in the way that may go away by itself: tried again within the deadline (Deadline.retry)."""


class NotHere(Failure):
    """A right value that does not hold on this host: a missing device, an address that lives elsewhere."""


class NotInstalled(Failure):
    """A program, module or library that this host lacks."""


class NotPermitted(Failure):
    """The user who runs this may not."""


class DeadlinePassed(Failure):
    """The action gave up in time, instead of being killed."""
