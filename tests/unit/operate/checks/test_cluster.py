# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that are seeded in a configuration of the cluster, and what is found: each of them, and nothing else."""

from __future__ import annotations

import os

import pytest
from lxml import etree

from lab import pacemaker_tools
from lab.bench import incumbents
from tests.unit.operate.checks import mutation
from tests.unit.operate.checks.mutation import Change, add, give, last, live, location, more, option, remove, value
from tests.unit.simulation import NEWEST, VERSIONS
from twinsan.deadline import Deadline
from twinsan.errors import NotInstalled, TooSlow
from twinsan.host import command
from twinsan.operate.checks import cluster, simulator, situations
from twinsan.operate.checks.configuration import Configuration
from twinsan.operate.checks.plan import Plan
from twinsan.operate.checks.report import Report

TEMPLATES = sorted(path.stem for path in mutation.TEMPLATES.glob("*.xml"))

# Simulations cost half a second each. With this variable all rows have one, otherwise those that need it.
ALL = bool(os.environ.get("TWINSAN_EXAMPLES"))


def report(text: bytes) -> Report:
    """What is found in a configuration; a watchdog would wait 15 s."""
    return cluster.check(Configuration.read(text, "cib.xml"), Deadline(60), watchdog=15.0)


def found(text: bytes) -> list[tuple[str, str]]:
    """The keys and severities of what is found."""
    made = report(text)
    assert made.unseen == []
    return [(each.fault.key, each.fault.severity) for each in made.findings()]


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize(
    "template",
    [
        pytest.param(each, marks=[] if each in ("san", "many-luns", "two-resources") else [pytest.mark.soak])
        for each in TEMPLATES
    ],
)
def test_nothing_is_found_in_a_shipped_template(template: str) -> None:
    assert found(mutation.changed(template)) == []


def test_nothing_is_found_in_a_template_that_a_cluster_has_loaded(no_simulation: None) -> None:
    assert found(mutation.changed("san", live(), value("password", "lrm://"))) == []


@pytest.fixture
def no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler is not asked."""
    monkeypatch.setattr(situations, "find", lambda *_: iter(()))


def _serial(lun: str, text: str) -> Change:
    return more(lun, "instance_attributes", "scsi_sn", text)


def _product(lun: str, text: str) -> Change:
    return more(lun, "instance_attributes", "product_id", text)


def _of_node(name: str, text: str) -> Change:
    pair = f'<nvpair id="nodes-2-{name}" name="{name}" value="{text}"/>'
    return add("node[@uname='zeus']", f'<instance_attributes id="nodes-2">{pair}</instance_attributes>')


def _fenced() -> Change:
    identity = "drbd-fence-by-handler-san-ms_drbd"
    expression = '<expression id="e" attribute="#uname" operation="ne" value="atlas"/>'
    rule = f'<rule id="r" role="Promoted" score="-INFINITY">{expression}</rule>'
    return add("constraints", f'<rsc_location id="{identity}" rsc="ms_drbd">{rule}</rsc_location>')


def _without_clone() -> Change:
    """The primitive alone, with what constraints say of the clone."""

    def change(root: etree._Element) -> None:
        clone = root.find(".//clone[@id='ms_drbd']")
        assert clone is not None
        parent, primitive = clone.getparent(), clone.find("primitive")
        assert parent is not None
        assert primitive is not None
        parent.replace(clone, primitive)

    return change


def _cloned() -> Change:
    """The group in a clone."""

    def change(root: etree._Element) -> None:
        group = root.find(".//group")
        assert group is not None
        clone, parent = etree.Element("clone", id="c_san"), group.getparent()
        assert parent is not None
        parent.replace(group, clone)
        clone.append(group)
        for constraint in root.iterfind(".//constraints/*"):
            for name in ("rsc", "then"):
                if constraint.get(name) == "g_san":
                    constraint.set(name, "c_san")

    return change


def _cloned_address() -> Change:
    """One address in a clone, of which the orders know."""

    def change(root: etree._Element) -> None:
        address = root.find(".//primitive[@id='p_portal2']")
        assert address is not None
        clone, parent = etree.Element("clone", id="c_portal2"), address.getparent()
        assert parent is not None
        parent.replace(address, clone)
        clone.append(address)
        for reference in root.iterfind(".//resource_ref[@id='p_portal2']"):
            reference.set("id", "c_portal2")

    return change


def _incumbent(timeout: str) -> Change:
    """The LUN by the agent of ClusterLabs."""

    def change(root: etree._Element) -> None:
        give("primitive[@id='p_lun1']", provider="heartbeat", type="iSCSILogicalUnit")(root)
        give("op[@id='p_lun1-stop']", timeout=timeout)(root)

    return change


def _two_rules() -> Change:
    rules = ""
    for node in ("atlas", "zeus"):
        expression = f'<expression id="e-{node}" attribute="#uname" operation="eq" value="{node}"/>'
        rules += f'<rule id="r-{node}" score="1">{expression}</rule>'
    return add("constraints", f'<rsc_location id="two" rsc="g_san">{rules}</rsc_location>')


# What the scheduler is asked for: template, changes, key, severity. As a second finding, what the same fault also does.
SIMULATED: dict[str, tuple[str, list[Change], list[tuple[str, str]]]] = {
    "no order after the promotion": (
        "san",
        [remove("rsc_order[@id='promote-before-san']")],
        [("served-before-promotion", "error")],
    ),
    "an order that is not symmetrical": (
        "san",
        [give("rsc_order[@id='promote-before-san']", symmetrical="false")],
        [("demoted-before-stop", "error")],
    ),
    "no order after the target": (
        "san",
        [remove("rsc_order[@id='target-before-san']")],
        [("served-before-target", "error")],
    ),
    "the target may stop first": (
        "san",
        [give("rsc_order[@id='target-before-san']", symmetrical="false")],
        [("target-stops-first", "warning")],
    ),
    "the address first": ("san", [last("primitive[@id='p_lun1']")], [("address-before-lun", "error")]),
    "an optional order of LUNs and address": (
        "many-luns",
        [give("rsc_order[@id='luns-after-promotion']", kind="Optional")],
        [("lun-stops-first", "error")],
    ),
    "no colocation with the promotion": (
        "san",
        [remove("rsc_colocation[@id='san-where-promoted']")],
        [("lun-elsewhere", "error")],
    ),
    "no colocation with the target": (
        "san",
        [remove("rsc_colocation[@id='san-where-target']")],
        [("target-elsewhere", "error")],
    ),
    "an address that is not colocated": (
        "two-portals",
        [remove("rsc_colocation[@id='luns-where-promoted']/resource_set[@id='luns-where-promoted-1']")],
        [("address-elsewhere", "error")],
    ),
    "a promotion that does not follow the target": (
        "san",
        [remove("rsc_colocation[@id='promoted-where-target']")],
        [("target-lost", "warning")],
    ),
    "a node that is banned": ("san", [location("x", "g_san", "zeus", "-INFINITY")], [("not-taken-over", "error")]),
    "both nodes banned": (
        "san",
        [location("x", "g_san", "zeus", "-INFINITY"), location("y", "g_san", "atlas", "-INFINITY")],
        [("not-served", "error")],
    ),
    "a preference above the stickiness": ("san", [location("x", "g_san", "atlas", "500")], [("moves-back", "note")]),
    "a stop whose failure is ignored": (
        "san",
        [give("op[@id='p_lun1-stop']", on_fail="ignore")],
        [("stop-not-fenced", "error")],
    ),
    "no priority": ("san", [remove("nvpair[@name='priority']")], [("fencing-tie", "warning")]),
    "two equal priorities": (
        "two-resources",
        [remove("primitive[@id='p_portal_data0']/meta_attributes")],
        [("fencing-tie", "warning")],
    ),
    "a chain that is a clone, without interleave": (
        "san",
        [_cloned()],
        [("not-interleaved", "warning"), ("not-interleaved", "warning"), ("restarts", "warning")],
    ),
    "a clone of the address": (
        "two-portals",
        [_cloned_address(), remove("resource_set[@id='luns-where-promoted-1']")],
        [("served-twice", "error"), ("address-elsewhere", "error")],
    ),
    "a constraint on what does not exist": (
        "san",
        [give("rsc_colocation[@id='san-where-promoted']", rsc="g_sun")],
        [("configuration-refused", "error")],
    ),
}
# One of each kind; the others are of the same code.
SAMPLE = (
    "no order after the promotion",
    "an optional order of LUNs and address",
    "no colocation with the promotion",
    "a node that is banned",
    "a stop whose failure is ignored",
    "a constraint on what does not exist",
)


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("name", SIMULATED if ALL else SAMPLE)
def test_the_scheduler_tells(name: str) -> None:
    template, changes, expected = SIMULATED[name]
    assert found(mutation.changed(template, *changes)) == expected


def ours(key: str, severity: str, *changes: Change) -> tuple[str, list[Change], str, str]:
    return "san", list(changes), key, severity


STATIC: dict[str, tuple[str, list[Change], str, str]] = {
    # Clones and roles.
    "a replica that is not promotable": ours("replica-not-promotable", "error", value("promotable", "false")),
    "two Primaries": ours("two-primaries", "error", value("promoted-max", "2")),
    "one replica": ours("one-replica", "error", value("clone-max", "1", of="ms_drbd")),
    "notifications": ours("notifications-unneeded", "note", value("notify", "true", of="ms_drbd")),
    "a LUN of another target": ours("target-missing", "error", value("target_iqn", "iqn.2003-01.org.example:sun")),
    "a replica in no clone": ours("replica-not-cloned", "error", _without_clone()),
    "no address": ours("address-missing", "error", remove("primitive[@id='p_portal']"), value("portals", "10.0.5.50")),
    "linbit:drbd without notifications": ours(
        "notifications-missing", "error", give("primitive[@id='p_drbd']", provider="linbit", type="drbd")
    ),
    "a watchdog that is waited for too shortly": (
        "sbd-diskless",
        [value("stonith-watchdog-timeout", "20s")],
        "watchdog-short",
        "error",
    ),
    "a LUN of iSCSILogicalUnit without a serial": ours("serial-of-name", "warning", _incumbent("60s")),
    "a short stop of iSCSILogicalUnit": ours(
        "timeout-shortest", "warning", _incumbent("20s"), _serial("p_lun1", "aaaaaaa0")
    ),
    "clones in order without interleave": ours(
        "not-interleaved",
        "warning",
        add("constraints", '<rsc_order id="x" first="c_target" then="ms_drbd" kind="Optional"/>'),
        value("interleave", "false", of="ms_drbd"),
    ),
    # Fencing.
    "fencing switched off": ours("fencing-off", "error", option("stonith-enabled", "false")),
    "fencing switched off by its new name": ours("fencing-off", "error", option("fencing-enabled", "no")),
    "a node without a fence device": ours(
        "fence-device-missing",
        "error",
        live(),
        value("password", "lrm://"),
        remove("primitive[@id='fence_zeus']"),
        remove("rsc_location[@id='fence_zeus-not-on-zeus']"),
    ),
    "a device on the node that it fences": ours(
        "fence-device-at-home", "warning", remove("rsc_location[@id='fence_zeus-not-on-zeus']")
    ),
    "a device that the other node cannot use": ours(
        "fence-device-kept-away", "error", location("x", "fence_zeus", "atlas", "-INFINITY")
    ),
    "both devices with one BMC": ours("same-bmc", "error", value("ip", "10.0.6.2", of="fence_zeus")),
    "a device for tests": ours(
        "fence-device-for-tests", "error", give("primitive[@id='fence_zeus']", type="external/ssh")
    ),
    "no delay": ours("fencing-race", "warning", value("priority-fencing-delay", "0")),
    "the same delay of both": ours(
        "fencing-delays-equal",
        "warning",
        value("priority-fencing-delay", "0"),
        more("fence_atlas", "instance_attributes", "pcmk_delay_base", "5s"),
        more("fence_zeus", "instance_attributes", "pcmk_delay_base", "5s"),
    ),
    "a delay that a device uses up": ours(
        "fencing-delay-short", "warning", more("fence_zeus", "instance_attributes", "pcmk_delay_max", "10s")
    ),
    "a delay beside a third vote": (
        "san-qnetd",
        [value("priority-fencing-delay", "5s")],
        "fencing-delay-unneeded",
        "note",
    ),
    "a BMC without a password, in a cluster": ours(
        "fence-password-missing", "error", live(), value("password", "lrm://", of="fence_atlas")
    ),
    "a device without a monitor": ours("fence-monitor-missing", "warning", remove("op[@id='fence_zeus-monitor']")),
    "a fencing that may take longer than APD": ours("fencing-late", "warning", option("stonith-timeout", "150s")),
    "a fenced node stays off": ours("fenced-stays-off", "note", option("stonith-action", "off")),
    "quorum ignored": ours("quorum-ignored", "error", option("no-quorum-policy", "ignore")),
    "suicide without quorum": ours("quorum-suicide", "warning", option("no-quorum-policy", "suicide")),
    # Operations and their failures.
    "a short stop": ours("timeout-short", "warning", give("op[@id='p_lun1-stop']", timeout="20s")),
    "no time-out at all": ours("timeout-short", "warning", remove("op[@id='p_target-start']")),
    "a promotion shorter than the fence handler": ours(
        "promotion-timeout-short", "error", give("op[@id='p_drbd-promote']", timeout="30s")
    ),
    "a start longer than APD": ours("timeout-long", "warning", give("op[@id='p_lun1-start']", timeout="5min")),
    "no monitor": ours("monitor-missing", "warning", remove("op[@id='p_lun1-monitor']")),
    "no monitor of one role": ours("monitor-missing", "warning", remove("op[@id='p_drbd-monitor-promoted']")),
    "two monitors of one interval": ours(
        "monitors-collide", "error", give("op[@id='p_drbd-monitor-promoted']", interval="20s")
    ),
    "a slow monitor": ours("monitor-slow", "warning", give("op[@id='p_lun1-monitor']", interval="PT5M")),
    "a short failure-timeout": ours("failure-timeout-short", "warning", value("failure-timeout", "15s", of="g_san")),
    "no failure-timeout": ours(
        "failure-timeout-missing", "warning", remove("*[@id='g_san']//nvpair[@name='failure-timeout']")
    ),
    "a failed start that is fatal": ours("start-failure-fatal", "warning", value("start-failure-is-fatal", "true")),
    "no migration-threshold": ours(
        "threshold-missing", "warning", remove("*[@id='p_target']//nvpair[@name='migration-threshold']")
    ),
    "no stickiness": ours("stickiness-missing", "warning", remove("nvpair[@name='resource-stickiness']")),
    # Identity and secrets.
    "two targets of one name": (
        "two-resources",
        [
            value("iqn", "iqn.2003-01.org.example:data0"),
            value("target_iqn", "iqn.2003-01.org.example:data0"),
            value("lun", "2", of="p_lun1_data1"),
            value("portals", "10.0.5.50:3260 10.0.5.51:3260"),
        ],
        "same-iqn",
        "error",
    ),
    "two LUNs of one number": (
        "many-luns",
        [value("lun", "1", of="p_lun2"), _serial("p_lun2", "b")],
        "same-lun",
        "error",
    ),
    "two LUNs of one NAA name": (
        "many-luns",
        [_serial("p_lun1", "lun-zzz-01"), _serial("p_lun2", "lun-yyy-01")],
        "same-serial",
        "error",
    ),
    "two LUNs of one device": ("many-luns", [value("path", "/dev/drbd0", of="p_lun2")], "same-device", "error"),
    "two addresses in one": (
        "two-portals",
        [value("ip", "10.0.5.50", of="p_portal2"), value("portals", "10.0.5.50")],
        "same-address",
        "error",
    ),
    "product ids that begin alike": (
        "many-luns",
        [_product("p_lun1", "datastore-1"), _product("p_lun2", "datastore-2")],
        "same-product",
        "warning",
    ),
    "two targets of one relative port": (
        "two-resources",
        [value("relative_port", "1")],
        "same-relative-port",
        "warning",
    ),
    "LUN 0": ours("lun-zero", "warning", value("lun", "0")),
    "an address that is no portal": ("two-portals", [value("portals", "10.0.5.50")], "portal-missing", "error"),
    "a portal that is no address": ours("portal-without-address", "error", value("portals", "10.0.5.50 10.0.5.51")),
    "everybody may log in": ours(
        "everybody-writes", "warning", more("p_target", "instance_attributes", "demo_mode", "yes")
    ),
    "no state volume": ours("state-volume-missing", "note", remove("nvpair[@name='state_device']")),
    "a password in the configuration": ours(
        "secret-in-cib", "warning", value("password", "l0ng-and-0wn", of="fence_zeus")
    ),
    "a password of the factory": ours("secret-known", "error", value("password", "calvin", of="fence_zeus")),
    # What is left over.
    "a move": ours("move-constraint", "warning", location("cli-prefer-g_san", "g_san", "zeus", "INFINITY")),
    "a fence constraint": ours("fence-constraint", "warning", _fenced()),
    "maintenance": ours("maintenance", "warning", option("maintenance-mode", "true")),
    "all stopped": ours("all-stopped", "error", option("stop-all-resources", "true")),
    "standby": ours("standby", "warning", live(), value("password", "lrm://"), _of_node("standby", "on")),
    "maintenance of a node": ours(
        "node-maintenance", "warning", live(), value("password", "lrm://"), _of_node("maintenance", "true")
    ),
    "a target-role": ours("target-role", "warning", more("g_san", "meta_attributes", "target-role", "Stopped")),
    "what is not managed": ours("unmanaged", "warning", more("p_lun1", "meta_attributes", "is-managed", "false")),
    "an old role": ours("old-roles", "note", give("rsc_colocation[@id='san-where-promoted']", with_rsc_role="Master")),
    "two rules in a location": ours("several-rules", "warning", _two_rules()),
}


@pytest.mark.runs_programs  # with TWINSAN_EXAMPLES
@pytest.mark.parametrize("name", STATIC)
def test_the_text_tells(name: str, request: pytest.FixtureRequest) -> None:
    if not ALL:
        request.getfixturevalue("no_simulation")
    template, changes, key, severity = STATIC[name]
    assert found(mutation.changed(template, *changes)) == [(key, severity)]


def guide() -> bytes:
    """LINBIT's guide as the benchmark wires it, with fence devices."""
    root = etree.fromstring(incumbents.configuration(2))
    template = etree.fromstring(mutation.changed("san"))
    for path, place in (("primitive[@class='stonith']", "resources"), ("rsc_location", "constraints")):
        holder = root.find(f".//{place}")
        assert holder is not None
        holder.extend(template.findall(f".//{path}"))
    options = template.find(".//crm_config")
    assert options is not None
    root[0].insert(0, options)
    return etree.tostring(root)


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("old", [False, True])
def test_a_configuration_for_the_agents_of_clusterlabs(old: bool) -> None:
    """No resource of it has a priority, and its time-outs are those that a user-mode kernel needs."""
    text = guide().decode()
    names = {
        "clone ": "master ",
        "clone>": "master>",
        "Unpromoted": "Slave",
        "Promoted": "Master",
        "promoted": "master",
    }
    for new, former in names.items() if old else ():
        text = text.replace(new, former)
    keys = {key for key, _ in found(text.encode())}
    also = {"old-clone", "old-roles"} if old else set()
    assert keys == {"fencing-tie", "timeout-long", "threshold-missing", "failure-timeout-missing", *also}


@pytest.mark.runs_programs
@pytest.mark.long
def test_its_chain_is_judged_as_well() -> None:
    """Without the order, the disk would be served before its promotion, although the port is closed beforehand."""
    root = etree.fromstring(guide())
    mutation.remove("rsc_order")(root)
    keys = {key for key, _ in found(etree.tostring(root))}
    assert "served-before-promotion" in keys
    assert "address-before-lun" not in keys


def test_without_the_scheduler_the_text_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*argv: str, **_: object) -> command.Result:
        raise NotInstalled(f"the program {argv[0]} is missing")

    monkeypatch.setattr(command, "run", missing)
    made = report(mutation.changed("san", option("no-quorum-policy", "ignore")))
    assert [each.fault.key for each in made.findings()] == ["quorum-ignored"]
    assert made.unseen == [("all that the scheduler would do", "the program crm_simulate is missing")]


@pytest.mark.runs_programs
@pytest.mark.long
def test_what_was_found_before_time_was_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = command.run, [1]

    def run(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        if not left:
            raise TooSlow(f"{argv[0]} did not end in time")
        left.pop()
        return real(*argv, deadline=deadline, check=check)

    monkeypatch.setattr(command, "run", run)
    made = report(mutation.changed("san", remove("rsc_order[@id='promote-before-san']")))
    assert [each.fault.key for each in made.findings()] == ["served-before-promotion"]
    assert [what for what, _ in made.unseen] == ["all that the scheduler would do"]


@pytest.mark.runs_programs
@pytest.mark.long
def test_the_scheduler_is_not_asked_more_often_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start of it is what takes time on a small server."""
    real, runs = command.run, []

    def run(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        runs.append(argv[0])
        return real(*argv, deadline=deadline, check=check)

    monkeypatch.setattr(command, "run", run)
    assert report(mutation.changed("san")).findings() == []
    assert runs == ["crm_simulate"] * 9


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("refused", [False, True])
def test_a_configuration_is_validated_once(monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    """Or each time, by a version that does not do without."""
    real, schemas = command.run, []

    def run(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        schema = etree.parse(argv[3]).getroot().get("validate-with")
        schemas.append(schema)
        if refused and schema == "none":
            return command.Result(argv, 78, "", "none is not allowed")
        return real(*argv, deadline=deadline, check=check)

    monkeypatch.setattr(command, "run", run)
    without = remove("rsc_order[@id='promote-before-san']")
    assert found(mutation.changed("san", without)) == [("served-before-promotion", "error")]
    assert schemas[0] != "none"
    assert schemas.count("none") == (1 if refused else len(schemas) - 1)


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("schema", ["\\9", "\\g<x>", '"&<'])
def test_a_schema_that_nobody_has_is_refused(schema: str) -> None:
    """Whatever its name: the scheduler says so."""
    configuration = Configuration.read(mutation.changed("san"), "cib.xml")
    configuration.cib.set("validate-with", schema)
    assert "configuration-refused" in [each.fault.key for each in cluster.check(configuration, Deadline(60)).findings()]


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize(
    "version", [NEWEST, *(pytest.param(each, marks=pytest.mark.soak) for each in VERSIONS if each != NEWEST)]
)
def test_plans_are_the_same_without_a_validation(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """On each version of Pacemaker."""
    real, trusting = command.run, simulator.Simulator.step
    text = mutation.changed("san").decode()
    if version == "2.0.5":
        # It knows the former names alone.
        text = text.replace('role="Promoted"', 'role="Master"').replace('role="Unpromoted"', 'role="Slave"')
    configuration = Configuration.read(text.encode(), "cib.xml")
    configuration.cib.set("validate-with", VERSIONS[version].schema)

    def run(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        words = (*pacemaker_tools.command(version, argv[0]), *argv[1:])
        schemas = {"PCMK_schema_directory": str(pacemaker_tools.schemas(version))}
        return real(*words, deadline=deadline, check=check, environment=schemas)

    def plans(trusts: bool) -> list[object]:
        told: list[object] = []

        def step(self: simulator.Simulator, *words: str) -> Plan:
            self._trusts = trusts
            plan = trusting(self, *words)
            told.append((plan.actions, plan.delays, self.running, self.promoted))
            return plan

        monkeypatch.setattr(simulator.Simulator, "step", step)
        said = cluster.check(configuration, Deadline(60))
        assert said.unseen == []
        assert [each.fault.key for each in said.findings()] == (["old-roles"] if version == "2.0.5" else [])
        return told

    monkeypatch.setattr(command, "run", run)
    told = plans(True)
    # All situations were simulated.
    assert len(told) == 9
    assert told == plans(False)


def test_nothing_stays_in_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        made.append(path)
        real(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 1, "", "error: no"))
    assert [each.fault.key for each in report(mutation.changed("san")).findings()] == ["configuration-refused"]
    assert made
    assert not any(map(os.path.exists, made))
