# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit code for a failure. It depends on the class of the failure, on the action, and on what runs on this node.

- Misconfigured is 6, NotHere 2, NotInstalled 5, NotPermitted 4, anything else 1.
- A probe, stop, demote or notify that would end with 6, 2 or 5 and finds nothing running has nothing to do. It answers
  as it does for a resource that is not running.
- A 6, 2 or 5 must not take down a running resource: its monitor and its reload answer "degraded" instead.
"""

from __future__ import annotations

import os
import syslog

from twinsan.errors import Degraded, Failure, Misconfigured, NotHere, NotInstalled, NotPermitted, Reason
from twinsan.ocf import codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.ocf.agent import Agent

_CODES = {
    Misconfigured: codes.ERR_CONFIGURED,
    NotHere: codes.ERR_ARGS,
    NotInstalled: codes.ERR_INSTALLED,
    NotPermitted: codes.ERR_PERM,
}

# The codes for a configuration that is wrong here or anywhere. They must not take down a running resource: the cluster
# would stop it everywhere for a 6, and move it for a 2 or 5, however well the node does otherwise.
_UNFIT = (codes.ERR_CONFIGURED, codes.ERR_ARGS, codes.ERR_INSTALLED)
_BEARING = ("monitor", "reload-agent")

# A resource that could never start cannot run either, so these actions have nothing to do. Each has a word for the log,
# and the exit code. A failure would be costly: after a failed stop the node is fenced, after a failed demote the
# replica is stopped, and after a 6 from a probe the resource is stopped everywhere.
_IDLE = {
    "stop": ("stop", codes.SUCCESS),
    "demote": ("demote", codes.NOT_RUNNING),
    "notify": ("tell", codes.SUCCESS),
    # Only a probe.
    "monitor": ("find", codes.NOT_RUNNING),
}

# What to type about a wrong value.
_SET = "crm_resource -r"

ACTION_FAILED = Reason(Failure, "{action} failed: {error}")
DEFECT = Reason(Failure, "defect in {agent}: {error} at {place}: {message}", "please report it")
# A failure, and the command that sets the right value if a parameter is wrong.
KEPT = Reason(Degraded, "{failure}{command}", "what runs goes on as it was configured before")
KEPT_AND_CANNOT_START = Reason(
    Degraded, "{failure}{command}", "what runs goes on as it was configured before, and could not be started so"
)


def of(agent: Agent, failure: Failure) -> int:
    """Return the exit code of the agent's action that raised `failure`, and print the reason."""
    code = _CODES.get(type(failure), codes.ERR_GENERIC)
    if code in _UNFIT:
        return _of_unfit(agent, failure, code)
    agent.explain(str(failure))
    return code


def of_system_error(agent: Agent, error: OSError) -> int:
    """Return the exit code of the agent's action that raised `error`, and print the reason."""
    agent.explain(ACTION_FAILED.text(action=agent.action_name, error=error))
    # What the kernel refuses to root is no matter of permission, and may be transient: it must not ban the node.
    return codes.ERR_PERM if isinstance(error, PermissionError) and os.geteuid() != 0 else codes.ERR_GENERIC


def of_defect(agent: Agent, error: Exception) -> int:
    """Return the exit code of an action that raised anything else; the traceback goes to the log."""
    import traceback

    for line in traceback.format_exception(type(error), error, error.__traceback__):
        agent.log(line.rstrip(), syslog.LOG_DEBUG)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}:{last.lineno}"
    agent.explain(DEFECT.text(agent=agent.name, error=type(error).__name__, place=place, message=error))
    return codes.ERR_GENERIC


def of_dispensable(agent: Agent, code: int) -> int:
    """Return the exit code of an action that ended with `code`: "degraded" for a monitor (no probe) that found
    nothing wrong but the value of a dispensable parameter, else `code`.

    Of a clone only the promoted instance is degraded: the others may have to be promoted soon (see drbd-vaai).
    """
    if agent.action_name != "monitor" or agent.is_probe or code not in (codes.SUCCESS, codes.RUNNING_PROMOTED):
        return code
    promoted = code == codes.RUNNING_PROMOTED
    try:
        for parameter in agent.parameters():
            if parameter.name in agent.dispensable:
                parameter.check(agent)
    except Misconfigured as wrong:
        if promoted or not agent.environment.is_clone:
            return agent.degraded(KEPT.text(failure=wrong, command=_command(agent, wrong)), promoted=promoted)
    return code


def _of_unfit(agent: Agent, failure: Failure, code: int) -> int:
    name = agent.action_name
    role = _present_role(agent) if name in (*_BEARING, *_IDLE) else None
    if name in _BEARING and role not in (None, codes.NOT_RUNNING):
        # Pacemaker 3.0.0 takes the result of a reload for that of a start, after which nothing is promoted yet.
        promoted = role == codes.RUNNING_PROMOTED and name == "monitor"
        kept = KEPT_AND_CANNOT_START.text(failure=failure, command=_command(agent, failure))
        return agent.degraded(kept, promoted=promoted)
    if name not in _IDLE or (name == "monitor" and not agent.is_probe):
        agent.explain(str(failure))
        # For a 6 the cluster stops a clone on all nodes, with the instance that runs as it was configured before.
        return codes.ERR_ARGS if code == codes.ERR_CONFIGURED and agent.environment.is_clone else code
    if role == codes.NOT_RUNNING:
        word, nothing = _IDLE[name]
        agent.log(f"nothing to {word}: {failure}", syslog.LOG_WARNING)
        return nothing
    # Something runs, or that is unknown; and none of those codes may ban the replica from other nodes.
    agent.explain(str(failure))
    return codes.ERR_GENERIC


def _present_role(agent: Agent) -> int | None:
    """The role of the resource here; None if it cannot be determined. NOT_RUNNING where the parameters name none that
    can exist here.
    """
    try:
        return agent.present_role()
    except (Misconfigured, NotHere, NotInstalled):
        return codes.NOT_RUNNING
    except (Failure, OSError):
        return None


def _command(agent: Agent, failure: Failure) -> str:
    """The command that sets the wrong parameter, after a semicolon; "" if no parameter is wrong."""
    wrong = failure.parameter if isinstance(failure, Misconfigured) else ""
    return f"; {_SET} {agent.resource_name} -p {wrong} -v VALUE" if wrong else ""
