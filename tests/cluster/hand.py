# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent run by hand in a guest, as an operator would, and what a server's kernel holds."""

from __future__ import annotations

import shlex
from pathlib import Path

from lab.control import Result
from lab.machine import Machine

_AGENTS = "/usr/lib/ocf/resource.d/twinsan"
_DRIVERS = "/run/drivers"
CONFIGFS = "/sys/kernel/config/target"


def line(agent: str, action: str, **parameters: str) -> str:
    """The command line of an action."""
    words = [f"OCF_RESKEY_{name}={shlex.quote(value)}" for name, value in parameters.items()]
    environment = ["env", "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=by-test", *words]
    return " ".join([*environment, f"{_AGENTS}/{agent}", action])


def run(machine: Machine, agent: str, action: str, **parameters: str) -> Result:
    """Run an action; its exit code and reason are the caller's to judge."""
    return machine.run(line(agent, action, **parameters))


def expect(machine: Machine, code: int, agent: str, action: str, **parameters: str) -> str:
    """Run an action that must end with `code`; returns its standard error."""
    result = run(machine, agent, action, **parameters)
    assert result.status == code, f"{agent} {action}: {result.status} instead of {code}: {result.stderr}"
    assert "Traceback" not in result.stderr
    return result.stderr


def reason(machine: Machine, code: int, agent: str, action: str, **parameters: str) -> str:
    """The one exit reason of an action that must fail with `code`."""
    stderr = expect(machine, code, agent, action, **parameters)
    reasons = [text for text in stderr.splitlines() if text.startswith("ocf-exit-reason:")]
    assert len(reasons) == 1, stderr
    return reasons[0].partition(":")[2]


def driver(machine: Machine, name: str) -> list[str]:
    """Copy a program of this folder to a guest, with what it is made of; returns the command that runs it there."""
    files = [Path(__file__).parent / f"{part}.py" for part in (name, "forked_agent")]
    machine.copy({f"{_DRIVERS}/tests/cluster/{path.name}": path for path in files})
    return ["env", "--chdir", _DRIVERS, "python3", "-S", "-m", f"tests.cluster.{name}"]


def kernel_objects(machine: Machine) -> str:
    """All that an agent could have made: configfs objects, addresses, modules, DRBD resources."""
    return machine.succeed(
        f"cd {CONFIGFS} 2>/dev/null && find core iscsi -maxdepth 6 -type d -o -type l 2>/dev/null | sort;"
        " ip -oneline address | cut -d' ' -f2-7; cut -d' ' -f1 /proc/modules | sort; drbdsetup events2 --now"
    )
