# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures, one class for each party who can repair them, and the reasons that are given for them.

The library raises failures without knowing exit codes; ``ocf.failure_code`` maps the class to the code.
"""

from __future__ import annotations


class Failure(Exception):
    """Something did not work; trying again, here or on the other node, may help."""


class Misconfigured(Failure):
    """A value that is wrong on every host. `parameter` names the parameter that has it; "" if none does."""

    def __init__(self, text: str, *, parameter: str = "") -> None:
        super().__init__(text)
        self.parameter = parameter


class Passing(Failure):
    """A fault that may be transient: Deadline.retry tries again until its deadline."""


class NotHere(Failure):
    """A valid value that does not fit this host: a network device that it lacks, an address in none of its networks."""


class NotInstalled(Failure):
    """A program, module or library that this host lacks."""


class NotPermitted(Failure):
    """The user who runs this lacks the permission."""


class DeadlinePassed(Failure):
    """The action gave up in time, instead of being killed. Its reason completes "gave up waiting until ..."."""


class TooSlow(DeadlinePassed):
    """A program or the kernel did not answer in time. Its reason is a full sentence and completes nothing."""


class Degraded(Failure):
    """The resource works, but not fully. Never raised: a monitor gives the reason with its exit code (190, 191)."""


class Drifted(Degraded):
    """The resource works, but not as configured; a restart repairs it. Never raised: see ``Agent.drifted``."""


class Broken(Failure):
    """The resource is there and does not work. Never raised: see ``Agent.broken``."""


class Reason:
    """The reason for a failure, declared once, as a constant. `what` says what is wrong and why, `remedy` what to type.

    Both are templates of str.format, with their values in braces: "network device {device} is down". `kind` is the
    class of the failure. `parameter` names the agent's parameter whose value is wrong, if it is always the same one.
    The manual pages list these templates, for every reason that an agent can give.
    """

    __slots__ = ("kind", "parameter", "remedy", "what")

    def __init__(self, kind: type[Failure], what: str, remedy: str = "", *, parameter: str = "") -> None:
        self.kind = kind
        self.what = what
        self.remedy = remedy
        self.parameter = parameter

    def __call__(self, **values: object) -> Failure:
        """Return the failure to raise. `values` fill the templates; `parameter` among them names the wrong one."""
        if self.kind is Misconfigured:
            return Misconfigured(self.text(**values), parameter=self.parameter or str(values.get("parameter", "")))
        return self.kind(self.text(**values))

    def text(self, **values: object) -> str:
        """Return the line: what is wrong, a semicolon, what to type."""
        template = f"{self.what}; {self.remedy}" if self.remedy else self.what
        return template.format(**values)
