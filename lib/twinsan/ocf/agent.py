# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of an agent: dispatch of the action, exit codes, exit reasons, log.

Rules written here once, so that no agent needs them:

- an unknown action is 3; a wrong value 6; a right value on the wrong host 2; missing software 5; not allowed 4;
- the parameters are checked before a start, a monitor and validate-all. Every other action checks what it reads, when
  it reads it: what it does not use cannot fail it;
- a probe, stop, demote or notify that fails for one of those, and sees nothing running, has nothing to find, stop,
  demote or tell;
- a wrong value does not take down what runs: the cluster stops a resource everywhere for a 6, so its monitor and its
  reload say "degraded" instead;
- a monitor of role Stopped says "not running" whatever is wrong on its node: for any other answer the cluster stops the
  resource where it runs (Pacemaker 2.1.5 and 3.0.0), and for a 6 everywhere;
- the word RESOURCE in what is told stands for the resource's name: the library, which does not know it, writes it so;
- every failure is one ``ocf-exit-reason:`` line on standard error, never a traceback.
"""

from __future__ import annotations

import os
import sys
import syslog

from twinsan import errors
from twinsan.deadline import Deadline
from twinsan.ocf import codes
from twinsan.ocf.environment import Environment, one_line
from twinsan.ocf.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Method = TypeVar("Method", bound=Callable[..., object])

_CODES = {
    errors.Misconfigured: codes.ERR_CONFIGURED,
    errors.NotHere: codes.ERR_ARGS,
    errors.NotInstalled: codes.ERR_INSTALLED,
    errors.NotPermitted: codes.ERR_PERM,
}

# What does not hold, here or anywhere. It does not take down a resource that runs: the cluster would stop it everywhere
# for a 6, and move it for a 2 and a 5, whatever else the node can do.
_UNFIT = (codes.ERR_CONFIGURED, codes.ERR_ARGS, codes.ERR_INSTALLED)
_BEARING = ("monitor", "reload-agent")

# What could never start cannot run either: the answer of actions that find nothing to do for that reason, and for which
# a failure would be dear: after a failed stop the node is fenced, after a failed demotion the replica is stopped, and
# after a 6 from a probe the resource is everywhere.
_IDLE = {
    "stop": ("stop", codes.SUCCESS),
    "demote": ("demote", codes.NOT_RUNNING),
    "notify": ("tell", codes.SUCCESS),
    # A probe alone.
    "monitor": ("find", codes.NOT_RUNNING),
}

# What a monitor says of what runs, and what it would say if that was well.
_DEGRADED = {codes.DEGRADED: codes.SUCCESS, codes.DEGRADED_PROMOTED: codes.RUNNING_PROMOTED}

# Actions before which every parameter is checked, whether they use it or not.
_CHECKED = ("start", "monitor", "validate-all")

# Actions that check the rules between parameters; a reload also the parameters that it is called for.
_RULED = ("promote", "reload-agent")

# What the library writes where the name of the resource belongs.
_PLACEHOLDER = "RESOURCE"

# An action gives up this long before the cluster kills it: time to write the reason and end.
_MARGIN_SECONDS = 1.0

# What to type about what works otherwise than configured, and about what does not work. crm_mon cuts a reason off
# after 128 characters.
_RESTART = "to repair it with a pause: crm_resource --restart --resource"
_SET = "crm_resource -r"
_REMAKE = "where it stays so: crm_resource --cleanup --resource"


# The role of a monitor on the nodes where the resource does not run.
AHEAD = "Stopped"

# So much of what is wrong may stand before what to type, that of the 128 characters which crm_mon shows some are left.
_LONGEST_HEAD = 70


def _halves(first: str, more: Sequence[str]) -> tuple[str, str]:
    """What is wrong, as far as it may stand before what to type, and the rest, for behind it."""
    head = first if len(first) <= _LONGEST_HEAD else first[: _LONGEST_HEAD - 3] + "..."
    rest = [*([first] if head != first else []), *more]
    return head, f" ({', '.join(rest)})" if rest else ""


class Action:
    """An action as the metadata lists it; times in seconds."""

    def __init__(self, name: str, timeout: int, interval: int | None, role: str, depth: int | None) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
        self.role = role
        self.depth = depth
        self.ahead = role == AHEAD


def action(
    name: str, *, timeout: int, interval: int | None = None, role: str = "", depth: int | None = None
) -> Callable[[Method], Method]:
    """Declare a method as an action. Stacks, for a monitor of each role."""

    def declare(method: Method) -> Method:
        listed: list[Action] = method.__dict__.setdefault("ocf_actions", [])
        listed.insert(0, Action(name, timeout, interval, role, depth))
        return method

    return declare


class Agent:
    """A resource agent. Its docstring is the description: the first line the short one, the rest the long one."""

    name = ""
    # For the manual page: (path, what it is), and pages to read, as "drbdadm(8)".
    files: tuple[tuple[str, str], ...] = ()
    see_also: tuple[str, ...] = ()
    # Parameters that start and monitor can do without: a wrong value is told, and keeps no node from serving.
    dispensable: tuple[str, ...] = ()
    # Actions that change the system and therefore need root.
    privileged = frozenset(("start", "stop", "promote", "demote", "reload-agent"))

    def __init__(self, environment: Environment, action_name: str) -> None:
        self.environment = environment
        self.action_name = action_name
        self._reason = ""
        advised = [listed.timeout for listed, _ in self.actions() if listed.name == action_name]
        seconds = environment.timeout or (advised[0] if advised else 20)
        self.deadline = Deadline(max(seconds - _MARGIN_SECONDS, seconds / 2))

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """The declared parameters, in the order of their declaration."""
        return [value for value in vars(cls).values() if isinstance(value, Parameter)]

    @classmethod
    def actions(cls) -> list[tuple[Action, Callable[[Agent], int | None]]]:
        """The declared actions with their methods, in the order of their declaration."""
        return [(listed, method) for method in vars(cls).values() for listed in getattr(method, "ocf_actions", ())]

    @classmethod
    def source(cls) -> str:
        """The path of the file that the agent is written in."""
        return cls.actions()[0][1].__code__.co_filename

    def check(self) -> None:
        """Check rules that span parameters; raises Misconfigured."""

    def check_here(self) -> None:
        """Check the parameters against this host, for validate-all; raises NotHere or NotInstalled."""

    def absent(self) -> bool:
        """Whether this host cannot hold what the agent serves: a monitor is then "not running", whatever the values."""
        return False

    def standing(self) -> int:
        """NOT_RUNNING, SUCCESS or RUNNING_PROMOTED: what is here, by the parameters alone that name the resource."""
        return codes.NOT_RUNNING

    @property
    def check_level(self) -> int:
        """How deep a monitor shall look: 0 whether it runs, 10 at all that is configured, 20 whether it answers."""
        return self.environment.check_level or 0

    @property
    def shown_name(self) -> str:
        """The resource's name as it stands in what an operator shall type."""
        return self.environment.resource if self.environment.in_cluster else _PLACEHOLDER

    def _named(self, text: str) -> str:
        """A text with the resource's name for the word RESOURCE."""
        first, *others = text.split(_PLACEHOLDER)
        for other in others:
            part_of_a_word = _goes_on(first[-1:]) or _goes_on(other[:1])
            first += (_PLACEHOLDER if part_of_a_word else self.shown_name) + other
        return first

    def log(self, message: str, priority: int = syslog.LOG_INFO) -> None:
        """Write to the log; to standard error instead on a terminal."""
        line = one_line(self._named(message))
        if sys.stderr.isatty():
            print(f"{self.name}: {line}", file=sys.stderr)
        elif self.environment.log_facility != "none":
            named = getattr(syslog, f"LOG_{self.environment.log_facility.upper()}", syslog.LOG_DAEMON)
            # The module has functions by such names as well (LOG_UPTO), and a facility leaves three bits free.
            facility = named if isinstance(named, int) and named % 8 == 0 else syslog.LOG_DAEMON
            syslog.openlog(f"{self.name}({self.environment.instance})", syslog.LOG_PID, facility)
            syslog.syslog(priority, line)

    def explain(self, reason: str) -> None:
        """Print the exit reason; the cluster shows it beside the failed or degraded action."""
        line = self._reason = one_line(self._named(reason))
        print(f"{self.environment.reason_prefix}{line}", file=sys.stderr)
        if not sys.stderr.isatty():
            self.log(line, syslog.LOG_ERR)

    def degraded(self, reason: str, *, promoted: bool = False) -> int:
        """The code for "works, but is not well"; where the cluster does not know it, a log line and "well"."""
        if self.environment.in_cluster and not self.environment.knows_degraded:
            self.log(reason, syslog.LOG_WARNING)
            return codes.RUNNING_PROMOTED if promoted else codes.SUCCESS
        self.explain(reason)
        return codes.DEGRADED_PROMOTED if promoted else codes.DEGRADED

    def broken(self, fault: str) -> int:
        """The code for what is there and does not work, with what to type where the cluster gave up on it."""
        head, rest = _halves(fault, ())
        self.explain(f"{head}; {_REMAKE} {self.shown_name}{rest}")
        return codes.ERR_GENERIC

    def drifted(self, difference: str, more: Sequence[str] = ()) -> int:
        """The code for "works, but is not as configured", with what to type: a start makes it so again. What differs
        besides comes after it.
        """
        head, rest = _halves(difference, more)
        return self.degraded(f"{head}; {_RESTART} {self.shown_name}{rest}")

    @action("validate-all", timeout=20)
    def validate_all(self) -> None:
        """Check all parameters, and this host unless the check level is 0."""
        self.check_parameters()
        if self.environment.check_level != 0:
            self.check_here()

    def check_parameters(self) -> None:
        """Parse every parameter; raises Misconfigured for the first that is wrong."""
        for parameter in self.parameters():
            if self.action_name not in ("start", "monitor") or parameter.name not in self.dispensable:
                parameter.check(self)
        self.check()
        if self.action_name == "start":
            for remark in filter(None, (parameter.remark(self) for parameter in self.parameters())):
                self.log(remark)

    def _check_rules(self) -> None:
        """Check what a promotion and a reload go by; what else they read is checked when they read it."""
        for parameter in self.parameters():
            if parameter.reloadable and self.action_name == "reload-agent":
                parameter.check(self)
        self.check()

    def run(self) -> int:
        """Run the action and return its exit code."""
        if self.action_name in ("start", "stop") and self.environment.in_cluster:
            return self._remembered()
        if self.action_name != "monitor":
            return self._perform()
        if self.environment.role == AHEAD:
            return self._look_ahead()
        code = self._perform()
        return code if self._is_probe or not self.environment.in_cluster else self._shown(code)

    def _perform(self) -> int:
        methods = {listed.name: method for listed, method in [*Agent.actions(), *self.actions()] if not listed.ahead}
        method = methods.get(self.action_name)
        if method is None:
            self.explain(f"unknown action {self.action_name!r}; {self.name} knows {' '.join(methods)} meta-data")
            return codes.ERR_UNIMPLEMENTED
        try:
            if self.action_name in self.privileged and os.geteuid() != 0:
                raise errors.NotPermitted(f"{self.action_name} needs root; run it as root or with sudo")
            if self.environment.plays_bare_host:
                raise errors.NotInstalled("OCF_TESTER_FAIL_HAVE_BINARY is set, as if no program was there; unset it")
            if self.action_name == "monitor" and self.absent():
                return codes.NOT_RUNNING
            if self.action_name in _CHECKED and not self._is_probe:
                self.check_parameters()
            elif self.action_name in _RULED:
                self._check_rules()
            return self._judged(method(self) or codes.SUCCESS)
        except errors.Failure as failure:
            return self._code_of(failure)
        except OSError as error:
            self.explain(f"{self.action_name} failed: {error}")
            # What the kernel refuses to root is no matter of permission, and may pass: it must not ban the node.
            return codes.ERR_PERM if isinstance(error, PermissionError) and os.geteuid() != 0 else codes.ERR_GENERIC
        except Exception as error:  # noqa: BLE001  the last line of defence: a reason instead of a traceback
            return self._defect(error)

    def _remembered(self) -> int:
        """A start or a stop of the cluster; how long a failure here counts begins with it (see `failures`)."""
        from twinsan.system import failures

        resource, node = self.environment.resource, self.environment.node
        starts = self.action_name == "start"
        if starts:
            self._note(lambda: failures.starting(resource))
        code = self._perform()
        well = code == codes.SUCCESS
        if starts:
            self._note(lambda: failures.started(resource, well=well))
        elif well and node:
            self._note(lambda: failures.stopped(resource, node))
        return code

    def _note(self, work: Callable[[], None]) -> None:
        """Note something that no action depends on."""
        try:
            work()
        except (errors.Failure, OSError) as failure:
            self.log(f"a failure here counts until failure-timeout: {failure}")

    def _shown(self, code: int) -> int:
        """The code of a recurring monitor; "well" once, where the cluster would not show the reason otherwise (see
        `told`).
        """
        from twinsan.ocf import told

        resource, interval = self.environment.resource, self.environment.interval
        try:
            if code not in _DEGRADED:
                told.forget(resource, interval)
            elif not told.shows(resource, interval, self._reason):
                return _DEGRADED[code]
        except (errors.Failure, OSError) as failure:
            self.log(f"what the cluster shows of {resource} may be outdated: {failure}")
        return code

    def _look_ahead(self) -> int:
        """Run the monitor of role Stopped. The resource that is here against the cluster's will alone is told to it."""
        methods = [method for listed, method in self.actions() if listed.ahead]
        try:
            code = methods[0](self) if methods else None
            return codes.NOT_RUNNING if code is None else code
        except Exception as error:  # noqa: BLE001  see above: no failure here is worth an interruption there
            self.log(f"what would keep it from running here is unknown: {error}", syslog.LOG_WARNING)
            return codes.NOT_RUNNING

    def _judged(self, code: int) -> int:
        """The code of an action, or "degraded" where a monitor finds all well but a value that it could do without.

        Of a clone the promoted instance alone says so: the others may have to be promoted soon (see drbd-vaai).
        """
        if self.action_name != "monitor" or self._is_probe or code not in (codes.SUCCESS, codes.RUNNING_PROMOTED):
            return code
        promoted = code == codes.RUNNING_PROMOTED
        try:
            for parameter in self.parameters():
                if parameter.name in self.dispensable:
                    parameter.check(self)
        except errors.Misconfigured as wrong:
            if promoted or not self.environment.is_clone:
                kept = f"{wrong}{self._command(wrong)}; what runs goes on as it was configured before"
                return self.degraded(kept, promoted=promoted)
        return code

    @property
    def _is_probe(self) -> bool:
        return self.action_name == "monitor" and self.environment.is_probe

    def _code_of(self, failure: errors.Failure) -> int:
        code = _CODES.get(type(failure), codes.ERR_GENERIC)
        if code in _UNFIT:
            return self._code_of_unfit(failure, code)
        self.explain(str(failure))
        return code

    def _code_of_unfit(self, failure: errors.Failure, code: int) -> int:
        standing = self._standing() if self.action_name in (*_BEARING, *_IDLE) else None
        if self.action_name in _BEARING and standing not in (None, codes.NOT_RUNNING):
            command = self._command(failure)
            kept = f"{failure}{command}; what runs goes on as it was configured before, and could not be started so"
            # What a reload answers counts as the end of a start (Pacemaker 3.0.0), after which nothing is promoted yet.
            promoted = standing == codes.RUNNING_PROMOTED and self.action_name == "monitor"
            return self.degraded(kept, promoted=promoted)
        if self.action_name not in _IDLE or (self.action_name == "monitor" and not self._is_probe):
            self.explain(str(failure))
            # For a 6 the cluster stops a clone on all nodes: also the instance that runs, as it was configured before.
            return codes.ERR_ARGS if code == codes.ERR_CONFIGURED and self.environment.is_clone else code
        if standing == codes.NOT_RUNNING:
            word, nothing = _IDLE[self.action_name]
            self.log(f"nothing to {word}: {failure}", syslog.LOG_WARNING)
            return nothing
        # There is something, or nobody knows; and none of those codes may ban the replica from other nodes.
        self.explain(str(failure))
        return codes.ERR_GENERIC

    def _command(self, failure: errors.Failure) -> str:
        """What to type about the value of a parameter; "" where it is another failure."""
        wrong = failure.parameter if isinstance(failure, errors.Misconfigured) else ""
        return f"; {_SET} {self.shown_name} -p {wrong} -v VALUE" if wrong else ""

    def _standing(self) -> int | None:
        """What is here; None where that cannot be seen. What names no resource that there could be names none here."""
        try:
            return self.standing()
        except (errors.Misconfigured, errors.NotHere, errors.NotInstalled):
            return codes.NOT_RUNNING
        except (errors.Failure, OSError):
            return None

    def _defect(self, error: Exception) -> int:
        import traceback

        for line in traceback.format_exception(type(error), error, error.__traceback__):
            self.log(line.rstrip(), syslog.LOG_DEBUG)
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        self.explain(f"defect in {self.name}: {type(error).__name__} at {place}: {error}; please report it")
        return codes.ERR_GENERIC

    @classmethod
    def main(cls) -> int:
        """Run the agent as a program: ``AGENT ACTION``, further words are ignored as the specification asks."""
        word = sys.argv[1] if len(sys.argv) > 1 else ""
        if word == "meta-data":
            from twinsan.ocf import metadata

            print(metadata.render(cls, declared=not Environment().names_version), end="")
            return codes.SUCCESS
        if word == "man-page":
            from twinsan.ocf import manpage

            print(manpage.render(cls), end="")
            return codes.SUCCESS
        if word in ("", "usage", "help", "-h", "--help"):
            names = dict.fromkeys(listed.name for listed, _ in [*cls.actions(), *Agent.actions()])
            print(f"usage: {cls.name} {{{'|'.join(names)}|meta-data|man-page}}\n\n{(cls.__doc__ or '').strip()}")
            print(f"\nParameters are read from the environment as OCF_RESKEY_NAME; see ocf_twinsan_{cls.name}(7).")
            return codes.SUCCESS if word else codes.ERR_UNIMPLEMENTED
        return cls(Environment(), word).run()


def _goes_on(character: str) -> bool:
    """Whether a word goes on with a character."""
    return character.isalnum() or character == "_"
