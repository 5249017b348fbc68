# SPDX-License-Identifier: GPL-2.0-or-later
"""The yardstick of the benchmark."""

from __future__ import annotations

import pytest
from lxml import etree

from lab.bench import chain
from lab.bench.chain import idle_configuration
from tests.unit import agents


def test_the_yardstick_is_the_template_without_its_agents() -> None:
    cib = etree.fromstring(idle_configuration(agents.TEMPLATE.read_text()))
    shipped = etree.parse(agents.TEMPLATE).getroot()
    kinds = [(each.get("provider"), each.get("type")) for each in cib.iter("primitive")]
    assert kinds == [("pacemaker", "Stateful"), *[("pacemaker", "Dummy")] * 3]
    assert not {each.get("id") for each in cib.iter("*")} & {each.get("id") for each in shipped.iter("*")} - {None}
    for tag in ("rsc_order", "rsc_colocation"):
        assert len(list(cib.iter(tag))) == len(list(shipped.iter(tag))) > 0
    assert not list(cib.iter("instance_attributes"))


@pytest.mark.runs_programs
def test_a_chain_of_many_luns_is_moved_by_its_address() -> None:
    ours, idle = chain.twinsan(8), chain.doing_nothing(8)
    assert (ours.moved, ours.address, idle.moved, idle.address) == (
        "p_portal",
        "p_portal",
        "idle_p_portal",
        "idle_p_portal",
    )
    for which in (ours, idle, chain.twinsan(1), chain.doing_nothing(1)):
        named = {each.get("id") for each in etree.fromstring(which.configuration.encode()).iter("primitive", "group")}
        assert {which.moved, which.address, which.drbd} <= named


def test_what_is_notified_differs_in_that_alone() -> None:
    plain, notified = (chain.doing_nothing(1, notified=each).configuration for each in (False, True))
    changed = [(old, new) for old, new in zip(plain.splitlines(), notified.splitlines()) if old != new]
    assert [("notify" in old, 'value="true"' in new) for old, new in changed] == [(True, True)]
