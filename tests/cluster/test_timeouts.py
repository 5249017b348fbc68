# SPDX-License-Identifier: GPL-2.0-or-later
"""The advised timeouts, held against how long each action took in all that this pair has done so far."""

from __future__ import annotations

import re

import pytest

from lab.machine import Machine
from lab.pair import Pair
from tests.unit import agents

# In a user-mode kernel, where the start of a program alone takes ten times as long as on a server.
_SHARE = 0.5
_RESOURCES = {"p_drbd": "drbd-vaai", "p_target": "lio-iscsi-target", "p_lun1": "lio-lun", "p_portal": "portal-ip"}
_FINISHED = re.compile(r"info: (\w+)(?::\d)? ([\w-]+)\S* \(call .* exited with status \d+ \(execution time (\S+?)[ )]")
# Monitors are in the status alone, each with its last.
_MONITORED = re.compile(r'operation_key="(\w+)_monitor_\d+".* exec-time="(\d+)"')
_TIME = re.compile(r"(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def _seconds(text: str) -> float:
    """``1m2s``, ``3.469s`` or ``843ms``, as Pacemaker writes them."""
    match = _TIME.fullmatch(text)
    assert match, text
    minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    return 60 * minutes + seconds + milliseconds / 1000


@pytest.mark.soak
def test_every_action_took_less_than_half_of_its_advised_timeout(
    recovering: Pair, active: Machine, passive: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    recovering.move(passive)
    recovering.wait_until_settled()
    active, passive = passive, active
    # Nothing else stops a replica but a node that leaves.
    recovering.standby(passive)
    passive.wait_until("! drbdsetup status san", "the replica is down", 120)
    recovering.standby(passive, False)
    recovering.wait_until_settled()
    logs = [server.read("/var/log/pacemaker/pacemaker.log") for server in recovering.servers]
    seen = [(resource, action, _seconds(time)) for log in logs for resource, action, time in _FINISHED.findall(log)]
    status = active.succeed("cibadmin --query --scope status")
    seen += [(resource, "monitor", int(time) / 1000) for resource, time in _MONITORED.findall(status)]
    longest: dict[tuple[str, str], float] = {}
    for resource, action, seconds in seen:
        key = (_RESOURCES.get(resource, ""), action)
        longest[key] = max(longest.get(key, 0), seconds)
    lines, late = [""], []
    for name in agents.NAMES:
        for listed, _ in agents.load(name).actions():
            took = longest.get((name, listed.name))
            assert took is not None or listed.name in ("notify", "reload-agent"), f"no {listed.name} of {name}"
            if took is not None:
                lines.append(f"{name:18}{listed.name:14}{took:7.2f} s of {listed.timeout} s")
                late += [f"{name} {listed.name}: {took} s"] if took > _SHARE * listed.timeout else []
    with capsys.disabled():
        print("\n".join(lines))
    assert late == []
