# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster says, from the output of its programs."""

from __future__ import annotations

import time

import pytest

from tests.unit.operate import pair_facts
from tests.unit.operate.pair_facts import CIB, OVERVIEW, Changes, changed
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.facts import cluster, overview
from twinsan.operate.facts.cluster_shape import Cluster, Constraint
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.overview import Overview

NODES = ("atlas", "zeus")
HISTORY = """
  <failures>
    <failure op_key="p_lun1_monitor_10000" node="atlas" exitstatus="degraded" exitreason="it is cut o" exitcode="190"
      call="12" status="complete" last-rc-change="2026-11-29 21:53:33Z" queued="0" exec="0" task="monitor"/>
  </failures>
  <fence_history status="0">
    <fence_event target="zeus" action="reboot" client="c" origin="atlas" delegate="atlas" status="success"
      completed="2026-11-29 21:00:01.123456Z"/>
    <fence_event target="zeus" action="reboot" client="c" origin="atlas" status="pending"/>
  </fence_history>
  <status code="0"""


def joined(cib: Changes = (), shown: Changes = (), now: float = pair_facts.AT) -> Cluster:
    return cluster.join(Configuration(changed(CIB, cib)), Overview(changed(OVERVIEW, shown)), now)


def test_what_runs_where_and_since_when() -> None:
    found = {(each.resource, each.node): each for each in joined().instances}
    assert found["p_drbd", "atlas"].role == "Promoted"
    assert found["p_drbd", "zeus"].role == "Unpromoted"
    portal = found["p_portal", "atlas"]
    assert (portal.agent, portal.since, portal.action_seconds) == ("ocf:twinsan:portal-ip", 1795989213, 1.2)


def test_the_older_words_for_the_roles() -> None:
    words = [('role="Promoted"', 'role="Master"'), ('role="Unpromoted"', 'role="Slave"')]
    assert {each.role for each in joined(shown=words).instances} == {"Promoted", "Unpromoted", "Started"}


@pytest.mark.parametrize("state", ["standby", "maintenance", "pending", "unclean", "shutdown", "offline"])
def test_the_state_of_a_node(state: str) -> None:
    zeus = '<node name="zeus" id="2" online="true" standby="false" standby_onfail="false" maintenance="false" '
    zeus += 'pending="false" unclean="false" health="green" feature_set="&lt;3.15.1" shutdown="false"'
    old, new = ('online="true"', 'online="false"') if state == "offline" else (f' {state}="false"', f' {state}="true"')
    nodes = {each.name: each.state for each in joined(shown=[(zeus, zeus.replace(old, new))]).nodes}
    assert nodes == {"atlas": "online", "zeus": state}


def test_failures_with_their_whole_reason_and_fencings() -> None:
    last = 'operation_key="p_lun1_monitor_10000" operation="monitor" crm_feature_set="3.16.1" exit-reason="" '
    reason = [
        (last + 'call-id="3" rc-code="0"', last.replace('""', '"it is cut off; see"') + 'call-id="3" rc-code="190"')
    ]
    found = joined(reason, [('\n  <status code="0', HISTORY)])
    (failure,) = found.failures
    assert (failure.resource, failure.operation, failure.code, failure.degraded) == ("p_lun1", "monitor", 190, True)
    assert (failure.reason, failure.over) == ("it is cut off; see", False)
    assert found.fencings is not None
    assert [(each.node, each.status, each.by) for each in found.fencings] == [
        ("zeus", "pending", ""),
        ("zeus", "success", "atlas"),
    ]
    assert found.fencings[1].at == 1795986001


def test_a_failure_that_is_over() -> None:
    """The monitor was well after it: crm_mon goes on to show it until failure-timeout."""
    moment = [('21:53:33Z" queued', '20:53:33Z" queued')]
    shown = changed(HISTORY, moment)
    at_end = [('\n  <status code="0', shown)]
    assert joined((), at_end).failures[0].over
    # Its next monitor may say that it is still so.
    assert not joined((), at_end, now=1795989213 + 20).failures[0].over


def test_a_fence_device_that_failed() -> None:
    monitor = 'operation_key="fence_atlas_monitor_60000" operation="monitor" crm_feature_set="3.16.1" exit-reason="" '
    well, ill = (monitor + f'call-id="3" rc-code="{code}"' for code in (0, 1))
    devices = {each.resource: each for each in joined().fence_devices}
    assert devices["fence_atlas"].answers is True
    assert devices["fence_atlas"].targets == ("atlas",)
    assert (devices["fence_atlas"].monitor_seconds, devices["fence_atlas"].power_wait_seconds) == (1.1, 1.0)
    start = 'operation_key="fence_atlas_start_0" operation="start" crm_feature_set="3.16.1" exit-reason="" '
    quick = start + 'call-id="2" rc-code="0" op-status="0" interval="0" last-rc-change="1795989213" exec-time='
    devices = {each.resource: each for each in joined([(f'{quick}"1300"', f'{quick}"800"')]).fence_devices}
    assert devices["fence_atlas"].monitor_seconds == 0.8
    devices = {each.resource: each for each in joined([(well, ill)]).fence_devices}
    assert devices["fence_atlas"].answers is False


def test_the_nodes_of_a_constraint() -> None:
    ours = [each for each in joined().constraints if each.resource == "fence_zeus"]
    assert ours == [Constraint("fence_zeus-not-on-zeus", "fence_zeus", "other", None, "-INFINITY", ("zeus",))]
    names = (f'<expression id="e" attribute="#uname" operation="eq" value="{name}"/>' for name in NODES)
    either = f'<rule id="r" score="-INFINITY" boolean-op="or">{"".join(names)}</rule>'
    words = [
        ("<constraints>", f'<constraints><rsc_location id="x" rsc="ms_drbd" role="Master">{either}</rsc_location>')
    ]
    assert joined(words).constraints[0].nodes == ("atlas", "zeus")
    assert joined(words).constraints[0].role == "Promoted"


def test_a_primitive_that_inherits() -> None:
    found = Configuration(CIB).find("p_lun1")
    assert found is not None
    assert (found.within, found.meta["migration-threshold"], found.enabling_command) == (["g_san"], "2", "")
    group = '<meta_attributes id="g_san-meta">'
    stopped = changed(CIB, [(group, f'{group}<nvpair id="t" name="target-role" value="Stopped"/>')])
    found = Configuration(stopped).find("p_portal")
    assert found is not None
    assert found.enabling_command == "crm_resource --resource g_san --meta --delete-parameter target-role"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-29 21:53:33Z", 1795989213),
        ("2026-11-29 21:53:33.123456Z", 1795989213),
        ("2026-11-29 23:53:33 +02:00", 1795989213),
        ("2026-11-29 17:53:33 -04:00", 1795989213),
        ("soon", None),
        ("", None),
        ("2026-13-29 21:53:33Z", None),
    ],
)
def test_a_moment(text: str, moment: int | None) -> None:
    assert overview.moment(text) == moment


def test_a_moment_by_the_local_clock() -> None:
    assert overview.moment("Sun Nov 29 21:53:33 2026") == int(time.mktime((2026, 11, 29, 21, 53, 33, 0, 0, -1)))


def test_what_is_no_xml_is_a_failure() -> None:
    for parse in (Configuration, Overview):
        with pytest.raises(Failure, match="try: c"):
            parse("<cib")


def test_crm_mon_without_a_cluster() -> None:
    """It says so in the XML that its output would be."""
    text = (
        '<pacemaker-result api-version="2.38" request="crm_mon"><status code="102" message="Not connected"><errors>'
        "<error>error: Could not connect to launcher: Connection refused</error></errors></status></pacemaker-result>"
    )
    with pytest.raises(Failure, match=r"^crm_mon: Could not connect to launcher: Connection refused$"):
        overview.text(command.Result(("crm_mon",), 102, text, ""))


def test_several_sets_of_options() -> None:
    """That of Pacemaker counts first, whatever their order."""
    place = '<cluster_property_set id="san-cluster-options">'
    pair = '<nvpair id="a" name="load-threshold" value="80%"/>'
    own = f'<cluster_property_set id="cib-bootstrap-options">{pair}</cluster_property_set>'
    for text in (changed(CIB, [(place, own + place)]), changed(CIB, [("</crm_config>", own + "</crm_config>")])):
        assert Configuration(text).option("load-threshold", "") == "80%"
    assert Configuration(pair_facts.CIB).option("no-such", "default") == "default"
