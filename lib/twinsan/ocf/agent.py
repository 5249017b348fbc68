# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of an agent: declares its actions, checks its parameters, and runs one action.

Rules for all agents:

- An unknown action exits with 3.
- All parameters are checked before a start, validate-all, and a monitor that is no probe. Every other action checks a
  value when it reads it: a parameter that it does not use cannot make it fail.
- A monitor of role Stopped answers "not running" for every failure: after any other answer the cluster stops the
  resource on the node where it runs (Pacemaker 2.1.5 and 3.0.0), and after a 6 everywhere.
- Every failure prints one ``ocf-exit-reason:`` line on standard error, never a traceback (see ``reporter``).
  ``failure_code`` decides its exit code.
"""

from __future__ import annotations

import os
import syslog

from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotInstalled, NotPermitted, Reason
from twinsan.ocf import codes, failure_code
from twinsan.ocf.parameter import Parameter
from twinsan.ocf.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from twinsan.ocf.environment import Environment

    Method = TypeVar("Method", bound=Callable[..., object])

# The exit codes of a degraded monitor, and the code that each would be if all was well.
_WELL = {codes.DEGRADED: codes.SUCCESS, codes.DEGRADED_PROMOTED: codes.RUNNING_PROMOTED}

# Actions before which every parameter is checked, whether they use it or not.
_CHECK_ALL = ("start", "monitor", "validate-all")

# Actions that check the rules between parameters; a reload also checks the reloadable parameters.
_CHECK_RULES = ("promote", "reload-agent")

# An action gives up this long before the cluster kills it: time to write the reason and end.
_MARGIN_SECONDS = 1.0

# The role of a monitor that runs on the nodes where the resource does not run.
STOPPED = "Stopped"

UNKNOWN_ACTION = Reason(Failure, "unknown action {action!r}", "{agent} knows {actions} meta-data")
NEEDS_ROOT = Reason(NotPermitted, "{action} needs root", "run it as root or with sudo")
NO_PROGRAMS = Reason(NotInstalled, "OCF_TESTER_FAIL_HAVE_BINARY is set, as if no program was there", "unset it")


class Action:
    """An action as the metadata lists it; times in seconds."""

    def __init__(self, name: str, timeout: int, interval: int | None, role: str, depth: int | None) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
        self.role = role
        self.depth = depth


def action(
    name: str, *, timeout: int, interval: int | None = None, role: str = "", depth: int | None = None
) -> Callable[[Method], Method]:
    """Declare a method as an action. `timeout` and `interval` are the advised ones, in seconds; `depth` is the check
    level of a monitor. A method may have several such declarations: a monitor has one for each role.
    """

    def declare(method: Method) -> Method:
        listed: list[Action] = method.__dict__.setdefault("ocf_actions", [])
        listed.insert(0, Action(name, timeout, interval, role, depth))
        return method

    return declare


class Agent(Reporter):
    """A resource agent. The docstring of a subclass is its description in the metadata: the first line is the short
    one, the rest the long one.
    """

    # For the manual page: (path, what it is), and pages to read, as "drbdadm(8)".
    files: tuple[tuple[str, str], ...] = ()
    see_also: tuple[str, ...] = ()
    # Parameters that start and monitor can do without: a wrong value makes the monitor degraded and fails no start.
    dispensable: tuple[str, ...] = ()
    # Actions that change the system and therefore need root.
    privileged = frozenset(("start", "stop", "promote", "demote", "reload-agent"))

    def __init__(self, environment: Environment, action_name: str) -> None:
        super().__init__(environment)
        self.action_name = action_name
        advised = [listed.timeout for listed, _ in self.actions() if listed.name == action_name]
        seconds = environment.timeout or (advised[0] if advised else 20)
        self.deadline = Deadline(max(seconds - _MARGIN_SECONDS, seconds / 2))

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Return the declared parameters, in the order of their declaration."""
        return [value for value in vars(cls).values() if isinstance(value, Parameter)]

    @classmethod
    def actions(cls) -> list[tuple[Action, Callable[[Agent], int | None]]]:
        """Return the declared actions with their methods, in the order of their declaration."""
        return [(listed, method) for method in vars(cls).values() for listed in getattr(method, "ocf_actions", ())]

    @classmethod
    def source(cls) -> str:
        """Return the path of the file that the agent is written in."""
        return cls.actions()[0][1].__code__.co_filename

    def check(self) -> None:
        """Check rules that span parameters; raises Misconfigured."""

    def check_here(self) -> None:
        """Check the parameters against this host, for validate-all; raises NotHere or NotInstalled."""

    def cannot_exist(self) -> bool:
        """Whether the resource cannot exist on this host now, whatever its parameters: for example, its kernel module
        is not loaded. A monitor then returns NOT_RUNNING without checking the parameters.
        """
        return False

    def present_role(self) -> int:
        """Return what runs here: NOT_RUNNING, SUCCESS or RUNNING_PROMOTED. It may use only the parameters that name the
        resource, since others may be wrong.
        """
        return codes.NOT_RUNNING

    @property
    def check_level(self) -> int:
        """The check level of a monitor: at 0 it checks whether the resource runs, at 10 whether all is as configured,
        at 20 whether it answers.
        """
        return self.environment.check_level or 0

    @action("validate-all", timeout=20)
    def validate_all(self) -> None:
        """Check all parameters, and this host unless the check level is 0."""
        self.check_parameters()
        if self.environment.check_level != 0:
            self.check_here()

    def check_parameters(self) -> None:
        """Parse every parameter and check the rules between them; raises Misconfigured for the first fault. A start and
        a monitor leave the dispensable parameters out. A start also logs the remarks on valid values.
        """
        for parameter in self.parameters():
            if self.action_name not in ("start", "monitor") or parameter.name not in self.dispensable:
                parameter.check(self)
        self.check()
        if self.action_name == "start":
            for remark in filter(None, (parameter.remark(self) for parameter in self.parameters())):
                self.log(remark)

    def _check_rules(self) -> None:
        """Check the rules between parameters, and for a reload the reloadable parameters."""
        for parameter in self.parameters():
            if parameter.reloadable and self.action_name == "reload-agent":
                parameter.check(self)
        self.check()

    @property
    def is_probe(self) -> bool:
        """Whether the action is a monitor that the cluster runs once, to learn whether the resource runs."""
        return self.action_name == "monitor" and self.environment.is_probe

    def run(self) -> int:
        """Run the action and return its exit code."""
        if self.action_name in ("start", "stop") and self.environment.in_cluster:
            return self._start_or_stop()
        if self.action_name == "reload-agent" and self.environment.in_cluster:
            from twinsan.ocf import closer_look

            self._try_to_note(lambda: closer_look.forget(self.environment.resource))
        if self.action_name != "monitor":
            return self._perform()
        if self.environment.role == STOPPED:
            return self._monitor_stopped()
        code = self._perform()
        return code if self.is_probe or not self.environment.in_cluster else self._with_reason_displayed(code)

    def _perform(self) -> int:
        listed = [*Agent.actions(), *self.actions()]
        methods = {each.name: method for each, method in listed if each.role != STOPPED}
        method = methods.get(self.action_name)
        if method is None:
            self.explain(UNKNOWN_ACTION.text(action=self.action_name, agent=self.name, actions=" ".join(methods)))
            return codes.ERR_UNIMPLEMENTED
        try:
            if self.action_name in self.privileged and os.geteuid() != 0:
                raise NEEDS_ROOT(action=self.action_name)
            if self.environment.hides_programs:
                raise NO_PROGRAMS()  # noqa: RSE102  it is no class
            if self.action_name == "monitor" and self.cannot_exist():
                return codes.NOT_RUNNING
            if self.action_name in _CHECK_ALL and not self.is_probe:
                self.check_parameters()
            elif self.action_name in _CHECK_RULES:
                self._check_rules()
            return failure_code.of_dispensable(self, method(self) or codes.SUCCESS)
        except Failure as failure:
            return failure_code.of(self, failure)
        except OSError as error:
            return failure_code.of_system_error(self, error)
        except Exception as error:  # noqa: BLE001  the last line of defence: a reason instead of a traceback
            return failure_code.of_defect(self, error)

    def _start_or_stop(self) -> int:
        """Run a start or a stop of the cluster, and note it for the clean-up of failures on this node (see
        `failures`).
        """
        from twinsan.ocf import closer_look, failures

        resource, node = self.environment.resource, self.environment.node
        is_start = self.action_name == "start"
        self._try_to_note(lambda: closer_look.forget(resource))
        if is_start:
            self._try_to_note(lambda: failures.note_start(resource))
        code = self._perform()
        success = code == codes.SUCCESS
        if is_start:
            self._try_to_note(lambda: failures.note_end_of_start(resource, success=success))
        elif success and node:
            self._try_to_note(lambda: failures.forget_later(resource, node))
        return code

    def _try_to_note(self, work: Callable[[], None]) -> None:
        """Do `work`, which writes a note. Its failure is only logged: no action depends on the note."""
        try:
            work()
        except (Failure, OSError) as failure:
            self.log(f"what is noted of {self.environment.resource} in /run/twinsan may be outdated: {failure}")

    def _with_reason_displayed(self, code: int) -> int:
        """Return the exit code of a recurring monitor: `code`, or once the code of "well" if the cluster would not
        display the reason otherwise (see `reason_display`).
        """
        from twinsan.ocf import reason_display

        resource, interval = self.environment.resource, self.environment.interval
        try:
            if code not in _WELL:
                reason_display.forget(resource, interval)
            elif not reason_display.will_be_displayed(resource, interval, self.exit_reason):
                return _WELL[code]
        except (Failure, OSError) as failure:
            self.log(f"what the cluster shows of {resource} may be outdated: {failure}")
        return code

    def _monitor_stopped(self) -> int:
        """Run the monitor of role Stopped. Returns NOT_RUNNING unless it finds the resource on this node, and for every
        failure, which is logged.
        """
        methods = [method for listed, method in self.actions() if listed.role == STOPPED]
        try:
            code = methods[0](self) if methods else None
            return codes.NOT_RUNNING if code is None else code
        except Exception as error:  # noqa: BLE001  see above: no failure here is worth an interruption there
            self.log(f"what would keep it from running here is unknown: {error}", syslog.LOG_WARNING)
            return codes.NOT_RUNNING
