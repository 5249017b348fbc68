# SPDX-License-Identifier: GPL-2.0-or-later
"""A node that would serve another disk than the other one served does not: the SAN goes back, or waits for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.machine import Machine, wait_until
from lab.pair import Pair
from tests.cluster import initiator

_QUERY = "attrd_updater --query --all --name twinsan-lun-p_lun1"
_OTHER = "0123456789abcdef0123456789abcdef"
_SET = "p_lun1-on-node"
_RULE = f"""
<group id="g_san"><primitive id="p_lun1"><instance_attributes id="{_SET}" score="100">
<rule id="{_SET}-rule" score="0">
<expression id="{_SET}-expression" attribute="#uname" operation="eq" value="NODE"/></rule>
<nvpair id="{_SET}-scsi_sn" name="scsi_sn" value="{_OTHER}"/>
</instance_attributes></primitive></group>
"""


class Rule:
    """A rule in the configuration that gives a node a serial of its own, as an administrator could by mistake."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def set(self, node: Machine) -> None:
        """Have it for a node."""
        rule = _RULE.replace("NODE", node.name).replace("\n", " ")
        node.succeed(f"cibadmin --modify --allow-create --scope resources --xml-text '{rule}'")

    def clear(self) -> None:
        """Take the rule away, where it is."""
        self._pair.wait_until_serving().run(f"cibadmin --delete --xml-text '<instance_attributes id=\"{_SET}\"/>'")


@pytest.fixture
def rule(recovering: Pair) -> Iterator[Rule]:
    made = Rule(recovering)
    yield made
    made.clear()
    server = recovering.wait_until_serving()
    server.run("crm resource clear g_san")
    server.run("crm_resource --cleanup")
    assert _SET not in server.succeed("cibadmin --query")


def _served_by(server: Machine) -> set[str]:
    """Who served the LUN last, as each of the nodes was told."""
    return set(re.findall(r' value="(\S+) ', server.run(_QUERY).stdout))


def _wait_until_told(server: Machine, by: Machine) -> None:
    """Wait until both nodes know who serves: a node that was off has forgotten it, and is told again after a while."""

    def told() -> bool:
        lines = server.run(_QUERY).stdout.splitlines()
        return len(lines) == 2 and _served_by(server) == {by.name}

    by.succeed("rm -f /run/twinsan/fingerprint.p_lun1")
    wait_until(told, f"both nodes know that {by} serves", 60, interval=1.0)


def _refusal(server: Machine, since: str) -> str:
    """The reason that the agent gave on a node since a cursor of its journal; "" for none yet."""
    words = "would serve another disk than .* allow it with"
    command = f"journalctl --after-cursor='{since}' --output=cat -t 'lio-lun(p_lun1)' --grep='{words}'"
    lines = server.run(command).stdout.splitlines()
    return lines[-1] if lines else ""


@pytest.mark.soak
def test_another_disk_is_refused_and_goes_back(pair: Pair, active: Machine, passive: Machine, rule: Rule) -> None:
    known = initiator.identity(pair.esx, pair.disk)
    _wait_until_told(passive, active)
    rule.set(passive)
    since = passive.journal_cursor()
    passive.succeed(f"crm resource move g_san {passive.name}")
    wait_until(lambda: _refusal(passive, since) != "", f"{passive} has refused", 120, interval=1.0)
    told = _refusal(passive, since)
    assert f"vpd_unit_serial is {_OTHER} instead of " in told
    assert f": {passive} would serve another disk than {active} " in told
    # It goes back by itself, and nobody has seen another disk.
    pair.wait_until_serving(on=active)
    pair.wait_until_settled()
    assert initiator.identity(pair.esx, pair.disk) == known
    assert "naa is naa.60014050123456789abcdef012345678 instead of" in active.succeed("crm_mon -1")


@pytest.mark.soak
def test_the_survivor_of_a_power_cut_refuses_another_disk(
    pair: Pair, active: Machine, passive: Machine, rule: Rule
) -> None:
    known = initiator.identity(pair.esx, pair.disk)
    _wait_until_told(passive, active)
    rule.set(passive)
    since = passive.journal_cursor()
    active.power_off()
    wait_until(lambda: _refusal(passive, since) != "", f"{passive} has refused", 180, interval=1.0)
    # The other one comes back as it was, and the SAN with it.
    active.wait_for_boot()
    pair.wait_until_serving(on=active, timeout=300)
    assert initiator.identity(pair.esx, pair.disk) == known
