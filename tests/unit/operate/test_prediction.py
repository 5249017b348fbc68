# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the other node would serve: every case of the availability tests on a cluster, and what else is known of one.

The cluster's own scheduler is asked the same where it can answer.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.operate import pair_facts
from tests.unit.operate.pair_facts import QNETD, QUORUM, TOLD, Changes, make
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.shape import Facts, NotSeen, Told
from twinsan.operate.verdict import prediction
from twinsan.operate.verdict.report import Prediction

YES, NO, UNKNOWN = True, False, None
ZEUS_ONLINE = '<node name="zeus" id="2" online="true" standby="false"'
_PAIR = '<nvpair id="{0}" name="{0}" value="{1}"/>'


def of(facts: Facts) -> Prediction:
    (found,) = prediction.of(facts)
    return found


def replica_on_zeus_is_gone() -> tuple[str, str]:
    before, _, after = pair_facts.OVERVIEW.partition('role="Unpromoted"')
    begin, end = before.rindex("<resource "), len(before) + after.index("</resource>")
    whole = pair_facts.OVERVIEW[begin : end + len('role="Unpromoted"</resource>')]
    return whole, ""


def target_on_zeus_is_gone() -> tuple[str, str]:
    text = pair_facts.OVERVIEW.partition('<clone id="c_target"')[2].partition("</clone>")[0]
    second = text[text.rindex("<resource ") : text.rindex("</resource>") + len("</resource>")]
    return text, text.replace(second, "")


def option(name: str, value: str) -> Changes:
    new = f'<cluster_property_set id="san-cluster-options">{_PAIR.format(name, value)}'
    return [('<cluster_property_set id="san-cluster-options">', new)]


def location(words: str, inside: str = "") -> Changes:
    return [("<constraints>", f"<constraints><rsc_location {words}>{inside}</rsc_location>")]


def failed(resource: str, count: str) -> Changes:
    name = f"fail-count-{resource}#start_0"
    score = '<nvpair id="status-2-score" name="master-p_drbd" value="10000"/>'
    return [(score, f'{score}<nvpair id="f" name="{name}" value="{count}"/>')]


def failure(resource: str, node: str, operation: str, code: int, reason: str) -> Changes:
    entry = (
        f'<failures><failure op_key="{resource}_{operation}_0" node="{node}" exitstatus="x" exitreason="{reason}" '
        f'exitcode="{code}" call="9" status="complete" last-rc-change="2026-11-29 21:53:33Z" task="{operation}"/>'
        "</failures></resources>"
    )
    return [("</resources>", "</resources>" + entry.removesuffix("</resources>"))]


GROUP = '<meta_attributes id="g_san-meta">'
SCORE_OF_ZEUS = '<nvpair id="status-2-score" name="master-p_drbd" value="10000"/>'
FENCED = (
    '<rule id="r" score="-INFINITY" role="Promoted">'
    '<expression id="e" attribute="#uname" operation="ne" value="atlas"/></rule>'
)
BY_HANDLER = 'id="drbd-fence-by-handler-san-ms_drbd" rsc="ms_drbd"'
FENCE_ATLAS_RUNS = '<resource id="fence_atlas" resource_agent="stonith:fence_ipmilan" role="Started"'


def disk(state: str, replication: str = "SyncSource") -> Changes:
    old = "volume:0 replication:Established peer-disk:UpToDate"
    return [(old, f"volume:0 replication:{replication} peer-disk:{state} done:10 eta:90")]


def said(portal: str) -> list[Told]:
    return [TOLD["atlas"], Told("zeus", {"10.0.5.50": portal}, TOLD["zeus"].disks)]


# A case: what is changed, the answer, and words of the first reason.
CASES = {
    "well": (make(), YES, ""),
    "well, asked on zeus": (make(node="zeus"), YES, ""),
    "well, with a third vote": (make(corosync=QNETD, quorum=QUORUM), YES, ""),
    # test_ready_drbd, test_drbd_states
    "a resync to it runs": (make(drbd=disk("Inconsistent")), NO, "san/0 on zeus is Inconsistent, for another 1:30 min"),
    "its disk is gone": (make(drbd=disk("Diskless", "Established")), NO, "the disk of san/0 on zeus is Diskless"),
    "it reaches the data through atlas alone": (
        make(cib=[(SCORE_OF_ZEUS, SCORE_OF_ZEUS.replace("10000", "10"))], replicated=False),
        NO,
        "no disk of its own",
    ),
    "it has no score: behind, split brain, frozen": (
        make(cib=[(SCORE_OF_ZEUS, "")]),
        NO,
        "zeus has no promotion score, so its replica of san",
    ),
    "the link is down, and atlas has gone on": (
        make(cib=location(BY_HANDLER, FENCED)),
        NO,
        "drbd-fence-by-handler-san-ms_drbd bans zeus from promotion",
    ),
    "the disk of atlas is gone, and it serves through zeus": (
        make(drbd=[("volume:0 minor:0 disk:UpToDate", "volume:0 minor:0 disk:Diskless")]),
        YES,
        "",
    ),
    "zeus is dead": (make(overview=[(ZEUS_ONLINE, ZEUS_ONLINE.replace("true", "false"))]), NO, "zeus is offline"),
    "nobody can be fenced": (
        make(
            overview=[
                (FENCE_ATLAS_RUNS, FENCE_ATLAS_RUNS.replace("Started", "Stopped")),
                (
                    '<node name="zeus" id="2" cached="true"/>\n    </resource>\n    <resource id="fence_zeus"',
                    '</resource>\n    <resource id="fence_zeus"',
                ),
            ]
        ),
        NO,
        "fence_atlas is stopped, so atlas could not be fenced",
    ),
    "its replica is stopped": (make(overview=[replica_on_zeus_is_gone()]), NO, "p_drbd does not run on zeus"),
    # test_ready_identity
    "another disk": (
        make(refusals={"zeus": "p_lun1: zeus would not serve it: block_size is 4096 instead of 512; give"}),
        NO,
        "p_lun1: zeus would not serve it: block_size is 4096 instead of 512",
    ),
    "another disk, as crm_mon has it": (
        make(overview=failure("p_lun1", "atlas", "monitor", 190, "zeus would not serve it: block_size is 4096; give")),
        NO,
        "p_lun1: zeus would not serve it: block_size is 4096",
    ),
    "a disk that cannot discard, or another kernel": (
        make(
            overview=failure("p_lun1", "atlas", "monitor", 190, "zeus would serve emulate_tpu=0; accept: crm_resource")
        ),
        YES,
        "",
    ),
    # test_ready_lun, test_ready_parameters
    "an initiator is forgotten, a device has grown, a value is wrong": (
        make(overview=failure("p_lun1", "atlas", "monitor", 190, "its target does not admit iqn.x:y; take it out")),
        YES,
        "",
    ),
    # test_ready_portal
    "its cable is pulled": (
        make(told=said("device eth0 has no carrier; check")),
        NO,
        "zeus could not take 10.0.5.50: device eth0 has no carrier",
    ),
    # test_ready_reservations
    "a state volume that is not mounted, nothing reserved": (make(state_mounted=False), YES, ""),
    "a state volume that is not mounted, and a reservation": (
        make(state_mounted=False, luns=[pair_facts.reserved()]),
        UNKNOWN,
        "whether zeus could read the reservations",
    ),
    "the same, and served without what was reserved": (
        make(state_mounted=False, luns=[pair_facts.reserved()], reservations_optional=("p_lun1",)),
        YES,
        "",
    ),
    "a LUN is stopped on purpose": (
        make(cib=[(GROUP, GROUP + _PAIR.format("target-role", "Stopped"))]),
        NO,
        "p_lun1 is stopped or not managed, on purpose",
    ),
    # test_ready_target
    "a program has the port there": (
        make(
            overview=[
                target_on_zeus_is_gone(),
                *failure("p_target", "zeus", "start", 1, "portal 10.0.5.50:3260 is in use by nc; end it"),
            ]
        ),
        NO,
        "p_target does not run on zeus",
    ),
    # test_ready_template
    "the LUN has failed there once": (make(cib=failed("p_lun1", "1")), YES, ""),
    "the LUN has failed there twice": (make(cib=failed("p_lun1", "2")), NO, "p_lun1 has failed on zeus, which bans it"),
    "a start failure was fatal": (make(cib=failed("p_portal", "INFINITY")), NO, "p_portal has failed on zeus"),
    "the other node is in standby": (
        make(overview=[(ZEUS_ONLINE, ZEUS_ONLINE.replace('standby="false"', 'standby="true"'))]),
        NO,
        "zeus is standby",
    ),
    # test_ready_frame
    "maintenance mode": (make(cib=option("maintenance-mode", "true")), NO, "the cluster is in maintenance mode"),
    # test_qnetd
    "the third machine is gone": (
        make(corosync=QNETD, quorum=QUORUM.replace("0          1            Qd", "0          0            Qd")),
        NO,
        "the third vote is missing",
    ),
    "whether the third vote is there could not be asked": (make(corosync=QNETD), UNKNOWN, "whether the third vote"),
    # What an administrator has done.
    "a ban": (
        make(cib=location('id="cli-ban-g_san-on-zeus" rsc="g_san" role="Started" node="zeus" score="-INFINITY"')),
        NO,
        "the constraint cli-ban-g_san-on-zeus keeps g_san from zeus",
    ),
    "a move to atlas that was left": (
        make(cib=location('id="cli-prefer-g_san" rsc="g_san" node="atlas" score="INFINITY"')),
        YES,
        "",
    ),
    "a rule of an attribute": (
        make(cib=location('id="x" rsc="g_san"', FENCED.replace("#uname", "rack"))),
        UNKNOWN,
        "whether the constraint x keeps g_san from zeus is unknown",
    ),
    "everything is to stop": (make(cib=option("stop-all-resources", "true")), NO, "stop-all-resources is set"),
    "no fencing": (make(cib=option("stonith-enabled", "false")), UNKNOWN, "fencing is off"),
    "no two_node": (
        make(corosync=pair_facts.COROSYNC.replace("two_node: 1", "")),
        NO,
        "zeus would have no quorum alone",
    ),
    # What could not be seen.
    "zeus has told nothing": (make(told=[TOLD["atlas"]]), UNKNOWN, "whether zeus could take 10.0.5.50 is unknown"),
    "attrd did not answer": (
        make(
            told=[], not_seen=[NotSeen("whether the nodes could take 10.0.5.50", "attrd_updater did not end in time")]
        ),
        UNKNOWN,
        "attrd_updater did not end in time",
    ),
    "crm_mon did not answer": (replace(make(), cluster=None), UNKNOWN, "the cluster could not be seen"),
    "DRBD did not answer": (make(replicated=False), YES, ""),
    "corosync.conf cannot be read": (
        replace(make(), votes=None),
        UNKNOWN,
        "would have quorum alone is unknown",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_whether_the_other_node_would_serve(case: str) -> None:
    facts, answer, words = CASES[case]
    found = of(facts)
    assert found.would_serve is answer, found.because
    assert words in (found.because[0].because if found.because else "")
    assert bool(found.because) == (answer is not YES)
    assert (found.seconds is not None) == (answer is YES)


def test_the_time_is_of_what_is_configured_and_measured() -> None:
    found = of(make())
    # token 3, consensus 1, a plan 1, the delay 3, twice the monitor of 1.1 s and twice 1 s, 0.9 + 1.9 + 1.2.
    assert (found.seconds, found.at_least) == (16.2, False)
    assert "3.0 s of priority-fencing-delay" in found.rests_on
    without_delay = [('name="priority-fencing-delay" value="3s"', 'name="priority-fencing-delay" value="0"')]
    assert of(make(corosync=QNETD, quorum=QUORUM, cib=without_delay)).seconds == 13.2


def test_a_time_with_an_unknown_part_is_at_least_that() -> None:
    """After a restart of the cluster only probes are in the history."""
    found = of(make(cib=[('operation="promote"', 'operation="monitor"')]))
    assert found.at_least
    assert found.seconds == 15.3


@pytest.mark.parametrize(("seconds", "at_least", "took"), [(10.0, False, 22.0), (-1.0, True, 12.0)])
def test_a_watchdog_instead_of_a_device(seconds: float, at_least: bool, took: float) -> None:
    """A negative stonith-watchdog-timeout is twice the time of SBD's watchdog, which the CIB does not say."""
    facts = make()
    assert facts.cluster is not None
    cluster = replace(facts.cluster, fence_devices=(), watchdog_seconds=seconds)
    found = of(replace(facts, cluster=cluster))
    assert (found.would_serve, found.at_least, found.seconds) == (True, at_least, took)


def plan(folder: Path, cib: Changes) -> bool:
    """Whether Pacemaker's scheduler would start the address on zeus if atlas failed."""
    (folder / "cib.xml").write_text(pair_facts.changed(pair_facts.CIB, cib))
    argv = ["crm_simulate", "--xml-file", str(folder / "cib.xml"), "--simulate", "--node-fail", "atlas"]
    variables = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=True)
    return "p_portal\t(ocf:twinsan:portal-ip):\t Started zeus" in done.stdout.partition("Revised Cluster Status")[2]


@pytest.mark.runs_programs
@pytest.mark.parametrize(
    "cib",
    [
        [],
        [(SCORE_OF_ZEUS, "")],
        location(BY_HANDLER, FENCED),
        location('id="cli-ban-g_san-on-zeus" rsc="g_san" role="Started" node="zeus" score="-INFINITY"'),
        location('id="cli-prefer-g_san" rsc="g_san" node="atlas" score="INFINITY"'),
        failed("p_lun1", "1"),
        failed("p_lun1", "2"),
        failed("p_portal", "INFINITY"),
        option("maintenance-mode", "true"),
        option("stop-all-resources", "true"),
    ],
)
def test_the_scheduler_says_the_same(tmp_path: Path, cib: Changes) -> None:
    assert of(make(cib=cib)).would_serve is plan(tmp_path, cib)
