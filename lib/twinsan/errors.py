# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures, one class for each party who can mend them, and the reasons that are given for them.

The rooms below raise failures without knowing exit codes; ``ocf.agent`` maps the class to the code.
"""

from __future__ import annotations


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
    """The action gave up in time, instead of being killed. Its reason follows "gave up waiting until"."""


class TooSlow(DeadlinePassed):
    """A program or the kernel did not answer in time. Its reason is whole, and follows nothing."""


class Degraded(Failure):
    """The resource works, but is not well. Never raised: a monitor gives the reason with its exit code (190, 191)."""


class Drifted(Degraded):
    """It works otherwise than configured, which a restart of the resource mends: ``Agent.drifted`` says so."""


class Broken(Failure):
    """It is there and does not work. Never raised: ``Agent.broken`` gives the reason, and says what to type."""


class Reason:
    """One reason, declared once, as a constant: `what` is wrong and why, and what to type, the `remedy`.

    Both are templates of str.format, with their values in braces: "network device {device} is down". `kind` is the
    class of failure that it is given for. `parameter` names the agent's parameter whose value is wrong, where that is
    always the same one. The manual pages list every reason that an agent can give, by these templates.
    """

    __slots__ = ("kind", "parameter", "remedy", "what")

    def __init__(self, kind: type[Failure], what: str, remedy: str = "", *, parameter: str = "") -> None:
        self.kind = kind
        self.what = what
        self.remedy = remedy
        self.parameter = parameter

    def __call__(self, **values: object) -> Failure:
        """The failure to raise, with the template's values. A value `parameter` names the parameter that is wrong."""
        if self.kind is Misconfigured:
            return Misconfigured(self.text(**values), parameter=self.parameter or str(values.get("parameter", "")))
        return self.kind(self.text(**values))

    def text(self, **values: object) -> str:
        """The line: what is wrong, a semicolon, what to type."""
        template = f"{self.what}; {self.remedy}" if self.remedy else self.what
        return template.format(**values)
